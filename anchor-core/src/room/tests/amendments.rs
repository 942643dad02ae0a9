//! What became of a message: the fold of what others said about it.

use super::acting::user;
use crate::event::EventKind;
use crate::position::Offset;
use crate::room::{Amendment, Reaction, Sign, Thread, fold};

fn amendment(offset: u64, kind: EventKind, name: &str, sign: Option<&str>) -> Amendment {
    let sign = sign.map(|sign| Sign::new(sign).expect("a sign"));
    Amendment { target: Offset(1), offset: Offset(offset), kind, user: user(name), sign }
}

fn set(offset: u64, name: &str, sign: &str) -> Amendment {
    amendment(offset, EventKind::REACTION, name, Some(sign))
}

fn taken(offset: u64, name: &str, sign: &str) -> Amendment {
    amendment(offset, EventKind::REACTION_REMOVED, name, Some(sign))
}

#[test]
pub(super) fn everybody_sets_a_sign_once() {
    let amendments = [
        set(2, "ada", "👍"),
        set(3, "bob", "🎉"),
        set(4, "bob", "👍"),
        set(5, "ada", "👍"),
        taken(6, "eve", "👍"),
        taken(7, "bob", "🎉"),
    ];
    let folded = fold(&amendments, &[], Some(&user("ada")));
    let thumbs = Reaction { sign: Sign::new("👍").expect("a sign"), count: 2, mine: true };
    assert_eq!(folded[&Offset(1)].reactions, [thumbs]);
    assert!(!fold(&amendments, &[], None)[&Offset(1)].reactions[0].mine);
}

#[test]
fn signs_stand_in_the_order_in_which_they_were_set() {
    let signs = |amendments: &[Amendment]| {
        let folded = fold(amendments, &[], None);
        folded[&Offset(1)].reactions.iter().map(|reaction| reaction.sign.to_string()).collect::<Vec<_>>()
    };
    let mut amendments =
        vec![set(2, "ada", "🎉"), set(3, "ada", "👍"), set(4, "bob", "🎉"), taken(5, "ada", "🎉")];
    assert_eq!(signs(&amendments), ["🎉", "👍"]);
    amendments.push(taken(6, "bob", "🎉"));
    amendments.push(set(7, "ada", "🎉"));
    assert_eq!(signs(&amendments), ["👍", "🎉"], "nobody had set it for a while");
}

#[test]
fn the_newest_edit_holds_until_a_redaction() {
    let edits = [amendment(2, EventKind::EDIT, "ada", None), amendment(4, EventKind::EDIT, "ada", None)];
    let folded = fold(&edits, &[], None);
    assert_eq!(folded[&Offset(1)].edit.as_ref().map(|edit| edit.offset), Some(Offset(4)));
    let redacted = [edits.to_vec(), vec![amendment(5, EventKind::REDACTION, "ada", None)]].concat();
    let folded = fold(&redacted, &[], None);
    assert_eq!((&folded[&Offset(1)].edit, folded[&Offset(1)].redacted_by), (&None, Some(Offset(5))));
}

#[test]
fn pins_come_and_go_and_threads_are_counted() {
    let pin = |offset, kind| amendment(offset, kind, "ada", None);
    let thread = Thread { root: Offset(1), replies: 3, last: Offset(9) };
    let folded = fold(&[pin(2, EventKind::PIN)], &[thread], None);
    let changes = &folded[&Offset(1)];
    assert_eq!((changes.pinned, changes.replies, changes.last_reply), (true, 3, Some(Offset(9))));
    let folded = fold(&[pin(2, EventKind::PIN), pin(3, EventKind::UNPIN)], &[], None);
    assert!(!folded[&Offset(1)].pinned);
    let redaction = amendment(3, EventKind::REDACTION, "ada", None);
    assert!(!fold(&[pin(2, EventKind::PIN), redaction], &[], None)[&Offset(1)].pinned, "the rules unpin it");
}
