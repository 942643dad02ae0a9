//! What each frame of the server means.

use std::time::Duration;

use anchor_core::code::{Class, Code};
use anchor_core::environment::Monotonic;
use anchor_core::event::Event;
use anchor_core::limits::{HEARTBEAT, HISTORY_EVENTS_MAX};
use anchor_core::publish::Refusal;
use anchor_core::sabotage::{self, Sabotage};
use anchor_core::session::frame::{RequestId, ServerFrame, Welcome};

use super::action::Action;
use super::requests::{Failure, Origin};
use super::settling::Verdict;
use super::{Fault, Link, Live, Machine};
use crate::client::answer::{
    ConsumerPage, Contacts, DeadLetterPage, MemberPage, Present, RoomPage, WebhookPage,
};
use crate::client::command::Answer;
use crate::client::error::RequestError;
use crate::client::notice::ConnectionState;
use crate::client::outbox::Change;
use crate::client::subscription::Hide;

impl Machine {
    /// The session begins.
    pub(super) fn welcome(&mut self, now: Monotonic, welcome: Welcome) {
        if let Some(user) = self.user.clone().filter(|user| *user != welcome.user) {
            let message =
                format!("the server takes this client for {}, its state belongs to {user}", welcome.user);
            self.out.act(Action::HangUp);
            return self.stop(Code::Denied, message);
        }
        if self.user.is_none() {
            self.user = Some(welcome.user.clone());
            self.out.change(Change::User(welcome.user.clone()));
        }
        self.backoff.welcomed();
        let generation = self.sending.generation();
        if self.sending.identities.get(&generation).is_some_and(|identity| welcome.seq > identity.highest) {
            // Somebody else used this id after this state was copied.
            return self.renew(now);
        }
        self.sending.check_lost(welcome.seq, &mut self.out);
        self.sending.welcomed(&welcome.limits);
        let heartbeat = Duration::from_millis(welcome.heartbeat_ms).clamp(HEARTBEAT_MIN, HEARTBEAT_MAX);
        let history_events = welcome.limits.history_events.clamp(1, HISTORY_EVENTS_MAX as u64);
        self.link =
            Link::Live(Live { heartbeat, began_at: now, heard_at: now, sent_at: now, history_events });
        self.out.act(Action::State(ConnectionState::Connected {
            session: welcome.session,
            user: welcome.user,
            client: welcome.client,
            limits: welcome.limits,
        }));
        self.subscriptions.welcomed(&mut self.requests, &mut self.out);
        self.attend(&welcome.rooms);
    }

