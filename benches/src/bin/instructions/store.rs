//! Appending, paging, and reading pages in the store on disk, over storage in memory.

use anchor_benches::connection::Connection;
use anchor_benches::{log, sample};
use anchor_core::conformance::environment::SplitMix64;
use anchor_core::engine::Anchor;
use anchor_core::publish::Publish;
use bytes::Bytes;

use crate::Path;
use crate::session::{ENCODING, env};

/// The store without its threads: the writer's commits, the pager's steps, a page of history over a session.
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

/// From the bytes of the request to those of the page, with every stored page in its cache.
fn history(pages: usize) -> Box<dyn FnMut()> {
    let store = log::stepped(env());
    let anchor = Anchor::builder(store.clone(), env()).build();
    let room = sample::room(1);
    let mut writer = log::Writer::new(0, 10, vec![room.clone()]);
    log::commit(&store, (0..LOG / 1_024).map(|_| writer.batch(1_024)));
    log::move_to_pages(&store);
    let mut connection = Connection::accept(&anchor, ENCODING);
    connection.receive(&ENCODING.encode_client(&sample::hello(&sample::client(1_000), Vec::new())));
    while connection.turn() {
        store.step_writer().expect("the writer works");
    }
    connection.take_written();
    let mut dice = SplitMix64::new(7);
    let mut page =
        || ENCODING.encode_client(&sample::history_frame(&room, 51 + dice.below(LOG as u64 - 50), 50));
    let mut requests = (0..WARM + pages).map(|_| page()).collect::<Vec<Bytes>>().into_iter();
    let mut read = move |pages| {
        for request in requests.by_ref().take(pages) {
            connection.receive(&request);
            assert!(!connection.turn(), "the pages are read at once");
            assert_eq!(connection.take_written().answers, 1, "every request is answered");
        }
    };
    read(WARM);
    Box::new(move || read(pages))
}

/// Events of the log that is paged through.
const LOG: usize = 4_096;

/// Batches and pages before the count begins.
const WARM: usize = 40;
