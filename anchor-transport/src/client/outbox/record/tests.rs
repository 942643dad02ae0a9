//! Stored records that no frame could carry are damage, and say so when they are read.

use anchor_core::id::NUMBER_MAX;

use super::*;

fn stored(position: PositionRecord, target: Option<u64>) -> Vec<u8> {
    let draft = DraftRecord { kind: 1, target, content_type: None, body: b"text", mentions: None };
    write(&EntryRecord { nonce: 7, room: "lobby", draft, known: position })
}

fn position(epoch: Option<[u8; 8]>, offset: u64, chain: [u8; 8]) -> PositionRecord {
    PositionRecord { epoch: epoch.map(ByteArray::new), offset, chain: ByteArray::new(chain) }
}

/// Found by fuzzing: such records were taken as they were. The client sent them after every reconnect, the server ended
/// the session as malformed each time, and nothing behind them in the outbox ever went out.
#[test]
fn a_record_that_the_protocol_cannot_carry_is_damage() {
    let sound = || position(Some([4; 8]), 9, [5; 8]);
    assert!(read_entry(&stored(sound(), Some(NUMBER_MAX))).is_ok());
    assert!(read_entry(&stored(sound(), Some(NUMBER_MAX + 1))).is_err());
    assert!(read_entry(&stored(sound(), Some(0))).is_err(), "an event about offset 0");
    assert!(read_entry(&stored(position(Some([4; 8]), NUMBER_MAX + 1, [5; 8]), None)).is_err());
    assert!(read_entry(&stored(position(None, 9, [5; 8]), None)).is_err(), "an offset of no history");
}

/// Found by fuzzing: at offset 0 history and chain say nothing on the wire, but two such positions differed in the client.
#[test]
fn every_position_at_offset_zero_is_the_start() {
    for odd in [position(Some([4; 8]), 0, [0; 8]), position(None, 0, [5; 8])] {
        assert_eq!(read_position(&write(&odd)), Ok(Position::START));
    }
}

/// A version without mentions wrote drafts of four elements; they are read, and written as they were.
#[test]
fn a_draft_of_before_there_were_mentions_is_read() {
    let old = [
        &[0x94, 0x07, 0xa5][..],
        b"lobby",
        &[0x94, 0x01, 0xc0, 0xc0, 0xc4, 0x04],
        b"text",
        &[0x93, 0xc0, 0x00, 0xc4, 0x08, 0, 0, 0, 0, 0, 0, 0, 0],
    ]
    .concat();
    let entry = read_entry(&old).unwrap();
    assert_eq!(entry.draft, Draft::message("text"));
    assert_eq!(write_entry(&entry), old);
}

#[test]
fn mentions_are_kept_and_checked() {
    let users = ["ada", "bob"].map(|user| UserId::new(user).unwrap());
    let body = Body::text("you two").mentioning(Mentions::new(true, users).unwrap());
    let mut entry = read_entry(&stored(position(Some([4; 8]), 9, [5; 8]), Some(3))).unwrap();
    entry.draft.body = body;
    assert_eq!(read_entry(&write_entry(&entry)), Ok(entry));

    let of = |users: Vec<&str>| {
        let mentions = Some(MentionsRecord { room: false, users });
        let draft = DraftRecord { kind: 1, target: None, content_type: None, body: b"text", mentions };
        let known = position(None, 0, [0; 8]);
        read_entry(&write(&EntryRecord { nonce: 7, room: "lobby", draft, known }))
    };
    assert_eq!(of(vec![]).unwrap().draft.body.mentions(), None);
    assert!(of(vec![" nobody"]).is_err(), "no user id");
    let crowd: Vec<_> = (0..33).map(|number| format!("user {number}")).collect();
    assert!(of(crowd.iter().map(String::as_str).collect()).is_err(), "more than a message mentions");
}
