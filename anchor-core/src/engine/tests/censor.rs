//! A hook for tests: rules by what a text says, keeps a book of what it was asked, and takes as long as a test wants.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;

use crate::conformance::environment::{SplitMix64, TestEnvironment};
use crate::engine::{Hook, Proposal, Ruling};
use crate::environment::Environment;
use crate::error::BoxError;
use crate::event::{Body, Mentions};
use crate::limits::BODY_BYTES_MAX;

/// Clones share.
#[derive(Clone, Debug, Default)]
pub(crate) struct Censor(Arc<Mutex<Book>>);

#[derive(Debug, Default)]
struct Book {
    asked: Vec<String>,
    banned: BTreeSet<String>,
    held: BTreeSet<String>,
    waiting: Vec<Waker>,
    delays: Option<(TestEnvironment, SplitMix64)>,
}

impl Censor {
    /// One that takes up to 20 ms for each publish.
    pub(crate) fn dawdling(env: &TestEnvironment, seed: u64) -> Self {
        let censor = Self::default();
        censor.book().delays = Some((env.clone(), SplitMix64::new(seed)));
        censor
    }

    /// Refuses whatever the user says from now on.
    pub(crate) fn ban(&self, user: &str) {
        self.book().banned.insert(user.to_owned());
    }

    /// Says nothing about what the user says until [`Censor::release`].
    pub(crate) fn hold(&self, user: &str) {
        self.book().held.insert(user.to_owned());
    }

    /// Rules on all that it was asked, and will be.
    pub(crate) fn release(&self) {
        let mut book = self.book();
        book.held.clear();
        let waiting = std::mem::take(&mut book.waiting);
        drop(book);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// What it was asked since the last call: user, seq.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.book().asked)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap()
    }

    async fn take_time(&self, user: &str) {
        let delay = self.book().delays.as_mut().map(|(env, dice)| (env.clone(), dice.below(21)));
        if let Some((env, ms)) = delay {
            env.sleep_until(env.now() + Duration::from_millis(ms)).await;
        }
        std::future::poll_fn(|cx| {
            let mut book = self.book();
            if !book.held.contains(user) {
                return Poll::Ready(());
            }
            book.waiting.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

#[async_trait]
impl Hook for Censor {
    async fn rule(&self, proposal: Proposal<'_>) -> Result<Ruling, BoxError> {
        let user = proposal.user.as_str();
        self.book().asked.push(format!("{user} {}", proposal.seq));
        self.take_time(user).await;
        if self.book().banned.contains(user) && !proposal.admin {
            return Ok(Ruling::Refuse("you are banned".to_owned()));
        }
        let text = proposal.draft.body.as_text().unwrap_or("");
        Ok(match text {
            "bad" => Ruling::Refuse("not here".to_owned()),
            "rude" => Ruling::Change(Body::text("polite")),
            "long" => Ruling::Change(Body::text("x".repeat(BODY_BYTES_MAX + 1))),
            "shout" => {
                let users = (0..100).map(|n| crate::id::UserId::new(format!("u{n}")).unwrap()).collect();
                Ruling::Change(Body::text("hey").mentioning(Mentions { room: false, users }))
            }
            "panic" => panic!("as the test wants it"),
            "error" => return Err("as the test wants it".into()),
            _ => Ruling::Allow,
        })
    }
}
