//! A map of bounded size that forgets what was not used lately.

use std::borrow::Borrow;
use std::collections::hash_map::Entry;
use std::hash::Hash;

use crate::hash::{Map, Seed};

/// Keeps up to three times `capacity` entries, and those that must not be forgotten.
///
/// Forgetting happens in sweeps, one for every `capacity` insertions: first what was not used since the last sweep goes;
/// if more than twice `capacity` are left, everything that may.
#[derive(Debug)]
pub(crate) struct Cache<K, V> {
    map: Map<K, Kept<V>>,
    capacity: usize,
    inserted: usize,
    sweep: u64,
}

#[derive(Debug)]
struct Kept<V> {
    value: V,
    used: u64,
}

impl<K: Eq + Hash, V> Cache<K, V> {
    pub(crate) fn new(capacity: usize, seed: Seed) -> Self {
        Self { map: Map::with_hasher(seed), capacity, inserted: 0, sweep: 0 }
    }

    pub(crate) fn get_mut<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let kept = self.map.get_mut(key)?;
        kept.used = self.sweep;
        Some(&mut kept.value)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) -> &mut V {
        self.inserted += 1;
        let used = self.sweep;
        &mut self.map.entry(key).insert_entry(Kept { value, used }).into_mut().value
    }

    /// The value of `key`, made by `make` if there is none.
    pub(crate) fn get_or_insert<E>(
        &mut self,
        key: &K,
        make: impl FnOnce() -> Result<V, E>,
    ) -> Result<&mut V, E>
    where
        K: Clone,
    {
        let kept = match self.map.entry(key.clone()) {
            Entry::Occupied(kept) => kept.into_mut(),
            Entry::Vacant(free) => {
                let value = make()?;
                self.inserted += 1;
                free.insert(Kept { value, used: self.sweep })
            }
        };
        kept.used = self.sweep;
        Ok(&mut kept.value)
    }

    pub(crate) fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        self.map.remove(key);
    }

    /// Forgets, if it is time to, entries that `may_forget` allows to.
    pub(crate) fn sweep(&mut self, mut may_forget: impl FnMut(&V) -> bool) {
        if self.inserted < self.capacity {
            return;
        }
        self.inserted = 0;
        let sweep = self.sweep;
        self.sweep += 1;
        self.map.retain(|_, kept| kept.used == sweep || !may_forget(&kept.value));
        if self.map.len() > 2 * self.capacity {
            self.map.retain(|_, kept| !may_forget(&kept.value));
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }
}

#[cfg(test)]
mod tests;
