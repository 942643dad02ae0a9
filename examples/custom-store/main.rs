//! A chat on a store of one's own: run it twice, and look into the file.

#![expect(clippy::print_stdout, reason = "an example talks to the person who runs it")]

mod file_store;

use std::error::Error;
use std::path::PathBuf;

use anchor::store::StoreExt;
use anchor::{Anchor, ClientId, RoomId, System, UserId};

use crate::file_store::FileStore;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("chat.jsonl"), PathBuf::from);
    let store = FileStore::open(&path, System)?;
    let anchor = Anchor::builder(store.clone(), System).build();
    let mut ada = anchor.client(UserId::new("ada")?, ClientId::random(&System)).await?;
    let ack = ada.publish(&RoomId::lobby(), "hello").await?;
    println!("acknowledged at offset {}: it is on the disk", ack.mark.offset);
    for event in store.read_all(&RoomId::lobby()).await? {
        let text = event.body.as_ref().and_then(|body| body.as_text()).unwrap_or("(no text)");
        println!("{:>4}  {}: {text}", event.offset.0, event.user);
    }
    Ok(())
}
