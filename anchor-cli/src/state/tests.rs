//! Slots are file names, and no two of them are one.

use std::collections::BTreeSet;
use std::path::Path;

use anchor_core::id::UserId;

use super::slot;

#[test]
fn a_slot_is_readable() {
    let slot = slot("ws://127.0.0.1:3000", &UserId::new("ada").unwrap());
    assert_eq!(slot, Path::new("ws%3a%2f%2f127.0.0.1%3a3000/ada"));
}

#[test]
fn different_users_have_different_slots_wherever_files_are_kept() {
    let users = ["ada", "Ada", "a/da", "..", ".", "%2e.", "a da", "ada.", "日本", "%61da"];
    let slots: BTreeSet<String> = users
        .iter()
        .map(|user| slot("ws://h:1", &UserId::new(user).unwrap()).to_str().unwrap().to_lowercase())
        .collect();
    assert_eq!(slots.len(), users.len());
    for slot in slots {
        assert!(!slot.contains("..") || slot.contains("%2e"), "{slot}");
        assert_eq!(Path::new(&slot).components().count(), 2, "{slot}");
    }
}
