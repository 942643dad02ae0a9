//! The host's say in what is published: allow it, refuse it, or change it before it is appended.
//!
//! ```text
//! publish ──▶ decided before? ──no──▶ what it is about ──▶ ruled on before? ──no──▶ hook ──▶ the store's rules ──▶ log
//!                    └──yes: answered again, nobody is asked         └──yes: as it was ruled then ──┘
//! ```

use std::fmt::Debug;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::{Either, FutureExt, select};

use super::rulings::Ruled;
use crate::code::Code;
use crate::environment::Environment;
use crate::error::BoxError;
use crate::event::{Body, Draft, MENTIONS_MAX};
use crate::id::{ClientTag, RoomId, Seq, UserId};
use crate::limits::BODY_BYTES_MAX;
use crate::publish::{Publish, Refusal, Target};

/// Authorises and moderates publishes for the application that hosts the engine.
///
/// # Contract
/// - It is asked about every publish: those of sessions and those of [`super::Publisher`]s, messages and everything else.
///   What it allows may still be refused by the rules of the room, which come last, at the very place in the log. Signals
///   and profiles are no publishes: it is not asked about them.
/// - It is asked in the order of a client's publishes, about one at a time; the client's later ones wait meanwhile, nobody
///   else's. Publishes of different clients are asked about at the same time.
/// - What was decided before is answered again without it: an event that stands in the log is acked again even if its sender
///   was banned since.
/// - It is asked at most once about a publish, as long as this process lives. A client whose session ends while it is asked,
///   or before what it ruled is handed over, sends the same again, with the same seq: that publish gets the same ruling, and
///   waits for one that is still under way, whatever has changed since for the sender. Another publish under that seq is
///   another question.
/// - It is asked again about what the store has not decided, where the process has ended meanwhile, or the client has come
///   back to another node; and where the ruling was forgotten: after [`crate::limits::RULING_AGE_MAX`], or at one of the
///   bounds [`crate::limits::RULINGS_OF_USER_MAX`] and [`crate::limits::RULINGS_BYTES_MAX`]. At most one of those publishes
///   is appended: who counts or charges goes by client and seq.
/// - A ruling of its is durable with what comes of it: a refusal is final for its seq.
/// - It does not wait for a publish of the client that it is asked about: that one stands behind this one.
#[async_trait]
pub trait Hook: Debug + Send + Sync + 'static {
    /// Rules on a publish.
    ///
    /// # Errors
    /// Any error. It counts as a failure, as a panic, a ruling that cannot be, and one that is late do: see [`HookFailure`].
    ///
    /// # Cancellation
    /// The future is dropped where the time is up, which counts from the question on. It outlives the session: driven by the
    /// next one of its client, or by [`super::Anchor::maintain`]. Where the ruling is forgotten before it is given, and nobody
    /// waits for it, the future is dropped, too; and with the engine.
    async fn rule(&self, proposal: Proposal<'_>) -> Result<Ruling, BoxError>;
}

/// What somebody wants to publish.
#[derive(Clone, Copy, Debug)]
pub struct Proposal<'a> {
    /// Who.
    pub user: &'a UserId,
    /// With which client.
    pub client: ClientTag,
    /// The client's number for it: with the client, the name under which it may be asked about again.
    pub seq: Seq,
    /// The user is an admin of the server.
    pub admin: bool,
    /// Into which room.
    pub room: &'a RoomId,
    /// What.
    pub draft: &'a Draft,
    /// What the event is that it is about, where it names one that there is.
    pub target: Option<&'a Target>,
}

/// What a [`Hook`] says of a publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// It may stand in the log.
    Allow,
    /// It may not: refused `moderated`, with this sentence for the person who sent it.
    Refuse(String),
    /// It may, with this body, whole: content type and mentions are those given here. Of messages and edits alone, and
    /// within the limits of bodies.
    Change(Body),
}

/// What becomes of a publish about which the [`Hook`] could not rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HookFailure {
    /// It is refused `moderated`, for ever.
    #[default]
    Refuse,
    /// It goes on to the rules as it was sent.
    Allow,
}

/// A hook, and what holds for it.
#[derive(Clone, Debug)]
pub(super) struct Hooked {
    pub(super) hook: Arc<dyn Hook>,
    pub(super) within: Duration,
    pub(super) on_failure: HookFailure,
}

impl Hooked {
    /// Has the hook rule.
    pub(super) async fn rule(self, env: Arc<dyn Environment>, mut publish: Publish) -> Ruled {
        // It may take its time: not with all that came beside the body, nor what comes of it with all that the host has.
        publish.draft.body = publish.draft.body.copied();
        let known = publish.grounds.as_deref();
        let proposal = Proposal {
            user: &publish.client.user,
            client: publish.client.tag(),
            seq: publish.seq,
            admin: known.is_some_and(|grounds| grounds.admin),
            room: &publish.room,
            draft: &publish.draft,
            target: known.and_then(|grounds| grounds.target.as_ref()),
        };
        let failure: BoxError = match self.ask(&*env, proposal).await {
            Ok(Ruling::Allow) => return Ok(None),
            Ok(Ruling::Refuse(reason)) => return Err(Refusal::new(Code::Moderated, reason)),
            Ok(Ruling::Change(body)) => match check_change(proposal.draft, &body) {
                Ok(()) => return Ok((body != proposal.draft.body).then(|| body.copied())),
                Err(wrong) => wrong.into(),
            },
            Err(error) => error,
        };
        tracing::error!(room = %proposal.room, user = %proposal.user, error = %failure, "the hook has failed");
        match self.on_failure {
            HookFailure::Allow => Ok(None),
            HookFailure::Refuse => Err(Refusal::new(
                Code::Moderated,
                "it could not be looked at by those who decide what is said",
            )),
        }
    }

    async fn ask(&self, env: &dyn Environment, proposal: Proposal<'_>) -> Result<Ruling, BoxError> {
        let late = env.sleep_until(env.now() + self.within);
        // All that is the host's: the call, as what is no async function may panic before there is a future, and the end of
        // a future whose time is up.
        let ruling = async {
            match select(pin!(async { self.hook.rule(proposal).await }), late).await {
                Either::Left((ruling, _)) => ruling,
                Either::Right(((), _)) => Err("it took too long".into()),
            }
        };
        AssertUnwindSafe(ruling).catch_unwind().await.unwrap_or_else(|_| Err("it panicked".into()))
    }
}

fn check_change(draft: &Draft, body: &Body) -> Result<(), &'static str> {
    if !draft.kind.is_said() {
        return Err("it gave a body for what is neither a message nor an edit");
    }
    if body.bytes().len() > BODY_BYTES_MAX {
        return Err("it gave a body that is too large");
    }
    match body.mentions().is_some_and(|mentions| mentions.users.len() > MENTIONS_MAX) {
        true => Err("it gave a body that mentions too many"),
        false => Ok(()),
    }
}
