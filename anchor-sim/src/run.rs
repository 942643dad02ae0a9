//! One seed, one run.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anchor_core::conformance::environment::SplitMix64;

use crate::director::Director;
use crate::kernel::lock;
use crate::recorder::Counts;
use crate::scenario::Scenario;
use crate::world::World;

/// What can be set about a run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Publishes of all clients together.
    pub steps: u64,
    /// How many of the last lines of the trace are kept.
    pub trace_lines: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { steps: 240, trace_lines: 60 }
    }
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// Which run.
    pub seed: u64,
    /// What was broken, as sentences; nothing where everything held.
    pub violations: Vec<String>,
    /// How much happened.
    pub counts: Counts,
    /// How often something went wrong.
    pub mishaps: u64,
    /// How long it took, in virtual time.
    pub took: Duration,
    /// How many tasks were polled.
    pub polls: u64,
    /// Stands for everything that happened: equal for two runs of one seed.
    pub digest: u64,
    /// The last lines of the trace.
    pub lines: Vec<String>,
    /// Lines before those.
    pub lines_dropped: u64,
}

/// Runs `seed` to its end.
#[must_use]
pub fn run(seed: u64, options: &Options) -> Report {
    let mut dice = SplitMix64::new(seed);
    let scenario = Scenario::draw(&mut dice, options.steps);
    let world = World::new(&mut dice, options.trace_lines);
    let director = Director::new(world.clone(), scenario, SplitMix64::new(dice.draw()));
    let ended = Arc::new(Mutex::new(None));
    let process = world.kernel.process();
    let at_end = ended.clone();
    world.spawn(process, async move {
        let mut director = director;
        director.direct().await;
        *lock(&at_end) = Some(director);
    });
    let is_over = || lock(&ended).is_some() || world.kernel.polls() > POLLS_MAX;
    let ran = catch_unwind(AssertUnwindSafe(|| world.kernel.run(is_over)));
    match ran {
        Ok(true) if world.kernel.polls() <= POLLS_MAX => {}
        Ok(true) => world.recorder.defect("it does not come to an end".to_owned()),
        Ok(false) => world.recorder.defect("nobody does anything any more".to_owned()),
        Err(panic) => world.recorder.defect(format!("a panic: {}", message(&*panic))),
    }
    let mishaps = lock(&ended).as_ref().map_or(0, Director::mishaps);
    let mut violations = world.recorder.verdict();
    // A panic poisons nothing that is looked at here, but what is dropped may panic again.
    let end = || {
        drop(lock(&ended).take());
        world.kernel.end();
    };
    if catch_unwind(AssertUnwindSafe(end)).is_err() {
        violations.push("a panic while everything was dropped".to_owned());
    }
    let (lines, lines_dropped) = world.trace.lines();
    Report {
        seed,
        violations,
        counts: world.recorder.counts(),
        mishaps,
        took: world.kernel.now(),
        polls: world.kernel.polls(),
        digest: world.trace.digest(),
        lines,
        lines_dropped,
    }
}

impl Report {
    /// True if everything held.
    #[must_use]
    pub const fn is_good(&self) -> bool {
        self.violations.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { publishes, acks, seen, gaps, beats } = self.counts;
        write!(
            f,
            "seed {}: {publishes} publishes, {acks} acks, {seen} seen, {gaps} gaps, {beats} beats, {} mishaps in {} s \
             ({} polls), digest {:016x}: {}",
            self.seed,
            self.mishaps,
            self.took.as_secs(),
            self.polls,
            self.digest,
            if self.is_good() { "held" } else { "BROKEN" }
        )
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

/// A run that polls more often does not come to an end. Source: chosen, a hundred times what a run needs.
const POLLS_MAX: u64 = 30_000_000;
