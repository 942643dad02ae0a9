//! The rows of signs: what each user has set on an event, so that whoever decides a reaction need not go through those of
//! others, of which there may be any number.
//!
//! A row goes with the first page that has a reaction of it: what it is about has gone before.

use std::collections::BTreeMap;

use anchor_core::error::BoxError;
use anchor_core::id::UserId;
use anchor_core::msgpack::{Malformed, Reader};
use anchor_core::position::Offset;
use anchor_core::room::{Amendment, Sign, UserSigns};
use redb::{ReadableTable, Table, WriteTransaction};

use super::About;
use super::rows::{TargetTables, decode};
use crate::codec::{Encoder, fields};
use crate::tables::{AMENDMENTS, SIGNS};

/// Room number, target, user.
pub(super) type SignsKey = (u64, u64, &'static str);

/// What the pages know of the signs of one user on one event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SignsRow {
    /// The newest of the reactions that it is made of.
    pub(super) last: Offset,
    pub(super) signs: UserSigns,
}

impl SignsRow {
    /// Takes the next reaction of the log; one that is in it already changes nothing.
    pub(crate) fn take(&mut self, amendment: &Amendment) {
        if let Some(sign) = amendment.sign.as_ref().filter(|_| amendment.offset > self.last) {
            self.last = amendment.offset;
            self.signs.take(amendment.kind, sign);
        }
    }

    /// `[last, changes, [sign, …]]`
    pub(crate) fn encode(&self, out: &mut Encoder) {
        out.array(3).uint(self.last.0).uint(self.signs.changes).array(self.signs.set.len());
        for sign in &self.signs.set {
            out.str(sign.as_str());
        }
    }

    pub(super) fn decode(value: &[u8]) -> Result<Self, Malformed> {
        Self::read(&mut Reader::from_slice(value))
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        fields(reader, 3, |reader| {
            let (last, changes) = (Offset(reader.uint()?), reader.uint()?);
            let mut set = Vec::new();
            for _ in 0..reader.array()? {
                set.push(Sign::new(reader.str()?).map_err(|_| Malformed("not a sign"))?);
            }
            Ok(Self { last, signs: UserSigns { changes, set } })
        })
    }
}

/// The signs of a room, made once more from its events.
#[derive(Debug, Default)]
pub(crate) struct Signs(BTreeMap<(Offset, UserId), SignsRow>);

impl Signs {
    /// Takes what the next event of the log is about.
    pub(crate) fn take(&mut self, about: &About) {
        if let About::Amendment(amendment @ Amendment { sign: Some(_), .. }) = about {
            self.0.entry((amendment.target, amendment.user.clone())).or_default().take(amendment);
        }
    }
}

impl TargetTables {
    /// True if the rows of room `number` say the same as `signs` of all events from `horizon` on.
    pub(crate) fn has_signs(&self, number: u64, horizon: Offset, signs: &Signs) -> Result<bool, BoxError> {
        let mut expected = signs.0.iter().filter(|((target, _), _)| *target >= horizon);
        for entry in self.signs.range((number, horizon.0, "")..(number + 1, 0, ""))? {
            let (key, value) = entry?;
            let (_, target, user) = key.value();
            let row = SignsRow::decode(value.value())?;
            let is_next = |((of, by), expected): (&(Offset, UserId), &SignsRow)| {
                of.0 == target && by.as_str() == user && *expected == row
            };
            if !expected.next().is_some_and(is_next) {
                return Ok(false);
            }
        }
        Ok(expected.next().is_none())
    }
}

/// Adds what a reaction of room `number` says.
pub(super) fn add(
    signs: &mut Table<'_, SignsKey, &'static [u8]>,
    number: u64,
    amendment: &Amendment,
    out: &mut Encoder,
) -> Result<(), BoxError> {
    let key = (number, amendment.target.0, amendment.user.as_str());
    let row = signs.get(key)?.map(|row| SignsRow::decode(row.value())).transpose()?;
    let mut row = row.unwrap_or_default();
    row.take(amendment);
    row.encode(out.clear());
    signs.insert(key, out.as_bytes())?;
    Ok(())
}

/// Makes all rows from what the pages have, for a store of a format that had none.
pub(crate) fn make(transaction: &WriteTransaction) -> Result<(), BoxError> {
    let (amendments, mut signs) = (transaction.open_table(AMENDMENTS)?, transaction.open_table(SIGNS)?);
    let mut out = Encoder::default();
    for entry in amendments.iter()? {
        let (key, value) = entry?;
        let (number, target, offset) = key.value();
        let amendment = decode(Offset(target), Offset(offset), value.value())?;
        if amendment.sign.is_some() {
            add(&mut signs, number, &amendment, &mut out)?;
        }
    }
    Ok(())
}
