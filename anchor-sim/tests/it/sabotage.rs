//! Every deliberate fault is caught: by the simulator within 500 seeds, by the public suites in a store that is stepped.
//!
//! Those that the suites of one crate catch are tested there, in modules of this name; `docs/testing.md` has the whole table.

mod stepped;

use anchor_core::conformance::store::{
    append, cursors, records, redaction, reopen, repeat, restore, sessions,
};
use anchor_core::sabotage::{Sabotage, assert_caught};
use anchor_sim::sabotage::{SIMULATED, find};
use anchor_sim::{Options, run};
use futures::executor::block_on;

use self::stepped::SteppedRedb;

/// Asserts that the simulator finds `fault`, by a seed that holds without it.
fn assert_found(fault: Sabotage) {
    assert!(SIMULATED.contains(&fault));
    let options = Options::default();
    let found = find(fault, &options).unwrap_or_else(|| panic!("{} was not found", fault.name()));
    eprintln!("{}: {} seeds; {}", fault.name(), found.seeds, found.report.violations[0]);
    let sound = run(found.seeds, &options);
    assert!(sound.is_good(), "{sound}, without any fault");
}

macro_rules! the_simulator_finds {
    ($($test:ident $fault:ident;)+) => {
        $(#[test]
        fn $test() {
            assert_found(Sabotage::$fault);
        })+

        #[test]
        fn all_that_concern_the_simulator_are_looked_for() {
            assert_eq!(SIMULATED, [$(Sabotage::$fault),+]);
        }
    };
}

the_simulator_finds! {
    the_simulator_finds_an_ack_before_the_commit AckBeforeCommit;
    the_simulator_finds_a_beat_that_lies BeatLies;
    the_simulator_finds_an_offset_skipped OffsetSkipped;
    the_simulator_finds_a_window_lost_on_reopen WindowLostOnReopen;
    the_simulator_finds_a_repeat_with_a_new_offset RepeatGetsNewOffset;
    the_simulator_finds_an_epoch_kept_after_a_restore EpochKeptAfterRestore;
    the_simulator_finds_an_off_by_one_at_the_horizon HorizonOffByOne;
    the_simulator_finds_a_gap_not_announced GapNotAnnounced;
    the_simulator_finds_a_hole_in_a_tail HoleInTail;
    the_simulator_finds_a_cursor_that_goes_back CursorGoesBack;
    the_simulator_finds_a_stale_frame_accepted StaleFrameAccepted;
    the_simulator_finds_an_entry_dropped_on_a_code_that_says_resend ResendCodeDropsEntry;
    the_simulator_finds_a_journal_trimmed_early JournalTrimmedEarly;
    the_simulator_finds_waits_sent_before_the_removal_is_durable WaitsBeforeRemoval;
    the_simulator_finds_a_floor_that_falls FloorFalls;
    the_simulator_finds_a_clone_that_re_keys_at_once CloneRekeysAtOnce;
    the_simulator_finds_seq_7_before_6 SeqOvertakes;
    the_simulator_finds_an_overlay_that_readers_see OverlayVisible;
    the_simulator_finds_a_last_wake_up_lost LastWakeUpLost;
    the_simulator_finds_a_removed_member_that_reads_on RemovedReadsOn;
    the_simulator_finds_a_removal_that_is_not_told RemovalUntold;
    the_simulator_finds_a_newcomer_that_reads_all NewcomerReadsAll;
    the_simulator_finds_a_permit_that_is_kept PermitKept;
    the_simulator_finds_a_redacted_body_that_is_kept RedactedBodyKept;
    the_simulator_finds_a_reaction_that_is_kept ReactionKept;
    the_simulator_finds_members_lost_on_reopen MembersLostOnReopen;
    the_simulator_finds_a_direct_room_opened_twice DirectOpenedTwice;
    the_simulator_finds_an_admin_that_reads_what_two_say AdminReadsDirect;
    the_simulator_finds_a_nobody_that_is_everybody NobodyIsEverybody;
    the_simulator_finds_a_block_that_is_not_heeded BlockUnheeded;
    the_simulator_finds_users_lost_on_reopen UsersLostOnReopen;
    the_simulator_finds_a_profile_told_to_all ProfileToldToAll;
    the_simulator_finds_announcements_that_begin_anew AnnouncementsBeginAnew;
    the_simulator_finds_reports_that_members_read ReportsReadByMembers;
    the_simulator_finds_a_signal_for_one_told_to_all SignalForOneToldToAll;
    the_simulator_finds_a_signal_that_nobody_asks_about SignalUnasked;
    the_simulator_finds_a_consumer_that_moves_before_it_is_done ConsumerMovesBeforeDone;
    the_simulator_finds_a_gap_that_a_consumer_is_not_told ConsumerSkipsGap;
    the_simulator_finds_an_author_that_has_not_read AuthorHasNotRead;
    the_simulator_finds_a_cursor_of_a_user_that_falls_back ReadFallsBack;
    the_simulator_finds_authors_lost_on_reopen AuthorsLostOnReopen;
    the_simulator_finds_an_entry_twice_in_an_own_log OwnLogEntryTwice;
    the_simulator_finds_a_receipt_before_it_is_durable ReceiptBeforeDurable;
    the_simulator_finds_a_receipt_that_is_kept_back_and_told HiddenReceiptTold;
    the_simulator_finds_typing_that_is_told_to_who_types TypingEchoed;
    the_simulator_finds_typing_that_does_not_end TypingStays;
}

