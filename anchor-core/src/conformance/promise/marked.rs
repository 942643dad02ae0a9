//! Publishes that carry their name in their body, for recorders that sit above a client library.
//!
//! Such a recorder does not see the seq and the nonce that the library chose, and a library that finds itself a copy sends
//! what is unsettled under another id. What stays is the body: it says whose publish it is and which of theirs, so "once"
//! and "in order" are judged end to end, from the call to publish to the event in a reader's hands.

use crate::event::{Body, Event};
use crate::id::{ClientTag, Nonce, Seq};
use crate::position::Epoch;

use super::history::{Entry, PublishId};

/// The name of a publish: whose, and which. Numbers rise from 1 in the order in which the author called publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark {
    /// Who published: one line of calls in one order. A copy of a client is another author from its first call on.
    pub author: u64,
    /// Which of the author's publishes.
    pub number: Seq,
}

impl Mark {
    /// The body that bears this name: a text of at least `bytes` bytes.
    #[must_use]
    pub fn body(self, bytes: usize) -> Body {
        let mut text = format!("{PREFIX}{} {}.", self.author, self.number);
        text.extend(std::iter::repeat_n('.', bytes.saturating_sub(text.len())));
        Body::text(text)
    }

    /// The name that `body` bears, if it bears one.
    #[must_use]
    pub fn of(body: &Body) -> Option<Self> {
        let (author, rest) = body.as_text()?.strip_prefix(PREFIX)?.split_once(' ')?;
        let (number, _) = rest.split_once('.')?;
        Some(Self { author: author.parse().ok()?, number: Seq::new(number.parse().ok()?).ok()? })
    }

    /// What a history calls it.
    #[must_use]
    pub const fn publish(self) -> PublishId {
        PublishId {
            client: ClientTag::from_bytes(self.author.to_be_bytes()),
            seq: self.number,
            nonce: Nonce(0),
        }
    }
}

impl Entry {
    /// As [`Entry::of`], named by the mark of its body where it bears one.
    #[must_use]
    pub fn of_marked(epoch: Epoch, event: &Event) -> Self {
        let entry = Self::of(epoch, event);
        let mark = event.body.as_ref().and_then(Mark::of);
        Self { publish: mark.map_or(entry.publish, Mark::publish), ..entry }
    }
}

/// What a marked body begins with.
const PREFIX: &str = "publish ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marked_body_tells_its_name() {
        let mark = Mark { author: u64::MAX, number: Seq::new((1 << 53) - 1).unwrap() };
        for bytes in [0, 17, 5_000] {
            let body = mark.body(bytes);
            assert_eq!(Mark::of(&body), Some(mark));
            assert!(body.bytes().len() >= bytes);
        }
        for other in ["", "publish", "publish 1 2", "publish x 1.", "hello 1 2."] {
            assert_eq!(Mark::of(&Body::text(other)), None, "{other}");
        }
    }
}
