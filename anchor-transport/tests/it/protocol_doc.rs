//! `docs/protocol.md` against the code: its tables hold what the code holds, and its examples are frames.

use std::collections::{BTreeMap, BTreeSet};

use anchor_core::code::{Class, Code};
use anchor_core::engine::CONSUMER_NAME_BYTES_MAX;
use anchor_core::event::{Body, CONTENT_TYPE_BYTES_MAX, EventKind, MENTIONS_MAX};
use anchor_core::id::{NUMBER_MAX, ROOM_ID_BYTES_MAX, USER_ID_BYTES_MAX};
use anchor_core::limits::*;
use anchor_core::msgpack::DEPTH_MAX;
use anchor_core::resume::GapReason;
use anchor_core::room::change::{MembershipChange, Report, RoomChange};
use anchor_transport::codec::{Encoding, FrameKind};
use bytes::Bytes;

use crate::vectors::Sender;

const PAGE: &str = include_str!("../../../docs/protocol.md");

#[test]
fn the_table_of_codes_is_that_of_the_code() {
    let written: Vec<_> =
        rows("Codes").filter(|row| row[0].starts_with('`')).map(|row| (row[0], row[1])).collect();
    let codes: Vec<_> = Code::ALL.iter().map(|code| (format!("`{code}`"), class(code.class()))).collect();
    let codes: Vec<_> = codes.iter().map(|(name, class)| (name.as_str(), *class)).collect();
    assert_eq!(written, codes);
}

