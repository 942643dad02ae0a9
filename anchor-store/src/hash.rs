//! Maps whose keys come from outside: hashed fast, and seeded so that nobody can choose keys that collide.

use std::collections::HashMap;

use ahash::RandomState;
use anchor_core::environment::Environment;

/// A map with a seeded hash. Its order means nothing.
pub(crate) type Map<K, V> = HashMap<K, V, Seed>;

/// What a map's hash begins with: secret, so that collisions cannot be made.
pub(crate) type Seed = RandomState;

/// A new seed.
pub(crate) fn seed(env: &(impl Environment + ?Sized)) -> Seed {
    let mut bytes = [0; 32];
    env.fill_random(&mut bytes);
    let (numbers, _) = bytes.as_chunks();
    let [a, b, c, d] = [0, 1, 2, 3].map(|at: usize| u64::from_le_bytes(numbers[at]));
    RandomState::with_seeds(a, b, c, d)
}
