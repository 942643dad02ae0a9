//! Which node derives own logs: one of them, as long as it does. Any may at any time; it is only that each takes over at the
//! cost of looking at all rooms.
//!
//! A node that was replaced puts a claim where the one that derives will find and remove it. A claim that stays where it is for
//! a while shows that nobody derives, and whoever has waited for it goes on.

use crate::engine::Anchor;
use crate::limits::OWN_LOG_RESTS;
use crate::record::{RecordKey, RecordWrite};
use crate::store::StoreError;

impl Anchor {
    /// Waits until nobody derives own logs.
    pub(super) async fn await_turn(&self) -> Result<(), StoreError> {
        let mut before = None;
        loop {
            self.env().sleep_until(self.now() + OWN_LOG_RESTS).await;
            let claim = self.store().record(&key()).await?;
            match claim {
                Some(_) if claim == before => return Ok(()),
                Some(_) => before = claim,
                None => before = Some(self.put_claim().await?),
            }
        }
    }

    /// Shows whoever waits that somebody derives.
    pub(super) async fn answer_claim(&self) -> Result<(), StoreError> {
        if self.store().record(&key()).await?.is_some() {
            let _ =
                self.store().write_records(RecordWrite { guard: None, puts: vec![(key(), None)] }).await?;
        }
        Ok(())
    }

    /// Puts a claim, unless another node has.
    async fn put_claim(&self) -> Result<Vec<u8>, StoreError> {
        let mut claim = vec![0; 8];
        self.env().fill_random(&mut claim);
        let puts = vec![(key(), Some(claim.clone()))];
        let _ = self.store().write_records(RecordWrite { guard: Some((key(), None)), puts }).await?;
        Ok(claim)
    }
}

fn key() -> RecordKey {
    RecordKey::new("own-log/claim").expect("it is short, and printable")
}
