//! `hello-embedded` as its README tells it: run twice over one directory.

use std::process::Command;

#[test]
fn the_second_run_shows_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let run = || {
        let output = Command::new(env!("CARGO_BIN_EXE_hello-embedded"))
            .arg(folder.path().join("chat"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(
        run(),
        "acknowledged at offset 1: it is on the disk\n\
         acknowledged at offset 2: it is on the disk\n\
         the room so far:\n   1  ada: hello\n   2  ada: is anybody there?\n"
    );
    assert_eq!(
        run(),
        "acknowledged at offset 3: it is on the disk\n\
         acknowledged at offset 4: it is on the disk\n\
         the room so far:\n   1  ada: hello\n   2  ada: is anybody there?\n   3  ada: hello\n   4  ada: is anybody there?\n"
    );
}
