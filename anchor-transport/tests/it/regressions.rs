//! Defects that were mended, each as the test that would have shown it.

use anchor::System;
use anchor_core::code::Code;
use anchor_core::event::Draft;
use anchor_core::id::{NUMBER_MAX, RoomId};
use anchor_core::position::{Chain, Epoch, Offset, Position};
use anchor_transport::client::{Client, ClientConfig, PublishError, RequestError};

/// Nobody listens there.
fn client() -> Client {
    Client::open(ClientConfig::new("ws://127.0.0.1:1"), System).unwrap()
}

/// Found by fuzzing the outbox's records: an event about offset 0, or about one above 2^53 - 1, was queued durably and then
/// sent in a frame that every server answers with `goodbye malformed`. The client came back, sent it again, and nothing
/// behind it in the outbox ever went out.
#[tokio::test]
async fn a_publish_that_no_frame_can_carry_is_refused_before_it_is_queued() {
    let client = client();
    for target in [0, NUMBER_MAX + 1, u64::MAX] {
        let draft = Draft { target: Some(Offset(target)), ..Draft::message("about nothing") };
        match client.publish(&RoomId::lobby(), draft).await {
            Err(PublishError::Refused(refusal)) => assert_eq!(refusal.code, Code::Invalid),
            other => panic!("{target}: {other:?}"),
        }
    }
    let draft = Draft { target: Some(Offset(NUMBER_MAX)), ..Draft::message("about something") };
    assert!(client.publish(&RoomId::lobby(), draft).await.is_ok());
    assert_eq!(client.pending(), 1);
    client.close().await;
}

/// Found with it: such positions were saved, and a subscription that went on from one could never be opened.
#[tokio::test]
async fn a_cursor_that_is_no_position_is_not_saved() {
    let client = client();
    let lobby = RoomId::lobby();
    let position =
        |epoch, offset| Position { epoch, offset: Offset(offset), chain: Chain::from_bytes([5; 8]) };
    let epoch = Some(Epoch::from_bytes([4; 8]));
    for odd in [position(None, 7), position(epoch, NUMBER_MAX + 1)] {
        match client.save_cursor("reader", &lobby, odd).await {
            Err(RequestError::Refused { code: Code::Invalid, .. }) => {}
            other => panic!("{odd:?}: {other:?}"),
        }
    }
    client.save_cursor("reader", &lobby, position(epoch, 7)).await.unwrap();
    assert_eq!(client.saved_cursor("reader", &lobby).await.unwrap(), Some(position(epoch, 7)));
    client.close().await;
}