#[test]
fn the_page_about_tests_says_of_every_fault_whether_it_is_looked_for() {
    let page = include_str!("../../../docs/testing.md");
    for fault in Sabotage::ALL {
        let row = page.lines().find(|line| line.starts_with(&format!("| `{}` |", fault.name())));
        let said = row.and_then(|row| row.rsplit('|').nth(1)).map(str::trim);
        let is_simulated = SIMULATED.contains(fault);
        assert_eq!(said, Some(if is_simulated { "yes" } else { "no" }), "{}", fault.name());
    }
}

#[test]
fn the_suite_catches_an_offset_skipped() {
    assert_caught(Sabotage::OffsetSkipped, || {
        block_on(append::offsets_are_dense_under_concurrent_appends(&SteppedRedb::default()));
    });
}

#[test]
fn the_suite_catches_seq_7_before_6() {
    assert_caught(Sabotage::SeqOvertakes, || {
        block_on(append::the_log_has_the_order_of_the_batch(&SteppedRedb::default()));
    });
}

#[test]
fn the_suite_catches_a_window_lost_on_reopen() {
    assert_caught(Sabotage::WindowLostOnReopen, || block_on(reopen::test_all(&SteppedRedb::default())));
}

#[test]
fn the_suite_catches_a_repeat_with_a_new_offset() {
    assert_caught(Sabotage::RepeatGetsNewOffset, || {
        block_on(repeat::a_repeat_gets_the_first_ack(&SteppedRedb::default()));
    });
}

#[test]
fn the_suite_catches_an_epoch_kept_after_a_restore() {
    assert_caught(Sabotage::EpochKeptAfterRestore, || block_on(restore::test_all(&SteppedRedb::default())));
}

#[test]
fn the_suite_catches_a_redacted_body_that_is_kept() {
    assert_caught(Sabotage::RedactedBodyKept, || {
        block_on(redaction::a_redacted_body_is_gone_and_the_chain_stays(&SteppedRedb::default()));
    });
}

#[test]
fn the_suite_catches_a_cursor_that_falls_back() {
    assert_caught(Sabotage::ReadFallsBack, || {
        block_on(cursors::a_cursor_goes_to_the_furthest(&SteppedRedb::default()));
    });
}

#[test]
fn the_suite_catches_a_guard_that_is_ignored() {
    assert_caught(Sabotage::GuardIgnored, || {
        block_on(records::a_failed_guard_writes_nothing(&SteppedRedb::default()));
    });
}

#[test]
fn the_suite_catches_a_floor_that_falls() {
    assert_caught(Sabotage::FloorFalls, || {
        block_on(sessions::a_session_says_what_is_decided_and_raises_the_floor(&SteppedRedb::default()));
    });
}
