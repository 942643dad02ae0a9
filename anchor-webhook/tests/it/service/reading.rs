//! What is read from the log to be sent: all of it, however much later events made of it.

use anchor_core::event::{Body, Draft, EventKind};
use anchor_core::session::frame::{From, WebhookChange};

use crate::support::chat::{Chat, hook, json, keys, until};
use crate::support::{receiver, status};

#[tokio::test]
async fn events_with_large_edits_are_all_told() {
    let mut chat = Chat::new().await;
    let mut expected = Vec::new();
    let mut push = |ack: &anchor_core::publish::Ack| {
        let position = ack.position();
        expected.push(format!("lobby/{}/{}", position.epoch.expect("an epoch"), position.offset));
    };
    let mut targets = Vec::new();
    for round in 0..64 {
        let ack = chat.say("lobby", &format!("{round}")).await;
        targets.push(ack.position().offset);
        push(&ack);
    }
    for target in targets {
        let draft =
            Draft { kind: EventKind::EDIT, target: Some(target), body: Body::text("x".repeat(4 * 1024)) };
        push(&chat.publish("lobby", draft).await);
    }
    let (address, inbox) = receiver(|_| status(200)).await;
    chat.put(format!("http://{address}/")).await;
    chat.change(WebhookChange::Replay(hook(), From::Start)).await;
    until("all is done", async || {
        keys(&inbox).last() == expected.last() && chat.listing("hook").await.lag == Some(0)
    })
    .await;
    let gaps = inbox.lock().expect("nobody panicked").iter().filter(|got| json(got)["type"] == "gap").count();
    assert_eq!(gaps, 0, "nothing was trimmed");
    assert_eq!(keys(&inbox), expected);
}
