//! Stored records that no frame could carry are damage, and say so when they are read.

use anchor_core::id::NUMBER_MAX;

use super::*;

fn stored(position: PositionRecord, target: Option<u64>) -> Vec<u8> {
    let draft = DraftRecord { kind: 1, target, content_type: None, body: b"text" };
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
