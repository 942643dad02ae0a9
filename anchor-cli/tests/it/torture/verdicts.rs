//! Histories that tell of a broken promise, each made from a true one by one change.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use super::{check, verdict};

/// Breaks the history in `saved` in several ways, and checks that each is found and called by its name.
pub(super) fn corruptions_are_named(saved: &Path) {
    let text = fs::read_to_string(saved).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let folder = TempDir::new().unwrap();
    let found = |name: &str, lines: &[Value]| {
        let file = folder.path().join(name);
        fs::write(&file, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        let ran = check(&file);
        assert_eq!(ran.code, Some(9), "{name}: {ran:?}");
        let (rows, summary) = verdict(&ran);
        assert_eq!(summary["verdict"], "broken");
        let broken = rows.into_iter().filter(|row| row["verdict"] == "BROKEN");
        broken.map(|row| row["promise"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let last = |kind: &str| lines.iter().rposition(|line| line.get(kind).is_some()).unwrap();

    // The newest event of the last room is gone: nobody can say that it has not been read, but it was acked.
    let mut lost = lines.clone();
    lost.remove(last("stands"));
    assert!(found("lost", &lost).contains(&"acked is durable".to_owned()));

    let mut twice = lines.clone();
    twice.insert(last("seen"), lines[last("seen")].clone());
    assert_eq!(found("twice", &twice), ["exactly once"]);

    let mut repeated = lines.clone();
    let mut copy = lines[last("stands")].clone();
    copy["stands"]["offset"] = (copy["stands"]["offset"].as_u64().unwrap() + 1).into();
    repeated.insert(last("stands") + 1, copy);
    assert!(found("repeated", &repeated).contains(&"exactly once".to_owned()));

    // Two that follow each other in one reader's hands, the other way round.
    let is_next = |at: &usize| {
        let (one, two) = (&lines[*at]["seen"], &lines[*at + 1]["seen"]);
        one.is_object() && two.is_object() && one["reader"] == two["reader"] && one["room"] == two["room"]
    };
    let at = (0..lines.len() - 1).find(is_next).unwrap();
    let mut swapped = lines.clone();
    swapped.swap(at, at + 1);
    let broken = found("swapped", &swapped);
    assert!(broken.contains(&"no gap in silence".to_owned()), "{broken:?}");

    let mut disordered = lines.clone();
    let publish = |line: &Value| (line["seen"]["client"].clone(), line["seen"]["seq"].clone());
    let (one, two) = (publish(&lines[at]), publish(&lines[at + 1]));
    (disordered[at]["seen"]["client"], disordered[at]["seen"]["seq"]) = two;
    (disordered[at + 1]["seen"]["client"], disordered[at + 1]["seen"]["seq"]) = one;
    assert!(found("disordered", &disordered).contains(&"one order for all readers".to_owned()));

    let mut stopped = lines.clone();
    stopped.retain(|line| line.get("log").is_none() && line.get("stands").is_none());
    assert!(found("logless", &stopped).contains(&"acked is durable".to_owned()));

    // What was queued is neither answered nor delivered.
    let queued = lines[last("queued")]["queued"].clone();
    let mut forgotten = lines.clone();
    let names = |line: &Value, kind: &str| {
        line[kind]["client"] == queued["client"] && line[kind]["seq"] == queued["seq"]
    };
    forgotten.retain(|line| !names(line, "acked"));
    for line in &mut forgotten {
        if names(line, "stands") {
            line["stands"]["seq"] = 1_000_000.into();
        }
    }
    assert!(found("forgotten", &forgotten).contains(&"the outbox keeps what it took".to_owned()));
}

#[test]
fn a_history_that_cannot_be_read_is_told_with_its_line() {
    let folder = TempDir::new().unwrap();
    let told = |name: &str, text: &str, what: &str| {
        let file = folder.path().join(name);
        fs::write(&file, text).unwrap();
        check(&file).fail(2, what);
    };
    let begin = "{\"history\":{\"version\":1}}\n";
    told("empty", "", "line 1 of the history is wrong");
    told("other", "hello\n", "line 1 of the history is wrong");
    told("newer", "{\"history\":{\"version\":9}}\n", "it has version 9, and this program reads 1");
    told("torn", &format!("{begin}{{\"clo"), "line 2 of the history is wrong: it has no end");
    told(
        "misspelt",
        &format!("{begin}\n{{\"sean\":{{}}}}\n"),
        "line 3 of the history is wrong: unknown variant",
    );
    let escape = format!("{begin}{{\"\u{1b}[31m\":1}}\n");
    let file = folder.path().join("escape");
    fs::write(&file, escape).unwrap();
    assert!(!check(&file).err.contains('\u{1b}'), "what a file holds does not reach a terminal raw");
    // And nothing at all is no violation.
    let nothing = folder.path().join("nothing");
    fs::write(&nothing, begin).unwrap();
    let ran = check(&nothing).succeed();
    assert!(verdict(&ran).0.iter().all(|row| row["verdict"] == "nothing to check"), "{ran:?}");
}
