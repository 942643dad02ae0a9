//! Chat inside one program, without a network: a store in a directory, an engine on it, a publisher and a subscription.

#![expect(clippy::print_stdout, reason = "an example talks to the person who runs it")]

use std::error::Error;
use std::path::PathBuf;

use anchor::position::Offset;
use anchor::{Anchor, ClientId, Delivery, From, RedbStore, RoomId, StreamExt, System, UserId};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("chat-data"), PathBuf::from);
    let store = RedbStore::open(&directory, System)?;
    let anchor = Anchor::builder(store.clone(), System).build();

    // A subscription is a cursor into the room's log. This one begins at the first event there ever was.
    let lobby = RoomId::lobby();
    let mut deliveries = anchor.subscribe(&lobby, From::Start).await?;

    // A program without an outbox of its own is a new client at every start.
    let mut ada = anchor.client(UserId::new("ada")?, ClientId::random(&System)).await?;
    let mut newest = Offset::ZERO;
    for text in ["hello", "is anybody there?"] {
        let ack = ada.publish(&lobby, text).await?;
        println!("acknowledged at offset {}: it is on the disk", ack.mark.offset);
        newest = ack.mark.offset;
    }

    println!("the room so far:");
    let mut taken = Offset::ZERO;
    while taken < newest {
        match deliveries.next().await.ok_or("the subscription ended")?? {
            Delivery::Events(events) => {
                for event in events.iter() {
                    let event = event?;
                    let text = event.body.as_ref().and_then(|body| body.as_text()).unwrap_or("(no text)");
                    println!("{:>4}  {}: {text}", event.offset.0, event.user);
                    taken = event.offset;
                }
            }
            // What can no longer be had is told by name, never left out in silence.
            Delivery::Gap(gap) => {
                println!("      (offsets {} to {}: {})", gap.from, gap.to, gap.reason.name())
            }
        }
    }
    store.close();
    Ok(())
}
