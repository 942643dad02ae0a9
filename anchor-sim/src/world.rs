//! What everything in a run shares.

use anchor_core::conformance::environment::SplitMix64;

use crate::attended::Attended;
use crate::followed::Followed;
use crate::kernel::{Kernel, ProcessId};
use crate::marked::Marked;
use crate::network::Network;
use crate::recorder::Recorder;
use crate::society::Society;
use crate::trace::Trace;

/// Time, network, and the two logs of a run. Clones are the same world.
#[derive(Clone, Debug)]
pub struct World {
    /// Scheduler and clock.
    pub kernel: Kernel,
    /// What lies between hosts.
    pub network: Network,
    /// What happened, for people.
    pub trace: Trace,
    /// What happened, for the checkers.
    pub recorder: Recorder,
    /// What happened in rooms with members.
    pub society: Society,
    /// What the durable consumer was given.
    pub followed: Followed,
    /// How far users said that they have read.
    pub marked: Marked,
    /// What those who watch rooms were told of others.
    pub attended: Attended,
}

impl World {
    /// A world at time zero; its trace keeps so many lines.
    #[must_use]
    pub fn new(dice: &mut SplitMix64, trace_lines: usize) -> Self {
        let kernel = Kernel::new(SplitMix64::new(dice.draw()));
        let trace = Trace::new(kernel.clone(), trace_lines);
        let network = Network::new(kernel.clone(), trace.clone(), SplitMix64::new(dice.draw()));
        let recorder = Recorder::new(kernel.clone(), trace.clone());
        let society = Society::new(kernel.clone());
        let (followed, marked, attended) = Default::default();
        Self { kernel, network, trace, recorder, society, followed, marked, attended }
    }

    /// Runs `future` as a task of `process`.
    pub fn spawn(&self, process: ProcessId, future: impl Future<Output = ()> + Send + 'static) {
        self.kernel.spawn(process, future);
    }
}
