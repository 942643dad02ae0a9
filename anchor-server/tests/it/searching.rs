//! The index that a server keeps beside its data.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anchor_core::code::Code;
use anchor_core::engine::ReadError;
use anchor_core::id::UserId;
use anchor_core::search::Asked;
use anchor_core::session::Identity;
use anchor_core::session::frame::{ClientFrame, RequestId, ServerFrame};
use anchor_server::{Config, Ended, Server, StartError};
use anchor_transport::codec::Encoding;
use tempfile::tempdir;

use crate::support::{Wire, runs, soon};

fn config(data: &Path) -> Config {
    Config { listen: ([127, 0, 0, 1], 0).into(), data: data.into(), ..Config::default() }
}

/// How many messages with that word somebody finds.
async fn found(server: &Server, word: &str) -> Result<usize, ReadError> {
    let who = Identity { user: UserId::new("bob").unwrap(), admin: false };
    let asked = Asked { text: word.to_owned(), limit: 10, after: None };
    Ok(server.anchor().search(&who, &asked).await?.messages.len())
}

/// Waits until that many are found.
async fn is_found(server: &Server, word: &str, count: usize) {
    soon(async {
        while found(server, word).await.unwrap() != count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

async fn stop(server: Server) {
    server.stop();
    assert_eq!(soon(server.wait()).await, Ended::Stopped);
}

#[tokio::test]
async fn what_is_said_is_found_also_by_a_server_that_has_lost_its_index() {
    let directory = tempdir().unwrap();
    let server = Server::start(config(directory.path())).await.unwrap();
    let mut wire = Wire::session(server.local_addr(), Encoding::MessagePack, "ada").await;
    wire.publish("lobby", "to the sea").await;
    is_found(&server, "sea", 1).await;
    let (id, text) = (RequestId(7), "sea from:ada".to_owned());
    wire.send(&ClientFrame::Search { id, text, limit: 10, after: None }).await;
    match wire.frame().await {
        ServerFrame::Found { id: RequestId(7), found } => assert_eq!(found.messages.len(), 1),
        other => panic!("{other:?}"),
    }
    drop(wire);
    stop(server).await;
    let server = Server::start(config(directory.path())).await.unwrap();
    assert_eq!(found(&server, "sea").await.unwrap(), 1, "it is there at once");
    stop(server).await;
    fs::remove_dir_all(directory.path().join("search")).unwrap();
    let server = Server::start(config(directory.path())).await.unwrap();
    is_found(&server, "sea", 1).await;
    stop(server).await;
}

/// What followed the logs does not know by any event what is as it was before.
#[tokio::test]
async fn after_a_restore_the_index_is_made_anew() {
    let directory = tempdir().unwrap();
    let mark = directory.path().join("search/anchor-search");
    let server = Server::start(config(directory.path())).await.unwrap();
    let mut wire = Wire::session(server.local_addr(), Encoding::MessagePack, "ada").await;
    wire.publish("lobby", "to the sea").await;
    is_found(&server, "sea", 1).await;
    drop(wire);
    stop(server).await;
    assert!(mark.exists());
    runs(&["restore", "--data", directory.path().to_str().unwrap()]).await;
    assert!(!mark.exists(), "it is not to be gone on with");
    let server = Server::start(config(directory.path())).await.unwrap();
    is_found(&server, "sea", 1).await;
    assert!(mark.exists());
    stop(server).await;
}

#[tokio::test]
async fn a_server_without_an_index_says_so() {
    let directory = tempdir().unwrap();
    let server = Server::start(Config { search: false, ..config(directory.path()) }).await.unwrap();
    let refused = found(&server, "sea").await;
    assert!(
        matches!(&refused, Err(ReadError::Refused(refusal)) if refusal.code == Code::Unsupported),
        "{refused:?}"
    );
    assert!(!directory.path().join("search").exists());
    stop(server).await;
}

#[tokio::test]
async fn what_is_no_index_is_left_alone_and_frees_the_data() {
    let directory = tempdir().unwrap();
    let letter = directory.path().join("search/letter.txt");
    stop(Server::start(config(directory.path())).await.unwrap()).await;
    fs::remove_dir_all(directory.path().join("search")).unwrap();
    fs::create_dir(directory.path().join("search")).unwrap();
    fs::write(&letter, "dear").unwrap();
    for _ in 0..2 {
        let refused = Server::start(config(directory.path())).await;
        assert!(matches!(refused, Err(StartError::Search(_))), "{refused:?}");
    }
    assert_eq!(fs::read_to_string(letter).unwrap(), "dear");
}