#[test]
fn the_table_of_limits_is_that_of_the_code() {
    let number = |limit: usize| limit.to_string();
    let time = |limit: std::time::Duration| format!("{} ms", limit.as_millis());
    let limits = [
        ("NUMBER_MAX", NUMBER_MAX.to_string()),
        ("DEPTH_MAX", number(DEPTH_MAX)),
        ("ROOM_ID_BYTES_MAX", number(ROOM_ID_BYTES_MAX)),
        ("USER_ID_BYTES_MAX", number(USER_ID_BYTES_MAX)),
        ("CONSUMER_NAME_BYTES_MAX", number(CONSUMER_NAME_BYTES_MAX)),
        ("CONTENT_TYPE_BYTES_MAX", number(CONTENT_TYPE_BYTES_MAX)),
        ("BODY_BYTES_MAX", number(BODY_BYTES_MAX)),
        ("FRAME_IN_BYTES_MAX", number(FRAME_IN_BYTES_MAX)),
        ("FRAME_OUT_BYTES_MAX", number(FRAME_OUT_BYTES_MAX)),
        ("ROOMS_MAX", number(ROOMS_MAX)),
        ("RESUME_ROOMS_MAX", number(RESUME_ROOMS_MAX)),
        ("FEATURES_MAX", number(FEATURES_MAX)),
        ("WINDOW", number(WINDOW)),
        ("IN_FLIGHT_BYTES_MAX", number(IN_FLIGHT_BYTES_MAX)),
        ("RUN_EVENTS_MAX", number(RUN_EVENTS_MAX)),
        ("RUN_BYTES_MAX", number(RUN_BYTES_MAX)),
        ("HISTORY_EVENTS_MAX", number(HISTORY_EVENTS_MAX)),
        ("HISTORY_BYTES_MAX", number(HISTORY_BYTES_MAX)),
        ("PAGE_BYTES_MAX", number(PAGE_BYTES_MAX)),
        ("READS_OPEN_MAX", number(READS_OPEN_MAX)),
        ("ROOMS_PAGE_MAX", number(ROOMS_PAGE_MAX)),
        ("ROOMS_LOOKED_AT_MAX", number(ROOMS_LOOKED_AT_MAX)),
        ("ROOM_LIST_BYTES_MAX", number(ROOM_LIST_BYTES_MAX)),
        ("WHO_USERS_MAX", number(WHO_USERS_MAX)),
        ("MESSAGE_BYTES_MAX", number(MESSAGE_BYTES_MAX)),
        ("MENTIONS_MAX", number(MENTIONS_MAX)),
        ("TITLE_BYTES_MAX", number(TITLE_BYTES_MAX)),
        ("TOPIC_BYTES_MAX", number(TOPIC_BYTES_MAX)),
        ("SIGN_BYTES_MAX", number(SIGN_BYTES_MAX)),
        ("MEMBERS_MAX", MEMBERS_MAX.to_string()),
        ("PINS_MAX", number(PINS_MAX)),
        ("EDITS_MAX", number(EDITS_MAX)),
        ("BLOCKED_MAX", number(BLOCKED_MAX)),
        ("PROFILE_TEXT_BYTES_MAX", number(PROFILE_TEXT_BYTES_MAX)),
        ("MEMBERS_PAGE_MAX", number(MEMBERS_PAGE_MAX)),
        ("MEMBERS_LOOKED_AT_MAX", number(MEMBERS_LOOKED_AT_MAX)),
        ("PROFILES_MAX", number(PROFILES_MAX)),
        ("USER_SIGNS_MAX", number(USER_SIGNS_MAX)),
        ("SIGN_CHANGES_MAX", SIGN_CHANGES_MAX.to_string()),
        ("SIGNS_MAX", number(SIGNS_MAX)),
        ("AMENDMENTS_MAX", number(AMENDMENTS_MAX)),
        ("SIGNALS_WAITING_MAX", number(SIGNALS_WAITING_MAX)),
        ("SIGNAL_BYTES_MAX", number(SIGNAL_BYTES_MAX)),
        ("RECEIPTS_MEMBERS_MAX", number(RECEIPTS_MEMBERS_MAX)),
        ("OWN_LOG_ROOM_MAX", number(OWN_LOG_ROOM_MAX)),
        ("CURSORS_EVERY", time(CURSORS_EVERY)),
        ("WATCHED_MAX", number(WATCHED_MAX)),
        ("READERS_OFFSETS_MAX", number(READERS_OFFSETS_MAX)),
        ("PRESENCE_SAMPLE_MAX", number(PRESENCE_SAMPLE_MAX)),
        ("PRESENCE_SETTLES", time(PRESENCE_SETTLES)),
        ("TYPING_USERS_MAX", number(TYPING_USERS_MAX)),
        ("TYPING_EXPIRES", time(TYPING_EXPIRES)),
        ("SEARCH_TEXT_BYTES_MAX", number(SEARCH_TEXT_BYTES_MAX)),
        ("SEARCH_TERMS_MAX", number(SEARCH_TERMS_MAX)),
        ("SEARCH_HITS_MAX", number(SEARCH_HITS_MAX)),
        ("CONSUMERS_OF_SESSION_MAX", number(CONSUMERS_OF_SESSION_MAX)),
        ("CONSUMERS_OF_USER_MAX", number(CONSUMERS_OF_USER_MAX)),
        ("CONSUME_DONE_MAX", number(CONSUME_DONE_MAX)),
        ("CONSUME_WAIT_MAX", time(CONSUME_WAIT_MAX)),
        ("CONSUMERS_PAGE_MAX", number(CONSUMERS_PAGE_MAX)),
        ("WEBHOOK_URL_BYTES_MAX", number(WEBHOOK_URL_BYTES_MAX)),
        ("WEBHOOK_SECRET_BYTES_MAX", number(WEBHOOK_SECRET_BYTES_MAX)),
        ("WEBHOOK_KINDS_MAX", number(WEBHOOK_KINDS_MAX)),
        ("WEBHOOKS_MAX", number(WEBHOOKS_MAX)),
        ("WEBHOOK_DEAD_MAX", number(WEBHOOK_DEAD_MAX)),
        ("DEAD_LETTERS_PAGE_MAX", number(DEAD_LETTERS_PAGE_MAX)),
        ("HELLO_WITHIN", time(HELLO_WITHIN)),
        ("HEARTBEAT", time(HEARTBEAT)),
        ("HEARTBEATS_MISSED_MAX", HEARTBEATS_MISSED_MAX.to_string()),
    ];
    let limits: Vec<_> = limits.into_iter().map(|(name, value)| (format!("`{name}`"), value)).collect();
    let written: Vec<_> = rows("Limits")
        .filter(|row| row[0].starts_with('`'))
        .map(|row| (row[0].to_owned(), row[1].to_owned()))
        .collect();
    assert_eq!(written, limits);
}

#[test]
fn the_tables_of_frames_are_those_of_the_code() {
    let mut written = BTreeMap::new();
    for heading in ["Frames of a client", "Frames of a server"] {
        for row in rows(heading).filter(|row| row[0].starts_with('`')) {
            written.insert(row[1].parse::<u8>().expect("a number"), row[0].trim_matches('`').to_owned());
        }
    }
    let kinds: BTreeMap<_, _> =
        FrameKind::ALL.iter().map(|kind| (kind.number(), kind.name().to_owned())).collect();
    assert_eq!(written, kinds);
    for (number, name) in &written {
        assert!(PAGE.contains(&format!("### `{name}` ({number})\n")), "no section for {name}");
    }
}

