//! A disk that fails a write: the process ends with a code of its own, and nothing acknowledged is lost.

use anchor_core::id::RoomId;
use anchor_core::session::frame::{ClientFrame, From, RequestId, ServerFrame};
use anchor_transport::codec::Encoding;
use tempfile::tempdir;
use tokio::process::Command;

use crate::support::{Process, Wire, prepare, publish};

#[tokio::test]
async fn a_failed_write_ends_the_process_with_its_code() {
    let directory = tempdir().unwrap();
    // A limit on the size of files fails writes beyond it; the signal that comes with it is ignored.
    let mut command = Command::new("sh");
    prepare(&mut command);
    command.args([
        "-c",
        r#"trap "" XFSZ; ulimit -f 8192; exec "$0" "$@""#,
        env!("CARGO_BIN_EXE_anchor-server"),
    ]);
    command.args(["--listen", "127.0.0.1:0", "--data"]).arg(directory.path());
    let server = Process::from_command(command).await;

    let mut wire = Wire::session(server.address, Encoding::MessagePack, "ada").await;
    let text = "x".repeat(60_000);
    let mut acknowledged = 0;
    let code = loop {
        wire.send(&publish(acknowledged + 1, "lobby", &text)).await;
        match wire.frame().await {
            ServerFrame::Ack(ack) => acknowledged = ack.mark.offset.0,
            ServerFrame::Goodbye { code, .. } => break code,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(code.name(), "store_failed");
    assert!(acknowledged > 0);
    drop(wire);
    assert_eq!(server.ended().await, Some(70));

    let again = Process::start(directory.path(), &[]).await;
    let mut wire = Wire::session(again.address, Encoding::MessagePack, "bob").await;
    let room = RoomId::lobby();
    wire.send(&ClientFrame::Subscribe { id: RequestId(1), room, from: From::Start }).await;
    match wire.frame().await {
        // What was on its way when the disk failed may stand in the log; what was acknowledged does.
        ServerFrame::Subscribed { head, .. } => assert!(head.0 >= acknowledged, "{head:?} < {acknowledged}"),
        other => panic!("{other:?}"),
    }
}
