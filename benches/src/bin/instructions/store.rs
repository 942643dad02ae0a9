//! Appending, paging, and reading pages in the store on disk, over storage in memory.

use std::hint::black_box;

use anchor_benches::{log, sample};
use anchor_core::conformance::environment::SplitMix64;
use anchor_core::engine::Anchor;
use anchor_core::position::Offset;
use anchor_core::publish::Publish;
use anchor_core::session::frame::{HistoryRange, RequestId};
use futures::executor::block_on;

use crate::Path;
use crate::session::env;

/// The store without its threads: the writer's commits, the pager's steps, a page of history.
pub(crate) const PATHS: &[Path] = &[
    Path { name: "append", per: "message, 64 in a commit to 64 rooms", operations: 6_400, prepare: append },
    Path { name: "page", per: "message, 8,192 in a page step to 64 rooms", operations: 8_192, prepare: page },
    Path {
        name: "history",
        per: "page of 50 at random in a log of 4,096",
        operations: 400,
        prepare: history,
    },
];

/// From the batch to the outcomes; one commit each, nothing paged meanwhile.
fn append(messages: usize) -> Box<dyn FnMut()> {
    let store = log::stepped(env());
    let mut writer = log::Writer::new(0, 500, (0..64).map(sample::room).collect());
    log::commit(&store, (0..WARM).map(|_| writer.batch(64)));
    let mut batches = (0..messages / 64).map(|_| writer.batch(64)).collect::<Vec<Vec<Publish>>>().into_iter();
    Box::new(move || log::commit(&store, batches.by_ref()))
}

/// The step that moves what was committed into pages of rooms that have some already.
fn page(messages: usize) -> Box<dyn FnMut()> {
    let store = log::stepped(env());
    let mut writer = log::Writer::new(0, 500, (0..64).map(sample::room).collect());
    for _ in 0..2 {
        log::move_to_pages(&store);
        log::commit(&store, (0..messages / 1_024).map(|_| writer.batch(1_024)));
    }
    Box::new(move || log::move_to_pages(&store))
}

/// From the request to the decoded events, with everything in the cache of pages.
fn history(pages: usize) -> Box<dyn FnMut()> {
    let store = log::stepped(env());
    let anchor = Anchor::builder(store.clone(), env()).build();
    let room = sample::room(1);
    let mut writer = log::Writer::new(0, 10, vec![room.clone()]);
    log::commit(&store, (0..LOG / 1_024).map(|_| writer.batch(1_024)));
    log::move_to_pages(&store);
    let mut dice = SplitMix64::new(7);
    let mut read = move |pages| {
        for _ in 0..pages {
            let before = HistoryRange::BeforeOffset(Offset(51 + dice.below(LOG as u64 - 50)));
            let page = block_on(anchor.history(RequestId(1), &room, before, 50)).expect("the log is there");
            assert_eq!(black_box(page).events.len(), 50, "the page is full");
        }
    };
    read(WARM);
    Box::new(move || read(pages))
}

/// Events of the log that is paged through.
const LOG: usize = 4_096;

/// Batches and pages before the count begins.
const WARM: usize = 40;
