//! What a session watches; beside it the line of what it says of its user in passing ([`Notes`]).
//!
//! Most sessions do neither, and pay for a pointer. What is told of a room to which the session is subscribed is told while that
//! says that its reader is there, never before what it still has to deliver; of another room, once the store was asked whether
//! its reader may still read it.

use std::collections::VecDeque;
use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use super::action::{Action, Ask};
use super::frame::{RequestId, ServerFrame, Watching};
use super::machine::error_frame;
use super::note::{Note, Notes};
use super::requests::refusal;
use super::rooms::Rooms;
use crate::code::Code;
use crate::engine::{News, ReadError, RoomWatch, Slot};
use crate::id::RoomId;
use crate::limits::WATCHED_MAX;
use crate::publish::Refusal;

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Attention(Option<Box<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    next_slot: u64,
    watches: Vec<Watch>,
    /// Which have news.
    ready: VecDeque<Slot>,
    /// Questions whether a room may be told that are not answered: of watches that have ended, too.
    looks: usize,
    notes: Notes,
}

/// A room that the session watches.
#[derive(Debug)]
struct Watch {
    slot: Slot,
    room: RoomId,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Asked for; an `unwatch` may have come meanwhile.
    Opening { leave: Option<RequestId> },
    /// What it had to say when it was asked last waits to be sent.
    Open { watch: Arc<RoomWatch>, frames: VecDeque<ServerFrame>, looking: Looking },
}

/// Whether the store is being asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Looking {
    No,
    Yes,
    /// There is more news since.
    Again,
}

impl Watch {
    /// True once it was asked to end before it was open.
    const fn is_leaving(&self) -> bool {
        matches!(self.state, State::Opening { leave: Some(_) })
    }
}

impl Attention {
    /// Takes a `watch`: the slot under which it is to be opened, or the refusal.
    pub(super) fn watch(&mut self, room: &RoomId) -> Result<Slot, Refusal> {
        let inner = self.0.get_or_insert_default();
        if inner.watches.iter().any(|watch| watch.room == *room && !watch.is_leaving()) {
            return Err(Refusal::new(Code::AlreadySubscribed, "the session watches this room already"));
        }
        if inner.watches.len() >= WATCHED_MAX {
            return Err(Refusal::new(Code::TooManyRooms, "a session watches at most 64 rooms"));
        }
        let slot = Slot(inner.next_slot);
        inner.next_slot += 1;
        inner.watches.push(Watch { slot, room: room.clone(), state: State::Opening { leave: None } });
        Ok(slot)
    }

    /// Takes the answer to a `watch`; says what is to be answered.
    pub(super) fn opened(
        &mut self,
        slot: Slot,
        id: RequestId,
        opened: Result<Box<(RoomWatch, Watching)>, ReadError>,
    ) -> SmallVec<[ServerFrame; 2]> {
        let inner = self.0.get_or_insert_default();
        let found = inner.watches.iter().position(|watch| watch.slot == slot);
        let Some(at) = found else { return SmallVec::new() };
        let State::Opening { leave } = inner.watches[at].state else { return SmallVec::new() };
        match (opened.map(|opened| *opened), leave) {
            (Ok((watch, watching)), None) => {
                inner.watches[at].state =
                    State::Open { watch: Arc::new(watch), frames: VecDeque::new(), looking: Looking::No };
                inner.ready.push_back(slot);
                smallvec![ServerFrame::Watching(Box::new(watching))]
            }
            (Ok((_, watching)), leave @ Some(_)) => {
                let room = inner.watches.swap_remove(at).room;
                self.shrink();
                smallvec![
                    ServerFrame::Watching(Box::new(watching)),
                    ServerFrame::Unwatched { id: leave, room }
                ]
            }
            (Err(error), leave) => {
                inner.watches.swap_remove(at);
                self.shrink();
                let refused = [Some((id, refusal(error))), leave.map(|id| (id, not_watched()))];
                refused.into_iter().flatten().map(|(id, refusal)| error_frame(Some(id), refusal)).collect()
            }
        }
    }

    /// Takes an `unwatch`.
    pub(super) fn unwatch(&mut self, id: RequestId, room: &RoomId, out: &mut VecDeque<Action>) {
        let watches = self.0.as_mut().map(|inner| &mut inner.watches);
        let found = watches.and_then(|watches| {
            let at = watches.iter().position(|watch| watch.room == *room && !watch.is_leaving())?;
            Some((watches, at))
        });
        let refused = || Action::Send(error_frame(Some(id), not_watched()));
        let Some((watches, at)) = found else { return out.push_back(refused()) };
        match &mut watches[at].state {
            State::Opening { leave } => *leave = Some(id),
            State::Open { .. } => {
                let room = watches.swap_remove(at).room;
                out.push_back(Action::Send(ServerFrame::Unwatched { id: Some(id), room }));
                self.shrink();
            }
        }
    }