    /// A frame within the session.
    pub(super) fn take(&mut self, now: Monotonic, frame: ServerFrame) -> Result<(), Fault> {
        match frame {
            ServerFrame::Welcome(_) => return Err(Fault("a second welcome")),
            ServerFrame::Resumed { id, rooms } => {
                self.subscriptions.resumed(id);
                self.read_on(&rooms);
            }
            ServerFrame::Subscribed { id, position, head, horizon, .. } => {
                let learnt = self.subscriptions.subscribed(id, position, head, horizon, &mut self.out);
                self.begin_announcements(learnt.as_ref());
                self.learn(learnt);
            }
            ServerFrame::Unsubscribed { id, .. } => {
                self.subscriptions.unsubscribed(id, &mut self.requests, &mut self.out);
            }
            ServerFrame::Ack(ack) => {
                self.attending.typing.said(&ack.room);
                if let Some(ack) = self.answering.acked(ack, &mut self.out) {
                    self.sending.acked(ack, &mut self.out)?;
                }
            }
            ServerFrame::Refused { seq, code, message } => {
                let refusal = Refusal::new(code, message);
                let Some(refusal) = self.answering.refused(refusal, &mut self.out) else { return Ok(()) };
                let new_id = self.dice.client_id();
                if self.sending.refused(seq, refusal, new_id, &mut self.out) == Verdict::Cloned {
                    self.reconnect(now);
                }
            }
            ServerFrame::Events(events) => {
                let Self { user, sending, subscriptions, out, .. } = self;
                let is_hidden = |hide, event: &Event| match hide {
                    Hide::Nothing => false,
                    Hide::ThisUser => user.as_ref() == Some(&event.user),
                    Hide::ThisClient => {
                        user.as_ref() == Some(&event.user) && sending.is_own(event.client, &event.user)
                    }
                };
                let learnt = subscriptions.events(events, is_hidden, out)?;
                self.taken(learnt.as_ref());
                self.learn(learnt);
            }
            ServerFrame::Gap { room, gap } => {
                if let Some(learnt) = self.subscriptions.gap(&room, gap, &mut self.out)? {
                    self.sending.relearn(learnt);
                }
            }
            ServerFrame::Page(page) => match (self.requests.answered(page.id), &self.user) {
                (Some(Origin::Application(waiter)), _) => {
                    self.out.act(Action::Answer(waiter, Ok(Answer::Page(*page))));
                }
                (Some(Origin::Search), Some(user)) => {
                    let limit = self.history_events();
                    if let Some(request) = self.sending.searched(*page, user, limit, &mut self.out)? {
                        self.requests.search(request);
                    }
                }
                (Some(Origin::Search), None) | (None, _) => {}
            },
            ServerFrame::RoomList { id, rooms, next } => {
                self.answer(id, Answer::Rooms(RoomPage { rooms, next }));
            }
            ServerFrame::RoomInfo { id, room } => self.answer(id, Answer::Room(room)),
            ServerFrame::MemberList { id, members, next, .. } => {
                self.answer(id, Answer::Members(MemberPage { members, next }));
            }
            ServerFrame::ThreadPage(page) => self.answer(page.id, Answer::Thread(*page)),
            ServerFrame::ProfileList { id, profiles } => self.answer(id, Answer::Profiles(profiles)),
            ServerFrame::Contacts { id, direct, blocked, receipts } => {
                let blocked = blocked.into_iter().collect();
                self.answer(id, Answer::Contact(Contacts { direct, blocked, receipts }));
            }
            ServerFrame::Done { id } => self.answer(id, Answer::Done),
            ServerFrame::Present { id, users, total, .. } => {
                self.answer(id, Answer::Present(Present { users, total }));
            }
            ServerFrame::Signal(signal) => self.out.act(Action::Signal(*signal)),
            ServerFrame::Profile { user, profile } => self.out.act(Action::Profile(user, profile)),
            ServerFrame::Ended { room, code, message } => {
                self.subscriptions.ended(&room, code, &message, &mut self.out);
            }
            ServerFrame::Error { id, code, message, retry_after_ms } => {
                let retry_after = retry_after_ms.map(Duration::from_millis);
                match id {
                    Some(id) => self.failed(now, &Failure { id, code, message, retry_after }),
                    None if self.requests.refused(code, &message) => {}
                    None => tracing::warn!(%code, message, "the server reports an error"),
                }
            }
            ServerFrame::Beat { at, lag } => {
                if lag.is_empty() && self.subscriptions.are_complete() {
                    self.out.act(Action::Current(at));
                }
            }
            ServerFrame::Receipts { room, receipts } => self.receipts(&room, receipts),
            ServerFrame::Presence { room, sightings, online, away } => {
                self.attending.watches.presence(&room, sightings, online, away, &mut self.out);
            }
            ServerFrame::Typing { room, users } => {
                self.attending.watches.typing(&room, users, &mut self.out);
            }
            ServerFrame::Watching(watching) => self.attending.watches.watching(*watching, &mut self.out),
            ServerFrame::Unwatched { id, room } => self.unwatched(id, &room),
            ServerFrame::Found { id, found } => self.answer(id, Answer::Found(found)),
            ServerFrame::ReadBy { id, readers, .. } => self.answer(id, Answer::Readers(readers)),
            ServerFrame::Consumed(consumed) => self.answer(consumed.id, Answer::Consumed(*consumed)),
            ServerFrame::ConsumerList { id, consumers, next } => {
                self.answer(id, Answer::Consumers(ConsumerPage { consumers, next }));
            }
            ServerFrame::WebhookList { id, webhooks, next } => {
                self.answer(id, Answer::Webhooks(WebhookPage { webhooks, next }));
            }
            ServerFrame::DeadLetterList { id, letters, next, .. } => {
                self.answer(id, Answer::DeadLetters(DeadLetterPage { letters, next }));
            }
            ServerFrame::Goodbye { code, message, reconnect_after_ms } => {
                self.goodbye(now, code, message, reconnect_after_ms.map(Duration::from_millis));
            }
        }
        Ok(())
    }

    fn failed(&mut self, now: Monotonic, failure: &Failure) {
        if self.subscriptions.failed(failure, now, &mut self.requests, &mut self.out)
            || self.attending.watches.failed(failure, now, &mut self.out)
        {
            return;
        }
        let refusal = self.requests.refusal(failure.id);
        match self.requests.failed(failure, now) {
            Some(Origin::Application(waiter)) => {
                let Failure { code, message, .. } = failure.clone();
                let error = refusal.unwrap_or(RequestError::Refused { code, message });
                self.out.act(Action::Answer(waiter, Err(error)));
            }
            Some(Origin::Search) => self.sending.search_refused(&mut self.out),
            None => {}
        }
    }

    fn answer(&mut self, id: RequestId, answer: Answer) {
        let refusal = self.requests.refusal(id);
        if let Some(Origin::Application(waiter)) = self.requests.answered(id) {
            self.out.act(Action::Answer(waiter, refusal.map_or(Ok(answer), Err)));
        }
    }

    /// The session ends by the server's word: its code says what comes next.
    pub(super) fn goodbye(&mut self, now: Monotonic, code: Code, message: String, slot: Option<Duration>) {
        if code == Code::Replaced {
            return self.renew(now);
        }
        if sabotage::is(Sabotage::ResendCodeDropsEntry) && code.class() == Class::Retry {
            self.sending.refuse_sent(&Refusal::new(code, message.clone()), &mut self.out);
        }
        self.out.act(Action::HangUp);
        match (code.class(), slot) {
            (Class::Final | Class::Renew | Class::Stop, _) => self.stop(code, message),
            (Class::Retry, Some(slot)) => self.wait(now + slot, message),
            (Class::Retry, None) => self.handle_disconnected(now, message),
        }
    }
}

/// Bounds of what a server may ask for. Source: chosen; a broken `welcome` must neither flood nor disarm.
const HEARTBEAT_MIN: Duration = Duration::from_millis(100);
const HEARTBEAT_MAX: Duration = HEARTBEAT.saturating_mul(30);
