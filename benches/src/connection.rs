//! A connection without a socket: the bytes of a client's frames in, the bytes of the server's frames out.
//!
//! It does what a driver does around a session and nothing else: no WebSocket frames, no system calls, no timer. What it
//! writes is encoded, counted and thrown away.

use std::fmt;
use std::hint::black_box;
use std::sync::Arc;
use std::task::{Context, Poll};

use anchor_core::engine::Anchor;
use anchor_core::environment::Monotonic;
use anchor_core::session::frame::{ClientFrame, ServerFrame};
use anchor_core::session::{Action, Desk, OpenIdentify, Reply, Session};
use anchor_transport::codec::Encoding;
use bytes::Bytes;
use futures::executor::block_on;
use futures::future::{BoxFuture, FutureExt, poll_fn};
use futures::task::noop_waker_ref;

/// The server's end of a connection.
pub struct Connection {
    desk: Desk,
    session: Session,
    encoding: Encoding,
    now: Monotonic,
    replies: Vec<BoxFuture<'static, Reply>>,
    written: Written,
}

/// What was written to a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Frames with events.
    pub runs: usize,
    /// Events in them.
    pub events: usize,
    /// Other frames: answers and beats.
    pub answers: usize,
}

impl Connection {
    /// A connection that was just accepted.
    #[must_use]
    pub fn accept(anchor: &Anchor, encoding: Encoding) -> Self {
        let (desk, session) = Desk::open(anchor.clone(), Arc::new(OpenIdentify));
        let (now, replies, written) = (anchor.now(), Vec::new(), Written::default());
        Self { desk, session, encoding, now, replies, written }
    }

    /// A connection on which a `hello` was said and answered. For stores that answer at once or by their own threads.
    #[must_use]
    pub fn open(anchor: &Anchor, encoding: Encoding, hello: &ClientFrame) -> Self {
        let mut connection = Self::accept(anchor, encoding);
        connection.receive(&encoding.encode_client(hello));
        connection.settle();
        connection
    }

    /// Takes a frame of the client.
    ///
    /// # Panics
    /// If it is none: samples are.
    pub fn receive(&mut self, bytes: &Bytes) {
        let frame = self.encoding.decode_client(bytes).expect("a frame of a client");
        self.session.handle_frame(self.now, Ok(frame));
    }

    /// Lets time pass until the session's next deadline, and tells it.
    pub fn tick(&mut self) {
        self.now = self.session.poll_deadline();
        self.session.handle_tick(self.now);
    }

    /// Notes that the peer is there, as a pong of it does.
    pub fn alive(&mut self) {
        self.session.handle_alive(self.now);
    }

    /// Does all that can be done now. True if an answer of the store is still waited for.
    pub fn turn(&mut self) -> bool {
        self.poll_settled(&mut Context::from_waker(noop_waker_ref())).is_pending()
    }

    /// Does all there is to do, waiting for a store that answers by its own threads.
    pub fn settle(&mut self) {
        block_on(poll_fn(|cx| self.poll_settled(cx)));
    }

    /// What was written since the last call.
    pub fn take_written(&mut self) -> Written {
        std::mem::take(&mut self.written)
    }

    fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            while let Some(action) = self.session.poll_action(self.now) {
                self.perform(action, cx);
            }
            if self.take_reply(cx) {
                continue;
            }
            if let Poll::Ready(post) = self.desk.poll_post(cx) {
                self.session.handle_post(post);
                continue;
            }
            let heads_known_at = self.desk.anchor().heads_known_at();
            match self.session.poll_delivery(self.now, heads_known_at) {
                Some(action) => self.perform(action, cx),
                None if self.replies.is_empty() => return Poll::Ready(()),
                None => return Poll::Pending,
            }
        }
    }

    fn perform(&mut self, action: Action, cx: &mut Context<'_>) {
        match action {
            Action::Send(frame @ (ServerFrame::Refused { .. } | ServerFrame::Error { .. })) => {
                panic!("a sample was turned down: {frame:?}")
            }
            Action::Send(frame) => {
                self.written.answers += 1;
                black_box(self.encoding.encode_server(&frame));
            }
            Action::SendPage(page) => {
                self.written.answers += 1;
                let mut message = Vec::new();
                self.encoding.write_page_message(&page, &mut message).expect("the store is whole");
                black_box(message);
            }
            Action::Deliver(run) => {
                self.written.runs += 1;
                self.written.events += run.len();
                black_box(self.encoding.encode_run(&run));
            }
            Action::Ask(ask) => {
                let mut reply = self.desk.answer(&self.session, ask);
                match reply.poll_unpin(cx) {
                    Poll::Ready(reply) => self.session.handle_reply(reply),
                    Poll::Pending => self.replies.push(reply),
                }
            }
            Action::Close(goodbye) => panic!("the session ended: {goodbye:?}"),
        }
    }

    /// Hands the session an answer that has come; false if there is none.
    fn take_reply(&mut self, cx: &mut Context<'_>) -> bool {
        let ready = self.replies.iter_mut().enumerate().find_map(|(at, reply)| match reply.poll_unpin(cx) {
            Poll::Ready(reply) => Some((at, reply)),
            Poll::Pending => None,
        });
        let Some((at, reply)) = ready else { return false };
        drop(self.replies.remove(at));
        self.session.handle_reply(reply);
        true
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("session", &self.session).finish_non_exhaustive()
    }
}
