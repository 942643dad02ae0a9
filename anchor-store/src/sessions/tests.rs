//! Who is fenced, also after being forgotten.

use anchor_core::id::{ClientId, ClientKey, SessionNumber, UserId};

use super::{Sessions, Standing};
use crate::hash::Seed;

fn client(number: u8) -> ClientKey {
    let user = UserId::new("ada").expect("a user id");
    ClientKey { user, id: ClientId::from_bytes([number; 16]) }
}

#[test]
fn a_newer_session_fences_and_a_full_one_stays_full_until_then() {
    let mut sessions = Sessions::new(100, Seed::with_seeds(1, 2, 3, 4));
    let first = sessions.open(&client(1));
    assert_eq!(sessions.standing(&client(1), first), Standing::Open);
    sessions.fill(&client(1), first);
    assert_eq!(sessions.standing(&client(1), first), Standing::Full);
    let second = sessions.open(&client(1));
    assert_eq!(sessions.standing(&client(1), first), Standing::Fenced);
    assert_eq!(sessions.standing(&client(1), second), Standing::Open);
    assert_eq!(sessions.standing(&client(2), SessionNumber(9)), Standing::Open);
}

#[test]
fn a_session_that_was_forgotten_is_not_let_in() {
    let mut sessions = Sessions::new(2, Seed::with_seeds(1, 2, 3, 4));
    let older = sessions.open(&client(0));
    let newest = sessions.open(&client(0));
    for number in 1..50 {
        sessions.open(&client(number));
    }
    for forgotten in [older, newest] {
        assert_eq!(sessions.standing(&client(0), forgotten), Standing::Forgotten);
    }
    sessions.fence(&client(0), newest);
    assert_eq!(sessions.standing(&client(0), newest), Standing::Fenced);
    let again = sessions.open(&client(0));
    assert_eq!(sessions.standing(&client(0), again), Standing::Open);
}
