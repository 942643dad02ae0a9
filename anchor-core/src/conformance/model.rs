//! A store under random use, compared step by step with a trivial model.
//!
//! Everything follows from a seed: the same seed and number of steps are the same run, and fewer steps its beginning,
//! so that a failure can be cut down. What the suite of rules forgets to ask, this may come upon.

mod dice;
mod expected;

use futures::future::{join, join_all};

use self::dice::{Dice, Step};
use self::expected::Expected;
use super::environment::TestEnvironment;
use super::store::check::{check_event, check_log};
use super::store::{Factory, Reopen};
use crate::environment::Environment;
use crate::id::SessionNumber;
use crate::publish::Publish;
use crate::store::{Store, StoredRoom};

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
        match self.dice.step() {
            Step::Append(batches) => self.append(batches).await,
            Step::Clock(unix_ms) => self.env.set_unix_ms(unix_ms),
            Step::Trim(room, horizon) => {
                self.store.trim(&room, horizon).await.expect("the room is trimmed");
                self.expected.trim(&room, horizon);
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

    /// Compares every log, and the list of rooms.
    async fn check_everything(&self) {
        let rooms = self.store.rooms(None, usize::MAX).await.expect("the rooms are read");
        let listed: Vec<_> = rooms.iter().map(|stored| &stored.room).collect();
        assert_eq!(listed, self.expected.rooms().collect::<Vec<_>>(), "the rooms that have events");
        for StoredRoom { room, state, .. } in &rooms {
            let log = self.expected.log(room);
            assert_eq!(state.horizon, log.horizon, "the horizon of {room}");
            assert_eq!(state.head.offset.0, log.appended.len() as u64, "the head of {room}");
            let events = check_log(&self.store, room).await;
            let below = usize::try_from(log.horizon.previous().0).expect("a log of a test is short");
            assert_eq!(events.len(), log.appended.len() - below, "all of {room} from the horizon on");
            for (event, (publish, ack)) in events.iter().zip(&log.appended[below..]) {
                check_event(std::slice::from_ref(event), publish, ack);
            }
        }
    }
}

/// The number of a session that was never opened.
const NO_SESSION: SessionNumber = SessionNumber(0);
