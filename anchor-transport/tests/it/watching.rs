//! Receipts, unread and typing over real frames, in both encodings.

use anchor_core::engine::Anchor;
use anchor_core::event::Draft;
use anchor_core::id::{ClientId, RoomId, UserId};
use anchor_core::limits::CURSORS_EVERY;
use anchor_core::position::{Offset, Ordinal};
use anchor_core::session::frame::{ClientFrame, CursorFrame, Hello, Receipt, RequestId, ServerFrame};
use anchor_transport::codec::Encoding;

use crate::serve::{Connection, anchor, hello};

async fn write(anchor: &Anchor, user: &str, texts: &[&str]) {
    let mut writer = anchor.client(user_id(user), ClientId::from_bytes([0xAA; 16])).await.unwrap();
    for text in texts {
        writer.publish(&RoomId::lobby(), Draft::message(*text)).await.unwrap();
    }
}

fn user_id(user: &str) -> UserId {
    UserId::new(user).unwrap()
}

/// A session that asks for what is unread, and what `welcome` says of the lobby.
async fn session(
    anchor: &Anchor,
    encoding: Encoding,
    client: u8,
    user: &str,
) -> (Connection, Option<(u64, u64)>) {
    let mut connection = Connection::open(anchor, encoding, 64 * 1024).await;
    let (client_id, features) = (ClientId::from_bytes([client; 16]), vec!["unread".to_owned()]);
    connection.send(ClientFrame::Hello(Hello { client_id, features, ..hello(user, &["lobby"]) })).await;
    let Some(ServerFrame::Welcome(welcome)) = connection.receive().await else { panic!("no welcome") };
    let unread = welcome.rooms[0].unread.map(|unread| (unread.read.0, unread.messages));
    (connection, unread)
}

/// The next frame that is about who reads or types.
async fn next(connection: &mut Connection) -> ServerFrame {
    loop {
        let frame = connection.receive().await.expect("a frame comes");
        if matches!(
            frame,
            ServerFrame::Receipts { .. } | ServerFrame::Typing { .. } | ServerFrame::Watching(_)
        ) {
            return frame;
        }
    }
}

#[tokio::test]
async fn read_on_one_device_is_read_on_the_other_and_seen_by_who_watches() {
    let anchor = anchor();
    let maintained = tokio::spawn({
        let anchor = anchor.clone();
        async move { anchor.maintain().await }
    });
    write(&anchor, "ada", &["one", "two", "three"]).await;
    let (mut ada, unread) = session(&anchor, Encoding::MessagePack, 1, "ada").await;
    assert_eq!(unread, Some((3, 0)), "whoever writes has read");
    let (mut phone, unread) = session(&anchor, Encoding::Json, 2, "bob").await;
    assert_eq!(unread, None, "bob has never read anything here");
    let (mut laptop, _) = session(&anchor, Encoding::MessagePack, 3, "bob").await;
    let room = RoomId::lobby();
    ada.send(ClientFrame::Watch { id: RequestId(1), room: room.clone() }).await;
    let ServerFrame::Watching(watching) = next(&mut ada).await else { panic!("no answer") };
    assert_eq!(watching.receipts.map(|receipts| receipts.len()), Some(1));
    let epoch = anchor.store().room(&room).await.unwrap().unwrap().epoch();
    let (delivered, read) = (Some(Offset(3)), Some(Offset(2)));
    phone.send(ClientFrame::Cursor(CursorFrame { room: room.clone(), epoch, delivered, read })).await;
    let own = Receipt { user: user_id("bob"), delivered, read: Offset(2), ordinal: Some(Ordinal(2)) };
    let told =
        |receipt: &Receipt| ServerFrame::Receipts { room: room.clone(), receipts: vec![receipt.clone()] };
    let asked_at = std::time::Instant::now();
    assert_eq!(next(&mut phone).await, told(&own));
    assert!(asked_at.elapsed() < CURSORS_EVERY * 10, "it is written about once a second");
    assert_eq!(next(&mut laptop).await, told(&own));
    assert_eq!(next(&mut ada).await, told(&Receipt { ordinal: None, ..own }));
    phone.send(ClientFrame::Typing { room: room.clone(), typing: true }).await;
    assert_eq!(next(&mut ada).await, ServerFrame::Typing { room: room.clone(), users: vec![user_id("bob")] });
    let (_, unread) = session(&anchor, Encoding::Json, 4, "bob").await;
    assert_eq!(unread, Some((2, 1)));
    maintained.abort();
}
