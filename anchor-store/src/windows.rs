//! Clients' windows as the pages keep them: whole, from the floor on.

use std::mem::size_of;

use anchor_core::id::{ClientKey, RoomId};
use anchor_core::limits::WINDOW;
use anchor_core::msgpack::{Malformed, Reader};
use anchor_core::publish::Fingerprint;
use anchor_core::window::{Decision, Entry, Window};

use crate::codec::{Encoder, fields, list, read_epoch, read_mark, read_number, read_refusal, read_seq};

/// The key of a client's window: the user's bytes, then the 16 of its `client_id`.
pub(crate) fn key(client: &ClientKey) -> Vec<u8> {
    [client.user.as_str().as_bytes(), client.id.as_bytes()].concat()
}

/// Bytes that a window takes in memory, about.
pub(crate) fn bytes(window: &Window) -> usize {
    size_of::<Window>() + window.entries().len() * (size_of::<Entry>() + ROOM_BYTES)
}

/// `[floor, highest, [[seq, fingerprint, room, epoch, mark, ts] | [seq, fingerprint, nil, code, message, nil], …]]`
pub(crate) fn encode(window: &Window, out: &mut Encoder) {
    out.array(3).uint(window.floor().get()).uint(window.highest().get()).array(window.entries().len());
    for entry in window.entries() {
        match &entry.decision {
            Decision::Appended { room, epoch, mark, ts } => out
                .array(6)
                .uint(entry.seq.get())
                .bin(&entry.fingerprint.0)
                .str(room.as_str())
                .bin(epoch.as_bytes())
                .mark(*mark)
                .uint(*ts),
            Decision::Refused(refusal) => out
                .array(6)
                .uint(entry.seq.get())
                .bin(&entry.fingerprint.0)
                .nil()
                .str(refusal.code.name())
                .str(&refusal.message)
                .nil(),
        };
    }
}

pub(crate) fn decode(bytes: &[u8]) -> Result<Window, Malformed> {
    fields(&mut Reader::from_slice(bytes), 3, |reader| {
        let floor = read_seq(reader)?;
        let highest = read_seq(reader)?;
        let entries = list(reader, read_entry)?;
        let rising = entries.windows(2).all(|pair| pair[0].seq < pair[1].seq);
        if !rising || entries.last().is_some_and(|entry| entry.seq > highest) {
            return Err(Malformed("a window whose seqs do not rise"));
        }
        match entries.len() <= WINDOW {
            true => Ok(Window::restore(floor, highest, entries)),
            false => Err(Malformed("a window of more outcomes than it may hold")),
        }
    })
}

fn read_entry(reader: &mut Reader<'_>) -> Result<Entry, Malformed> {
    fields(reader, 6, |reader| {
        let seq = read_seq(reader)?;
        let fingerprint = Fingerprint(reader.fixed()?);
        let decision = match reader.nil()? {
            true => {
                let refusal = read_refusal(reader)?;
                reader.skip()?;
                Decision::Refused(refusal)
            }
            false => Decision::Appended {
                room: RoomId::new(reader.str()?).map_err(|_| Malformed("not a room id"))?,
                epoch: read_epoch(reader)?,
                mark: read_mark(reader)?,
                ts: read_number(reader)?,
            },
        };
        Ok(Entry { seq, fingerprint, decision })
    })
}

/// What a room id takes beside the pointer to it. Source: chosen; a short id and its counters.
const ROOM_BYTES: usize = 32;