#[test]
fn kinds_and_reasons_are_those_of_the_code() {
    for kind in (0..=u16::MAX).map(EventKind) {
        let row = kind.name().map(|name| format!("| {} | {name} |", kind.0));
        assert!(row.is_none_or(|row| PAGE.contains(&row)), "kind {}", kind.0);
    }
    let reasons = [
        GapReason::Trimmed,
        GapReason::Restored,
        GapReason::History,
        GapReason::Deleted,
        GapReason::Hidden,
        GapReason::Skipped,
    ];
    for reason in reasons {
        assert!(PAGE.contains(&format!("| `{}` |", reason.name())), "{}", reason.name());
    }
}

#[test]
fn every_body_of_a_change_is_one() {
    let bodies = |heading: &'static str| {
        let section = PAGE.lines().skip_while(move |line| *line != heading).skip(1);
        let section = section.take_while(|line| !line.starts_with('#'));
        let code = section
            .flat_map(|line| line.split('`'))
            .filter(|code| code.starts_with("{\"") && code.contains("\":\""));
        code.map(Body::text).collect::<Vec<_>>()
    };
    let memberships = bodies("### Membership");
    let actions: BTreeSet<_> = memberships
        .iter()
        .map(|body| {
            let change =
                MembershipChange::from_body(body).unwrap_or_else(|error| panic!("{body:?}: {error}"));
            assert_eq!(change.to_body(), *body, "not as this version writes it");
            change.action()
        })
        .collect();
    assert_eq!((actions.len(), memberships.len()), (11, 11), "{actions:?}");
    let rooms = bodies("### Room");
    let actions: BTreeSet<_> = rooms
        .iter()
        .map(|body| {
            let change = RoomChange::from_body(body).unwrap_or_else(|error| panic!("{body:?}: {error}"));
            assert_eq!(change.to_body().as_text().map(str::len), body.as_text().map(str::len));
            change.action()
        })
        .collect();
    assert_eq!((actions.len(), rooms.len()), (5, 6), "{actions:?}");
    let reports = bodies("### Reports");
    assert_eq!(reports.len(), 1);
    let report = Report::from_body(&reports[0]).expect("a report");
    assert_eq!(report.to_body(), reports[0], "not as this version writes it");
}

#[test]
fn every_example_is_a_frame() {
    let mut examples = BTreeSet::new();
    let mut sender = None;
    let mut in_example = false;
    for line in PAGE.lines() {
        match line {
            "## Frames of a client" => sender = Some(Sender::Client),
            "## Frames of a server" => sender = Some(Sender::Server),
            "```json" => in_example = true,
            "```" => in_example = false,
            _ if in_example => {
                // The examples of values stand before the frames: events, which a frame carries.
                let wrapped = |event: &str| {
                    format!(r#"["events","lobby","8f1c2d3e4a5b6c7d",{},[{event}]]"#, &event[1..2])
                };
                let text = if sender.is_some() { line.to_owned() } else { wrapped(line) };
                let sender = sender.unwrap_or(Sender::Server);
                let frame = sender.decode(Encoding::Json, &Bytes::from(text.clone()));
                let frame = frame.unwrap_or_else(|error| panic!("{line}: {error}"));
                assert_eq!(frame.encode(Encoding::Json), text, "not as this version writes it");
                examples.extend(text.split('"').nth(1).map(str::to_owned));
            }
            _ => {}
        }
    }
    let kinds = FrameKind::ALL.iter().map(|kind| kind.name().to_owned());
    assert_eq!(examples, kinds.collect(), "each frame has an example");
}

fn class(class: Class) -> &'static str {
    match class {
        Class::Final => "final",
        Class::Retry => "retry",
        Class::Renew => "renew",
        Class::Stop => "stop",
    }
}

/// The rows of the tables between a heading of the second level and the next heading, cell by cell.
fn rows(heading: &str) -> impl Iterator<Item = Vec<&'static str>> {
    let heading = format!("## {heading}");
    let section = PAGE
        .lines()
        .skip_while(move |line| *line != heading)
        .skip(1)
        .take_while(|line| !line.starts_with('#'));
    section
        .filter(|line| line.starts_with("| "))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
}
