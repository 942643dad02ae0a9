//! `moderation` as its README tells it.

use std::process::Command;

#[test]
fn words_are_refused_and_changed_and_the_banned_are_not_heard() {
    let output = Command::new(env!("CARGO_BIN_EXE_moderation")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "\"hello\": stands at offset 1\n\
         \"what the heck\": stands at offset 2\n\
         \"darn it\": refused, \"darn\" is not said here\n\
         \"this is rubbish\": stands at offset 3\n\
         \"and another thing\": refused, you are banned; write to us if you think that is a mistake\n\
         the room:\n   1  ada: hello\n   2  ada: what the h*ck\n   3  ada: this is not to my taste\n"
    );
}