    /// Learns that a subscription has ended: its user may not be there any more.
    pub(super) fn left(&mut self) {
        if let Some(inner) = &mut self.0 {
            inner.ready.extend(inner.watches.iter().map(|watch| watch.slot));
        }
    }

    /// Learns that watched rooms have news.
    pub(super) fn look(&mut self, slots: SmallVec<[Slot; 2]>) {
        if let Some(inner) = &mut self.0 {
            inner.ready.extend(slots);
        }
    }

    /// True if something waits to be sent: as a rule not, and this is asked often.
    pub(super) fn has_news(&self) -> bool {
        self.0.as_ref().is_some_and(|inner| !inner.ready.is_empty())
    }

    /// The next frame of a room that has news, or the question whether it may be told.
    pub(super) fn next(&mut self, rooms: &Rooms) -> Option<Action> {
        let inner = self.0.as_mut()?;
        for _ in 0..inner.ready.len() {
            let slot = inner.ready.pop_front()?;
            let Some(at) = inner.watches.iter().position(|watch| watch.slot == slot) else { continue };
            let Watch { room, state: State::Open { watch, frames, looking }, .. } = &mut inner.watches[at]
            else {
                continue;
            };
            if *looking != Looking::No {
                *looking = Looking::Again;
                continue;
            }
            match (frames.is_empty(), rooms.is_subscribed(room)) {
                (false, _) => {}
                (true, false) => {
                    *looking = Looking::Yes;
                    inner.looks += 1;
                    return Some(Action::Ask(Ask::Look(slot, watch.clone())));
                }
                (true, true) if rooms.is_present(room) => match watch.news() {
                    News::Frames(news) => *frames = news,
                    News::Over => return Some(self.end(slot)),
                },
                (true, true) => {
                    // Looked at again when more was delivered.
                    inner.ready.push_back(slot);
                    continue;
                }
            }
            if let Some(frame) = frames.pop_front() {
                if !frames.is_empty() {
                    inner.ready.push_front(slot);
                }
                return Some(Action::Send(frame));
            }
        }
        None
    }

    /// Takes the answer to a look.
    pub(super) fn looked(&mut self, slot: Slot, news: Result<News, ReadError>, out: &mut VecDeque<Action>) {
        let Some(inner) = &mut self.0 else { return };
        inner.looks = inner.looks.saturating_sub(1);
        let Some(watch) = inner.watches.iter_mut().find(|watch| watch.slot == slot) else {
            return self.shrink();
        };
        let State::Open { frames, looking, .. } = &mut watch.state else { return };
        let looked = std::mem::replace(looking, Looking::No);
        match news {
            Ok(News::Frames(news)) => {
                *frames = news;
                if !frames.is_empty() || looked == Looking::Again {
                    inner.ready.push_back(slot);
                }
            }
            // It is told with what comes next, at the latest when the room is looked after again.
            Err(ReadError::Store(_)) => {}
            Ok(News::Over) | Err(_) => out.push_back(self.end(slot)),
        }
    }

    /// Ends the watching of a room by itself.
    fn end(&mut self, slot: Slot) -> Action {
        let watches = self.0.as_mut().map(|inner| &mut inner.watches);
        let watch = watches.and_then(|watches| {
            let at = watches.iter().position(|watch| watch.slot == slot)?;
            Some(watches.swap_remove(at))
        });
        self.shrink();
        let room = watch.expect("who ends a watching has it").room;
        Action::Send(ServerFrame::Unwatched { id: None, room })
    }

    /// Has the engine told something.
    pub(super) fn note(&mut self, note: Note, out: &mut VecDeque<Action>) {
        self.0.get_or_insert_default().notes.put(note, out);
    }

    /// Learns that the engine was told.
    pub(super) fn noted(&mut self, out: &mut VecDeque<Action>) {
        if let Some(inner) = &mut self.0 {
            inner.notes.noted(out);
            self.shrink();
        }
    }

    /// Keeps nothing of a session that watches nothing and says nothing. Slots begin anew: no answer is under way that names one.
    fn shrink(&mut self) {
        let is_idle = |inner: &Inner| inner.watches.is_empty() && inner.looks == 0 && inner.notes.is_idle();
        if self.0.as_deref().is_some_and(is_idle) {
            self.0 = None;
        }
    }
}

fn not_watched() -> Refusal {
    Refusal::new(Code::NotSubscribed, "the session does not watch this room")
}

#[cfg(test)]
mod tests;
