//! What parses as an id, and what does not.

use super::*;

#[test]
fn room_ids_keep_to_their_alphabet() {
    for good in ["lobby", "a", "a.b_c-9", "@0123", &"x".repeat(64)] {
        assert_eq!(RoomId::new(good).unwrap().as_str(), good);
    }
    for bad in ["", "@", "Lobby", "a b", "ä", "a/b", "a@b", "a\0", &"x".repeat(65)] {
        assert!(RoomId::new(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn user_ids_cannot_forge_what_a_person_sees() {
    for good in ["ada", "Zoë", "ada lovelace", "名前"] {
        assert_eq!(UserId::new(good).unwrap().as_str(), good);
    }
    for bad in ["", " ada", "ada\n", "a\u{1b}b", "a\u{202e}b", "a\u{85}b", "a\u{2028}b", &"x".repeat(65)] {
        assert!(UserId::new(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn a_client_tag_depends_on_user_and_client_id_and_hides_the_secret() {
    let key = |user: &str, byte| ClientKey {
        user: UserId::new(user).unwrap(),
        id: ClientId::from_bytes([byte; 16]),
    };
    assert_ne!(key("ada", 1).tag(), key("bob", 1).tag());
    assert_ne!(key("ada", 1).tag(), key("ada", 2).tag());
    assert_eq!(format!("{:?}", ClientId::from_bytes([7; 16])), "ClientId(secret)");
}
