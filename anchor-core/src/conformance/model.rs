//! A store under random use, compared step by step with a trivial model.
//!
//! Everything follows from a seed: the same seed and number of steps are the same run, and fewer steps its beginning,
//! so that a failure can be cut down. What the suite of rules forgets to ask, this may come upon.

mod compare;
mod dice;
mod draft;
mod expected;
mod facts;
mod log;

use futures::future::{join, join_all};

use self::dice::{Dice, Step};
use self::expected::Expected;
use super::environment::TestEnvironment;
use super::store::{Factory, Reopen};
use crate::environment::Environment;
use crate::id::SessionNumber;
use crate::publish::Publish;
use crate::store::{Store, StoreExt};

/// Uses a fresh store at random for `steps` steps, and asserts that it answers as the model does.
pub async fn check(factory: &impl Factory, seed: u64, steps: usize) {
    let env = TestEnvironment::new(seed);
    let mut run = Run::new(factory.create(&env).await, env, seed);
    for _ in 0..steps {
        run.step().await;
    }
    run.check_everything().await;
}

/// As [`check`], opening the store anew now and then.
pub async fn check_reopening(factory: &impl Reopen, seed: u64, steps: usize) {
    let env = TestEnvironment::new(seed);
    let mut run = Run::new(factory.create(&env).await, env, seed);
    for _ in 0..steps {
        if run.dice.one_in(25) {
            run.store = factory.reopen(run.store, &run.env).await;
            run.expected.forget_sessions();
            run.dice.forget_sessions();
            run.check_everything().await;
        }
        run.step().await;
    }
    run.check_everything().await;
}

/// A store under test and the model beside it.
struct Run<S> {
    store: S,
    env: TestEnvironment,
    dice: Dice,
    expected: Expected,
}

impl<S: Store> Run<S> {
    fn new(store: S, env: TestEnvironment, seed: u64) -> Self {
        Self { store, env, dice: Dice::new(seed), expected: Expected::default() }
    }

    async fn step(&mut self) {
        match self.dice.step(&self.expected) {
            Step::Append(batches) => self.append(batches).await,
            Step::Clock(unix_ms) => self.env.set_unix_ms(unix_ms),
            Step::Trim(room, horizon) => {
                self.store.trim_newest(&room, horizon).await.expect("the room is trimmed");
                self.expected.trim(&room, horizon);
            }
            Step::User(user, change) => {
                let row = self.store.change_user(&user, change.clone()).await.expect("a user is changed");
                assert_eq!(row, Ok(self.expected.change_user(&user, change)), "what is kept of {user}");
            }
            Step::Move(moves) => {
                self.store.move_cursors(moves.clone()).await.expect("cursors are moved");
                moves.into_iter().for_each(|to| self.expected.move_cursors(to));
            }
            Step::Write(write) => {
                let written = self.store.write_records(write.clone()).await.expect("records are written");
                assert_eq!(written, self.expected.write_records(write), "a write of records");
            }
            Step::Decided(client, seq) => {
                let is_decided = self.store.is_decided(&client, seq).await.expect("the window is asked");
                assert_eq!(is_decided, self.expected.is_decided(&client, seq), "{client:?} and {seq}");
            }
            Step::Check => self.check_everything().await,
        }
    }

    /// Hands over some batches at once, now and then with a session that opens behind them.
    async fn append(&mut self, batches: Vec<Vec<Publish>>) {
        let opening = self.dice.opening();
        let appends: Vec<_> = batches.iter().map(|batch| self.store.append(batch.clone())).collect();
        let open = async {
            let (client, waits) = opening.as_ref()?;
            Some(self.store.open_client(client, *waits).await.expect("a session opens"))
        };
        let (state, appended) = join(open, join_all(appends)).await;
        for (batch, outcomes) in batches.iter().zip(appended) {
            let outcomes = outcomes.expect("the append goes through");
            assert_eq!(batch.len(), outcomes.len(), "an outcome for each publish");
            for (publish, outcome) in batch.iter().zip(outcomes) {
                self.dice.learn(publish, &outcome);
                self.expected.check_outcome(publish, outcome, self.env.unix_ms(), self.store.durability());
            }
        }
        if let (Some((client, waits)), Some(state)) = (opening, state) {
            self.expected.check_opened(&client, waits, state);
            self.dice.learn_session(&client, state.session);
        }
    }

    async fn check_everything(&self) {
        compare::everything(&self.store, &self.expected, self.dice.users(), self.dice.rooms()).await;
    }
}

/// The number of a session that was never opened.
const NO_SESSION: SessionNumber = SessionNumber(0);
