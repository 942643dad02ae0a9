//! The consumers that a session holds, at its desk: opened by the first `consume`, given up with the session or to whoever
//! opens them next. Who names a series goes on; who names none opens the consumer, and is given all that is not done.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::select;

use super::answer::asker;
use super::consuming::is_over;
use super::frame::{Consume, Consumed, ConsumedPart, From};
use super::identify::Identity;
use crate::engine::{Anchor, Begin, Claim, Consumer, ConsumerError, ConsumerName, Delivery, Scope, Taken};
use crate::id::{ClientTag, RoomId};
use crate::limits::{CONSUME_DONE_MAX, CONSUME_WAIT_MAX, HISTORY_BYTES_MAX, HISTORY_EVENTS_MAX};
use crate::position::Offset;

/// What a session holds, while it is not asked for.
#[derive(Debug, Default)]
pub(super) struct Held(Mutex<BTreeMap<ConsumerName, Holding>>);

#[derive(Debug)]
struct Holding {
    consumer: Consumer,
    /// Rooms of which it was told that their log is gone: behind that there is no position to be said. Who asks on has heard.
    gone: Vec<RoomId>,
}

impl Held {
    /// Takes what comes next, for a client of `reader`.
    pub(super) async fn consume(
        &self,
        anchor: &Anchor,
        reader: Option<Identity>,
        client: Option<ClientTag>,
        consume: Consume,
    ) -> Result<Consumed, ConsumerError> {
        let name = consume.name.clone();
        let scope = consume.room.clone().map_or(Scope::All, Scope::Room);
        let held = self.lock().remove(&name).filter(|_| consume.series.is_some());
        let mut holding = match held {
            Some(holding) => holding,
            None => {
                let consumer = open(anchor, reader, client, &consume, &scope).await?;
                Holding { consumer, gone: Vec::new() }
            }
        };
        let consumed = match *holding.consumer.scope() == scope {
            true => holding.take(anchor, consume).await,
            false => Err(ConsumerError::OtherScope),
        };
        if !consumed.as_ref().is_err_and(is_over) {
            self.lock().insert(name, holding);
        }
        consumed
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ConsumerName, Holding>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn open(
    anchor: &Anchor,
    reader: Option<Identity>,
    client: Option<ClientTag>,
    consume: &Consume,
    scope: &Scope,
) -> Result<Consumer, ConsumerError> {
    let begin = match consume.from {
        From::Now => Begin::Now,
        _ => Begin::Start,
    };
    let reader = asker(reader.as_ref())?.clone();
    let claim = match (client, consume.series) {
        (Some(client), Some(_)) => Claim::GoOn(client),
        (client, _) => Claim::TakeOver(client),
    };
    anchor.consumer_for(claim, reader, &consume.name, scope.clone(), begin).await
}

impl Holding {
    async fn take(&mut self, anchor: &Anchor, consume: Consume) -> Result<Consumed, ConsumerError> {
        let Consume { id, done, limit, wait_ms, series, .. } = consume;
        // What was done before a replay is not done in it.
        if series == Some(self.consumer.series()) {
            for (room, position) in &done {
                self.consumer.done_before(room, position).await?;
            }
            self.gone.retain(|room| !self.consumer.done_gone(room));
        }
        let mut parts = Vec::new();
        if limit == 0 {
            self.consumer.flush().await?;
        } else {
            let limit = usize::try_from(limit).unwrap_or(usize::MAX).min(HISTORY_EVENTS_MAX);
            let until = anchor.now() + Duration::from_millis(wait_ms).min(CONSUME_WAIT_MAX);
            loop {
                let is_over = anchor.now() >= until;
                self.fill(&mut parts, limit).await?;
                if !parts.is_empty() || is_over {
                    break;
                }
                select(pin!(self.consumer.wait()), anchor.env().sleep_until(until)).await;
            }
        }
        Ok(Consumed { id, parts, lag: self.consumer.ahead(), series: self.consumer.series() })
    }

    /// Takes what there is, up to one answer, which is of one series.
    async fn fill(&mut self, parts: &mut Vec<ConsumedPart>, limit: usize) -> Result<(), ConsumerError> {
        let (mut events, mut bytes) = (0, 0);
        while events < limit && bytes < HISTORY_BYTES_MAX && parts.len() < CONSUME_DONE_MAX {
            let series = self.consumer.series();
            let taken = self.consumer.next_now(limit - events).await;
            if self.consumer.series() != series {
                (events, bytes) = (0, 0);
                parts.clear();
                self.gone.clear();
            }
            let taken = match taken {
                Ok(Some(taken)) => taken,
                Ok(None) => break,
                // It is told with the next question: what was taken goes out first.
                Err(_) if !parts.is_empty() => break,
                Err(error) => return Err(error),
            };
            if let Delivery::Events(taken) = &taken.delivery {
                bytes += taken.bytes();
            }
            if let Delivery::Gap(gap) = &taken.delivery
                && gap.position.is_none()
            {
                self.gone.push(taken.room.clone());
            }
            let part = part(taken)?;
            events += part.events.len();
            parts.push(part);
        }
        Ok(())
    }
}

fn part(taken: Taken) -> Result<ConsumedPart, ConsumerError> {
    let Taken { room, delivery } = taken;
    Ok(match delivery {
        Delivery::Gap(gap) => {
            ConsumedPart { room, epoch: None, first: Offset::ZERO, events: Vec::new(), gap: Some(gap) }
        }
        Delivery::Events(taken) => {
            let events: Vec<_> = taken.iter().collect::<Result<_, _>>()?;
            let first = events.first().map_or(Offset::ZERO, |event| event.offset);
            ConsumedPart { room, epoch: Some(taken.epoch()), first, events, gap: None }
        }
    })
}
