//! Which deliberate faults the simulator must find, and how soon it does.

use anchor_core::sabotage::{Sabotage, commit};

use crate::{Options, Report, run};

/// The faults that break a promise whatever else heals them, and so concern the simulator.
///
/// Not among them: [`Sabotage::TailRegisteredLate`], which the next look at the heads makes up within seconds;
/// [`Sabotage::DuplicateAckedEarly`], which takes a repeat that overtakes its first in one commit, and sessions of one
/// client are fenced from each other before they can; [`Sabotage::GuardIgnored`], for nobody writes records at the same time
/// as another there; [`Sabotage::PresenceUnsettled`], for who flaps is there in the end; [`Sabotage::OldestCaughtUpFirst`], for
/// rooms come all the same; [`Sabotage::UnreadBeforeJoin`] and [`Sabotage::ConsumerForgetsRoom`], which the
/// simulated rooms and consumer do not come by; and [`Sabotage::CursorsOutliveLog`], for the logs have gone past such a
/// cursor before anybody looks. Tests closer to them catch these.
pub const SIMULATED: &[Sabotage] = &[
    Sabotage::AckBeforeCommit,
    Sabotage::BeatLies,
    Sabotage::OffsetSkipped,
    Sabotage::WindowLostOnReopen,
    Sabotage::RepeatGetsNewOffset,
    Sabotage::EpochKeptAfterRestore,
    Sabotage::HorizonOffByOne,
    Sabotage::GapNotAnnounced,
    Sabotage::HoleInTail,
    Sabotage::CursorGoesBack,
    Sabotage::StaleFrameAccepted,
    Sabotage::ResendCodeDropsEntry,
    Sabotage::JournalTrimmedEarly,
    Sabotage::WaitsBeforeRemoval,
    Sabotage::FloorFalls,
    Sabotage::CloneRekeysAtOnce,
    Sabotage::SeqOvertakes,
    Sabotage::OverlayVisible,
    Sabotage::LastWakeUpLost,
    Sabotage::RemovedReadsOn,
    Sabotage::RemovalUntold,
    Sabotage::NewcomerReadsAll,
    Sabotage::PermitKept,
    Sabotage::RedactedBodyKept,
    Sabotage::ReactionKept,
    Sabotage::MembersLostOnReopen,
    Sabotage::DirectOpenedTwice,
    Sabotage::AdminReadsDirect,
    Sabotage::NobodyIsEverybody,
    Sabotage::BlockUnheeded,
    Sabotage::UsersLostOnReopen,
    Sabotage::ProfileToldToAll,
    Sabotage::AnnouncementsBeginAnew,
    Sabotage::ReportsReadByMembers,
    Sabotage::SignalForOneToldToAll,
    Sabotage::SignalUnasked,
    Sabotage::ConsumerMovesBeforeDone,
    Sabotage::ConsumerSkipsGap,
    Sabotage::AuthorHasNotRead,
    Sabotage::ReadFallsBack,
    Sabotage::AuthorsLostOnReopen,
    Sabotage::OwnLogEntryTwice,
    Sabotage::ReceiptBeforeDurable,
    Sabotage::HiddenReceiptTold,
    Sabotage::TypingEchoed,
    Sabotage::TypingStays,
];

/// Within so many seeds each of them is found. Source: the aim that was set; most take fewer than twenty.
pub const SEEDS_MAX: u64 = 500;

/// A run that broke under a fault.
#[derive(Debug)]
pub struct Found {
    /// How many seeds were run, this one included.
    pub seeds: u64,
    /// What came of it.
    pub report: Report,
}

/// Runs one seed after another, beginning with 1, with `fault` in force, until one breaks; `None` if none of
/// [`SEEDS_MAX`] does.
#[must_use]
pub fn find(fault: Sabotage, options: &Options) -> Option<Found> {
    (1..=SEEDS_MAX).find_map(|seed| {
        let guard = commit(fault);
        let report = run(seed, options);
        drop(guard);
        (!report.is_good()).then_some(Found { seeds: seed, report })
    })
}
