//! What stands in a page and in a room's row.
//!
//! The events of a page are contiguous bytes of its value, so that reading it is one slice and no decoding.

use std::sync::Arc;

use anchor_core::id::RoomId;
use anchor_core::msgpack::{Malformed, Reader};
use anchor_core::position::{Epoch, Mark, Offset};
use anchor_core::room::RoomInfo;
use anchor_core::run::{Contents, Run, RunParts};
use anchor_core::store::{EpochStart, RoomState};
use bytes::Bytes;

use crate::codec::{
    Encoder, fields, growing_fields, list, read_contents, read_epoch, read_mark, read_number, read_offset,
};
use crate::journal::{SIDE_BYTES, Stored};
use crate::rows::{read_info, write_info};

/// A page as it stands in the database: many consecutive events of a room, of one epoch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page<'a> {
    pub(crate) epoch: Epoch,
    pub(crate) before: Mark,
    pub(crate) tip: Mark,
    pub(crate) events: &'a [u8],
    pub(crate) sides: &'a [u8],
    /// None in a page that format 1 wrote: nobody looks into it, and nothing is added to it.
    pub(crate) contents: Option<Contents>,
}

impl<'a> Page<'a> {
    /// Reads `[epoch, before, tip, events, sides, contents]`, of which the last may be missing; nothing is copied, the events are not looked at.
    pub(crate) fn decode(value: &'a [u8]) -> Result<Self, Malformed> {
        let page = growing_fields(&mut Reader::from_slice(value), 5, 6, |reader, length| {
            Ok(Self {
                epoch: read_epoch(reader)?,
                before: read_mark(reader)?,
                tip: read_mark(reader)?,
                events: reader.bin()?,
                sides: reader.bin()?,
                contents: if length > 5 { Some(read_contents(reader)?) } else { None },
            })
        })?;
        let events = page.tip.offset.0.saturating_sub(page.before.offset.0);
        match events > 0 && page.sides.len() as u64 == events * SIDE_BYTES as u64 {
            true => Ok(page),
            false => Err(Malformed("a page whose numbers do not fit")),
        }
    }

    /// The page as a run: one copy of its events.
    pub(crate) fn run(&self, room: &RoomId) -> Run {
        Run::from_parts(RunParts {
            room: room.clone(),
            epoch: self.epoch,
            before: self.before,
            tip: self.tip,
            events: Bytes::copy_from_slice(self.events),
            contents: self.contents.unwrap_or(Contents::PLAIN),
        })
    }
}

/// A page that is being filled from a commit's runs.
#[derive(Debug)]
pub(crate) struct Filling<'a> {
    epoch: Epoch,
    before: Mark,
    tip: Mark,
    bytes: usize,
    events: Vec<&'a [u8]>,
    sides: Vec<&'a [u8]>,
    contents: Option<Contents>,
}

impl<'a> Filling<'a> {
    /// Goes on with a page that is not full.
    pub(crate) fn open(page: Page<'a>) -> Self {
        let Page { epoch, before, tip, events, sides, contents } = page;
        Self { epoch, before, tip, bytes: events.len(), events: vec![events], sides: vec![sides], contents }
    }

    /// Begins a page with a run.
    pub(crate) fn begin(stored: &'a Stored) -> Self {
        Self::open(Page {
            epoch: stored.run.epoch(),
            before: stored.run.before(),
            tip: stored.run.tip(),
            events: stored.run.encoded(),
            sides: &stored.sides,
            contents: Some(stored.run.contents()),
        })
    }

    /// True if `stored` follows and there is room for all of it: runs are not split, so that they and pages have the
    /// same boundaries for a reader that sees both.
    pub(crate) fn takes(&self, stored: &Stored) -> bool {
        let run = &stored.run;
        let events = run.last().0 - self.before.offset.0;
        self.contents.is_some()
            && run.epoch() == self.epoch
            && run.before().offset == self.tip.offset
            && events <= anchor_core::limits::RUN_EVENTS_MAX as u64
            && self.bytes + run.encoded().len() <= anchor_core::limits::RUN_BYTES_MAX
    }

    /// Adds a run that it takes.
    pub(crate) fn push(&mut self, stored: &'a Stored) {
        self.tip = stored.run.tip();
        self.bytes += stored.run.encoded().len();
        self.events.push(stored.run.encoded());
        self.sides.push(&stored.sides);
        self.contents = self.contents.map(|contents| contents.and(stored.run.contents()));
    }

    /// The first offset, which is its key.
    pub(crate) fn first(&self) -> Offset {
        self.before.offset.next()
    }

    pub(crate) fn encode(&self, out: &mut Encoder) {
        out.array(5 + usize::from(self.contents.is_some()));
        out.bin(self.epoch.as_bytes()).mark(self.before).mark(self.tip);
        out.bin_of(&self.events).bin_of(&self.sides);
        if let Some(contents) = self.contents {
            out.uint(contents.bits().into());
        }
    }
}

/// What the pages know of a room.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Its number in the keys of its pages; never given out twice.
    pub(crate) number: u64,
    pub(crate) state: RoomState,
    /// The `ts` of its newest event.
    pub(crate) ts: u64,
    /// The first offset of its newest page, if more may be added to that.
    pub(crate) open_page: Option<Offset>,
    /// What the room is.
    pub(crate) info: Option<Arc<RoomInfo>>,
}

impl Row {
    /// The epoch with which the room began: no other room has it.
    pub(crate) fn begun(&self) -> Epoch {
        self.state.epochs[0].epoch
    }

    /// `[number, horizon, before horizon, head, ts, open page, [[epoch, before], …], info]`; the last is left out where there
    /// is none.
    pub(crate) fn encode(&self, out: &mut Encoder) {
        let RoomState { epochs, head, horizon, before_horizon } = &self.state;
        out.array(7 + usize::from(self.info.is_some()));
        out.uint(self.number).uint(horizon.0).mark(*before_horizon).mark(*head).uint(self.ts);
        match self.open_page {
            Some(first) => out.uint(first.0),
            None => out.nil(),
        };
        out.array(epochs.len());
        for start in epochs {
            out.array(2).bin(start.epoch.as_bytes()).mark(start.before);
        }
        if let Some(info) = &self.info {
            write_info(out, info);
        }
    }

    pub(crate) fn decode(value: &[u8]) -> Result<Self, Malformed> {
        growing_fields(&mut Reader::from_slice(value), 7, 8, |reader, length| {
            let number = reader.uint()?;
            let horizon = read_offset(reader)?;
            let before_horizon = read_mark(reader)?;
            let head = read_mark(reader)?;
            let ts = read_number(reader)?;
            let open_page = if reader.nil()? { None } else { Some(read_offset(reader)?) };
            let epochs = list(reader, |reader| {
                fields(reader, 2, |reader| {
                    Ok(EpochStart { epoch: read_epoch(reader)?, before: read_mark(reader)? })
                })
            })?;
            let info = if length > 7 { Some(Arc::new(read_info(reader)?)) } else { None };
            if epochs.is_empty() {
                return Err(Malformed("a room without an epoch"));
            }
            if horizon != before_horizon.offset.next() || before_horizon.offset > head.offset {
                return Err(Malformed("a horizon that does not fit its room"));
            }
            let state = RoomState { epochs, head, horizon, before_horizon };
            Ok(Self { number, state, ts, open_page, info })
        })
    }
}
