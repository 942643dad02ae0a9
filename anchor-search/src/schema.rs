//! What the index keeps of a message: where it stands, who wrote it and when, and its words. Never its text.

use anchor_core::id::{RoomId, UserId};
use anchor_core::position::{Epoch, Offset};
use tantivy::Term;
use tantivy::schema::{
    BytesOptions, FAST, Field, INDEXED, IndexRecordOption, Schema, TextFieldIndexing, TextOptions,
};

use crate::words;

/// The fields of a document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields {
    /// Room and offset: there is one document for each place.
    pub(crate) key: Field,
    pub(crate) room: Field,
    pub(crate) user: Field,
    /// Whether the room is one that anybody might read.
    pub(crate) open: Field,
    pub(crate) words: Field,
    pub(crate) ts: Field,
    pub(crate) offset: Field,
    pub(crate) epoch: Field,
    /// The offset of the event that the words are of: the message, or its newest edit.
    pub(crate) version: Field,
    /// Decides between messages of one time and offset in two rooms.
    pub(crate) tie: Field,
}

/// Names of the fields that are read by name.
pub(crate) const ROOM: &str = "room";
pub(crate) const TS: &str = "ts";
pub(crate) const OFFSET: &str = "offset";
pub(crate) const EPOCH: &str = "epoch";
pub(crate) const VERSION: &str = "version";
pub(crate) const TIE: &str = "tie";

/// The schema, and its fields.
pub(crate) fn schema() -> (Schema, Fields) {
    let mut schema = Schema::builder();
    let indexing = |tokenizer, option| {
        TextFieldIndexing::default().set_tokenizer(tokenizer).set_fieldnorms(false).set_index_option(option)
    };
    let exact = || TextOptions::default().set_indexing_options(indexing("raw", IndexRecordOption::Basic));
    let positions = indexing(words::NAME, IndexRecordOption::WithFreqsAndPositions);
    let fields = Fields {
        key: schema.add_bytes_field("key", BytesOptions::default().set_indexed()),
        room: schema.add_text_field(ROOM, exact().set_fast("raw")),
        user: schema.add_text_field("user", exact()),
        open: schema.add_bool_field("open", INDEXED),
        words: schema.add_text_field("words", TextOptions::default().set_indexing_options(positions)),
        ts: schema.add_u64_field(TS, FAST),
        offset: schema.add_u64_field(OFFSET, FAST),
        epoch: schema.add_u64_field(EPOCH, FAST),
        version: schema.add_u64_field(VERSION, FAST),
        tie: schema.add_u64_field(TIE, FAST),
    };
    (schema.build(), fields)
}

impl Fields {
    /// The documents of one place: there is at most one.
    pub(crate) fn at(&self, room: &RoomId, offset: Offset) -> Term {
        Term::from_field_bytes(self.key, &key(room, offset))
    }

    pub(crate) fn of_room(&self, room: &RoomId) -> Term {
        Term::from_field_text(self.room, room.as_str())
    }

    pub(crate) fn by(&self, user: &UserId) -> Term {
        Term::from_field_text(self.user, user.as_str())
    }

    pub(crate) fn is_open(&self) -> Term {
        Term::from_field_bool(self.open, true)
    }

    pub(crate) fn word(&self, word: &str) -> Term {
        Term::from_field_text(self.words, word)
    }
}

/// The name of a place.
pub(crate) fn key(room: &RoomId, offset: Offset) -> Vec<u8> {
    let mut key = room.as_str().as_bytes().to_vec();
    key.push(0);
    key.extend_from_slice(&offset.0.to_be_bytes());
    key
}

/// A history as a number, and back.
pub(crate) fn number_of(epoch: Epoch) -> u64 {
    u64::from_be_bytes(*epoch.as_bytes())
}

pub(crate) fn epoch_of(number: u64) -> Epoch {
    Epoch::from_bytes(number.to_be_bytes())
}
