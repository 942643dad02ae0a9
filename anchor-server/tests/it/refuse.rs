//! A server that does not start: each reason with its sentence, its remedy and its exit code.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use tempfile::tempdir;

use crate::support::{Process, fails};

#[tokio::test]
async fn a_taken_port() {
    let directory = tempdir().unwrap();
    let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = other.local_addr().unwrap().to_string();
    let data = directory.path().join("data");
    let (code, said) = fails(&["--listen", &address, "--data", data.to_str().unwrap()], &[]).await;
    assert_eq!(code, 3, "{said}");
    assert!(said.contains(&address) && said.contains("taken") && said.contains("--listen"), "{said}");
    assert!(!data.exists(), "nothing was made before the address was had");
}

#[tokio::test]
async fn an_address_of_another_machine() {
    let directory = tempdir().unwrap();
    // Source: RFC 5737, an address for documentation.
    let arguments =
        ["--listen", "192.0.2.1:0", "--auth", "open", "--data", directory.path().to_str().unwrap()];
    let (code, said) = fails(&arguments, &[]).await;
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("192.0.2.1") && said.contains("--listen"), "{said}");
}

#[tokio::test]
async fn the_world_without_being_told_so() {
    let directory = tempdir().unwrap();
    let data = directory.path().join("data");
    let (code, said) = fails(&["--listen", "0.0.0.0:0", "--data", data.to_str().unwrap()], &[]).await;
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("0.0.0.0:0") && said.contains("--auth open"), "{said}");
    assert!(!data.exists());
}

#[tokio::test]
async fn a_directory_that_cannot_be_made() {
    let directory = tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    for data in [file.clone(), file.join("below")] {
        let arguments = ["--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()];
        let (code, said) = fails(&arguments, &[]).await;
        assert_eq!(code, 4, "{said}");
        assert!(said.contains(file.to_str().unwrap()), "{said}");
    }
}

#[tokio::test]
async fn a_directory_that_another_server_holds() {
    let directory = tempdir().unwrap();
    let _holder = Process::start(directory.path(), &[]).await;
    let arguments = ["--listen", "127.0.0.1:0", "--data", directory.path().to_str().unwrap()];
    let (code, said) = fails(&arguments, &[]).await;
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("in use by another server"), "{said}");
}

#[tokio::test]
async fn data_of_a_newer_version() {
    let directory = tempdir().unwrap();
    used(directory.path()).await;
    let format = directory.path().join("FORMAT");
    let text = std::fs::read_to_string(&format).unwrap();
    let (line, rest) = text.split_once('\n').unwrap();
    let (name, version) = line.rsplit_once(' ').unwrap();
    let (name, version) = (name.to_owned(), version.parse::<u32>().unwrap());
    std::fs::write(&format, format!("{name} {}\n{rest}", version + 8)).unwrap();
    let arguments = ["--listen", "127.0.0.1:0", "--data", directory.path().to_str().unwrap()];
    let (code, said) = fails(&arguments, &[]).await;
    assert_eq!(code, 5, "{said}");
    assert!(said.contains(&version.to_string()) && said.contains(&(version + 8).to_string()), "{said}");
}

/// Lets a server make a directory, and end well.
async fn used(directory: &Path) {
    let server = Process::start(directory, &[]).await;
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.ended().await, Some(0));
}

#[tokio::test]
async fn damaged_data() {
    let directory = tempdir().unwrap();
    used(directory.path()).await;
    let pages = std::fs::OpenOptions::new().write(true).open(directory.path().join("pages.redb")).unwrap();
    pages.set_len(5_000).unwrap();
    let arguments = ["--listen", "127.0.0.1:0", "--data", directory.path().to_str().unwrap()];
    let (code, said) = fails(&arguments, &[]).await;
    assert_eq!(code, 5, "{said}");
    assert!(said.contains("pages.redb") && said.contains("backup"), "{said}");
}

#[tokio::test]
async fn wrong_keys_wherever_they_stand() {
    let directory = tempdir().unwrap();
    let file = directory.path().join("anchor.toml");
    std::fs::write(&file, "listn = \"127.0.0.1:0\"\n").unwrap();
    let file = file.to_str().unwrap();
    for (arguments, variables, key) in [
        (&["--listn", "127.0.0.1:0"][..], &[][..], "--listn"),
        (&[], &[("ANCHOR_LISTN", "127.0.0.1:0")], "ANCHOR_LISTN"),
        (&["--config", file], &[], "`listn`"),
        (&[], &[("ANCHOR_LISTEN", "here")], "ANCHOR_LISTEN"),
    ] {
        let (code, said) = fails(arguments, variables).await;
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(key), "{said}");
    }
}
