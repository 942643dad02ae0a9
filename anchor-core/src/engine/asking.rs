//! Asking the hook about a publish, at most once for as long as the process lives: see [`super::rulings`] for what is kept.

use futures::FutureExt;
use futures::future::BoxFuture;

use super::Anchor;
use super::changes::body_bytes;
use super::hook::Hooked;
use super::joint::Joint;
use super::rulings::{Asking, Found, Of, Ruled};
use crate::code::Code;
use crate::id::{ClientKey, Seq};
use crate::publish::{Outcome, Publish, Refusal};
use crate::store::{ClientState, StoreError};

impl Anchor {
    /// What the hook rules on a publish: now, or when it was asked for an earlier session of the client. Goes on, as an errand,
    /// where this is dropped.
    pub(super) async fn ruled(&self, hooked: &Hooked, publish: &Publish) -> Ruled {
        let rulings = &self.0.rulings;
        let (of, bytes) = (Of::new(publish), body_bytes(&publish.draft.body));
        loop {
            if publish.session.is_some_and(|number| self.0.sessions.has_newer(&publish.client, number)) {
                // The store fences it, whatever is ruled; and the newer session may have had the same appended by now.
                return Err(Refusal::new(Code::Replaced, "another session of this client was opened"));
            }
            let ask = || Joint::new(hooked.clone().rule(self.0.env.clone(), publish.clone()).boxed());
            match rulings.find(&of, bytes, self.now(), ask) {
                Found::Its(asking) => {
                    let _attended = Attended { anchor: self, of: &of, asking: asking.clone() };
                    let ruled = asking.await;
                    rulings.given(&of, &ruled);
                    return ruled;
                }
                // Its client left while that was asked and sends something else now. It has its time, no more.
                Found::Another(asking) => drop(asking.await),
            }
        }
    }

    /// As [`Anchor::append`], and forgets the rulings on what is decided. Where nobody waits until it is, they are forgotten
    /// when the client opens its next session.
    pub(super) fn append_ruled(
        &self,
        batch: Vec<Publish>,
    ) -> BoxFuture<'static, Result<Vec<Outcome>, StoreError>> {
        let names: Vec<_> = batch.iter().map(|publish| (publish.client.clone(), publish.seq)).collect();
        let (appending, rulings) = (self.store().append(batch), self.0.rulings.clone());
        async move {
            let outcomes = appending.await?;
            for ((client, seq), outcome) in names.iter().zip(&outcomes) {
                if matches!(outcome, Outcome::Acked(_) | Outcome::Refused(_)) {
                    rulings.decided(client, seq.next());
                }
            }
            Ok(outcomes)
        }
        .boxed()
    }

    /// Forgets the rulings on what was decided before a client was opened, or was given up by it: what lies below `waits`.
    pub(super) fn opened_ruled(&self, client: &ClientKey, state: &ClientState, waits: Seq) {
        if self.is_moderated() {
            self.0.rulings.decided(client, state.highest.next().max(waits));
        }
    }
}

/// Somebody who waits for a ruling.
struct Attended<'a> {
    anchor: &'a Anchor,
    of: &'a Of,
    asking: Asking,
}

impl Drop for Attended<'_> {
    fn drop(&mut self) {
        if !self.asking.is_done()
            && let Some(errand) = self.anchor.0.rulings.left(self.of)
        {
            self.anchor.0.errands.add(&errand);
        }
    }
}
