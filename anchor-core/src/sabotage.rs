//! Deliberate faults, each of which the suites must catch: evidence that they would catch a real one.
//!
//! A fault is the smallest honest mistake at the very place where it could be made: a line in the engine, a session, a
//! store or the client, behind `if sabotage::is(…)`. Without the cargo feature `sabotage`, which nothing turns on by
//! itself and no binary of ours knows, [`is`] is the constant `false`: the compiler leaves out the line and every trace of
//! it. With the feature a fault is in force between `commit` and the drop of its guard, in that thread alone; everything
//! that is to be sabotaged (a store that is stepped, a simulation) runs in one.
//!
//! `docs/testing.md` names, for each fault, the tests that catch it.

macro_rules! faults {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal;)+) => {
        /// A deliberate fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Sabotage {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Sabotage {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name in tests, tables and on the command line.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The fault of that name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

faults! {
    /// The writer answers before the commit has returned.
    AckBeforeCommit = "ack_before_commit";
    /// An event is given the offset after the next.
    OffsetSkipped = "offset_skipped";
    /// A store that is opened anew knows nothing of what it decided before.
    WindowLostOnReopen = "window_lost_on_reopen";
    /// A repeat is appended again, and its ack names the new offset.
    RepeatGetsNewOffset = "repeat_gets_new_offset";
    /// A restored room goes on in the epoch of what was lost.
    EpochKeptAfterRestore = "epoch_kept_after_restore";
    /// The gap of what was trimmed goes one event too far.
    HorizonOffByOne = "horizon_off_by_one";
    /// A session goes on behind a gap and does not tell it.
    GapNotAnnounced = "gap_not_announced";
    /// A reader's tail is registered after its head was read: a commit may fall between.
    TailRegisteredLate = "tail_registered_late";
    /// A tail takes a run that does not follow its head, and readers are not sent to the store for what lies between.
    HoleInTail = "hole_in_tail";
    /// A reader's cursor goes back to the beginning of the page that holds it.
    CursorGoesBack = "cursor_goes_back";
    /// The client takes what still comes of a subscription that it gave up for a part of the next.
    StaleFrameAccepted = "stale_frame_accepted";
    /// A goodbye that says resend is taken for a refusal of everything that was sent.
    ResendCodeDropsEntry = "resend_code_drops_entry";
    /// The journal is trimmed up to what was committed, not up to what the pages hold.
    JournalTrimmedEarly = "journal_trimmed_early";
    /// A repeat is answered although what it repeats is not durable yet.
    DuplicateAckedEarly = "duplicate_acked_early";
    /// The client no longer waits for an answered publish that a crash would bring back.
    WaitsBeforeRemoval = "waits_before_removal";
    /// A lower `waits` lowers the floor.
    FloorFalls = "floor_falls";
    /// A client that finds itself copied sends what is unsettled under the next id at once.
    CloneRekeysAtOnce = "clone_rekeys_at_once";
    /// What was read from a socket at once is handed over the wrong way round.
    SeqOvertakes = "seq_overtakes";
    /// A beat is as of the moment of sending, and leaves out the rooms that lag.
    BeatLies = "beat_lies";
    /// Readers and observers see a commit before it is durable.
    OverlayVisible = "overlay_visible";
    /// The heads of other nodes' commits are known from the bus alone: a last message that it loses is never made up.
    LastWakeUpLost = "last_wake_up_lost";
    /// A member that was removed reads on.
    RemovedReadsOn = "removed_reads_on";
    /// The event that removes a member is not among those that the member may read.
    RemovalUntold = "removal_untold";
    /// Who joins a room that keeps its past from newcomers reads it nevertheless.
    NewcomerReadsAll = "newcomer_reads_all";
    /// What a subscriber may read is asked once, and not again when the room's events may have changed it.
    PermitKept = "permit_kept";
    /// A redacted body stays where it is.
    RedactedBodyKept = "redacted_body_kept";
    /// A reaction that was taken back counts on.
    ReactionKept = "reaction_kept";
    /// A store that is opened anew has lost the places of users that no page step has written yet.
    MembersLostOnReopen = "members_lost_on_reopen";
    /// Opening a direct room that is there begins it anew.
    DirectOpenedTwice = "direct_opened_twice";
    /// An admin of the server reads what two users say to each other.
    AdminReadsDirect = "admin_reads_direct";
    /// Who takes direct messages from nobody takes them from everybody.
    NobodyIsEverybody = "nobody_is_everybody";
    /// Who is blocked goes on writing in a direct room that there is.
    BlockUnheeded = "block_unheeded";
    /// A store that is opened anew has lost what was kept of users and no page step has written yet.
    UsersLostOnReopen = "users_lost_on_reopen";
    /// A new profile is told to every session on the node.
    ProfileToldToAll = "profile_told_to_all";
    /// A client that starts anew goes on with the announcements to come, whatever it has not been told yet.
    AnnouncementsBeginAnew = "announcements_begin_anew";
    /// Whoever belongs to a room reads what was reported of it.
    ReportsReadByMembers = "reports_read_by_members";
    /// A signal for one user is heard by all.
    SignalForOneToldToAll = "signal_for_one_told_to_all";
    /// A cursor is moved to where it is to be, also where it has come further.
    ReadFallsBack = "read_falls_back";
    /// A store that is opened anew does not know who wrote what no page step has written yet.
    AuthorsLostOnReopen = "authors_lost_on_reopen";
    /// After a restore cursors stand where the log that was lost had an event.
    CursorsOutliveLog = "cursors_outlive_log";
    /// Records are written whatever their guard says.
    GuardIgnored = "guard_ignored";
    /// Nobody asks whether who signals may say something in the room.
    SignalUnasked = "signal_unasked";
    /// What a consumer was given counts as done at once.
    ConsumerMovesBeforeDone = "consumer_moves_before_done";
    /// A consumer does not hear in which room something came.
    ConsumerForgetsRoom = "consumer_forgets_room";
    /// A consumer goes on behind a gap and is not told of it.
    ConsumerSkipsGap = "consumer_skips_gap";
    /// The client id of an entry in a user's own log does not follow from what it is about alone.
    OwnLogEntryTwice = "own_log_entry_twice";
    /// How far somebody has come is told before it is durable.
    ReceiptBeforeDurable = "receipt_before_durable";
    /// How far somebody has read is told who keeps it back.
    HiddenReceiptTold = "hidden_receipt_told";
    /// What somebody has written is unread to its author.
    AuthorHasNotRead = "author_has_not_read";
    /// What was said before somebody joined is unread.
    UnreadBeforeJoin = "unread_before_join";
    /// Who types is told so.
    TypingEchoed = "typing_echoed";
    /// Who does not go on typing types for ever.
    TypingStays = "typing_stays";
    /// Rooms are caught up with in the order in which they were asked for.
    OldestCaughtUpFirst = "oldest_caught_up_first";
    /// A connection that is lost and made again is a user who goes and comes.
    PresenceUnsettled = "presence_unsettled";
}

/// True while `fault` is in force in this thread; never without the feature `sabotage`.
#[cfg(not(feature = "sabotage"))]
#[inline]
#[must_use]
pub const fn is(fault: Sabotage) -> bool {
    let _ = fault;
    false
}

#[cfg(feature = "sabotage")]
pub use self::committed::{Guard, assert_caught, commit, is};

#[cfg(feature = "sabotage")]
mod committed {
    //! What is there with the feature alone.

    use std::cell::Cell;
    use std::marker::PhantomData;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::Sabotage;

    thread_local! {
        static IN_FORCE: Cell<Option<Sabotage>> = const { Cell::new(None) };
    }

    /// True while `fault` is in force in this thread.
    #[must_use]
    pub fn is(fault: Sabotage) -> bool {
        IN_FORCE.get() == Some(fault)
    }

    /// Puts `fault` in force in this thread, until the guard is dropped.
    ///
    /// # Panics
    /// If another is in force.
    #[must_use]
    pub fn commit(fault: Sabotage) -> Guard {
        assert_eq!(IN_FORCE.replace(Some(fault)), None, "one fault at a time");
        Guard { stays_in_its_thread: PhantomData }
    }

    /// Takes a fault out of force when dropped.
    #[derive(Debug)]
    pub struct Guard {
        stays_in_its_thread: PhantomData<*const ()>,
    }

    impl Drop for Guard {
        fn drop(&mut self) {
            IN_FORCE.set(None);
        }
    }

    /// Asserts that `suite` passes as the code stands, and fails with `fault` in force.
    ///
    /// # Panics
    /// If it does not: then the suite would not catch a real fault of this kind.
    pub fn assert_caught(fault: Sabotage, suite: impl Fn()) {
        suite();
        let guard = commit(fault);
        let outcome = catch_unwind(AssertUnwindSafe(&suite));
        drop(guard);
        assert!(outcome.is_err(), "{} was not caught", fault.name());
    }
}
