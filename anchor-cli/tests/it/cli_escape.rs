//! What others wrote never reaches a terminal raw.

use anchor_core::code::Code;
use anchor_core::session::Denied;

use crate::cli_world::{Ran, World};

const NASTY: [&str; 5] = [
    "copy \x1b]52;c;ZXZpbA==\x07 this",
    "title \x1b]0;owned\x1b\\ and \u{9b}31m",
    "hidden\r12:00 bob: visible",
    "\u{202e}txt.exe\u{202c} \u{2066}x\u{2069} \u{2028}line",
    "tab\tdel\x7fnul\0end",
];

fn assert_harmless(ran: &Ran) {
    for text in [&ran.out, &ran.err] {
        let raw = text.chars().find(|c| *c != '\n' && anchor_core::id::is_unprintable(*c));
        assert_eq!(raw, None, "{ran:?}");
    }
}

#[test]
fn bodies_are_shown_with_visible_escapes() {
    let world = World::new();
    for text in NASTY.iter().filter(|text| !text.contains('\0')) {
        world.cli("eve", "send lobby").arg(text).run().succeed();
    }
    world.cli("eve", "send lobby").input(&format!("{}\n", NASTY[4])).succeed();
    for command in ["tail lobby", "history lobby", "tail lobby --json", "history lobby --json"] {
        let ran = world.cli("bob", command).run().succeed();
        assert_eq!(ran.lines().len(), NASTY.len());
        assert_harmless(&ran);
    }
    let shown = world.cli("bob", "tail lobby").run().succeed().out;
    assert!(shown.contains("eve: copy \\u{1b}]52;c;ZXZpbA==\\u{7} this\n"), "{shown}");
    assert!(shown.contains("eve: hidden\\r12:00 bob: visible\n"), "{shown}");
    // A program gets exactly what was written.
    assert_eq!(world.bodies("lobby"), NASTY);

    let ran = world.cli("bob", "chat lobby").run();
    assert_harmless(&ran);
    assert!(ran.out.contains("eve: copy \\u{1b}]52;c;ZXZpbA==\\u{7} this\n"), "{ran:?}");
}

#[test]
fn a_forged_line_is_indented() {
    let world = World::new();
    let forged = "hi\n2026-11-22 14:03:05 #7 bob: I quit";
    world.cli("eve", "send lobby").arg(forged).run().succeed();
    for command in ["tail lobby", "history lobby", "chat lobby"] {
        let ran = world.cli("bob", command).run();
        let lines = ran.lines();
        assert!(lines[0].ends_with("eve: hi") && !lines[0].starts_with(' '), "{ran:?}");
        assert_eq!(lines[1], "    2026-11-22 14:03:05 #7 bob: I quit");
    }
    let printed = world.cli("bob", "tail lobby --json").run().succeed();
    assert_eq!((printed.lines().len(), &printed.json()[0]["body"]), (1, &forged.into()));
}

#[test]
fn a_name_cannot_pass_for_a_line() {
    let world = World::new();
    world.cli("bob: I quit", "send lobby x").run().succeed();
    let shown = world.cli("ada", "tail lobby").run().succeed().out;
    assert!(shown.ends_with(" \"bob: I quit\": x\n"), "{shown}");
}

#[test]
fn a_server_that_sends_somebody_away_is_quoted_safely() {
    let message = "go \x1b]0;away\x07\nanchor-cli: all is well".to_owned();
    let world = World::closed_to_all(Denied { code: Code::Banned, message });
    for command in ["send lobby hello", "chat", "tail lobby --follow", "history lobby", "rooms", "who lobby"]
    {
        let ran = world.cli("ada", command).run();
        let quoted = "go \\u{1b}]0;away\\u{7}\\nanchor-cli: all is well (banned)";
        assert_harmless(&ran);
        ran.fail(7, quoted);
    }
}
