//! A watched room as a client has it, from what it was told first and what came since.

use super::*;

fn receipt(user: &str, delivered: u64, read: u64) -> (UserId, Receipt) {
    let user = UserId::new(user).unwrap();
    let (delivered, read) = (Some(Offset(delivered)), Offset(read));
    (user.clone(), Receipt { user, delivered, read, ordinal: None })
}

#[test]
fn what_has_become_of_a_message_follows_from_the_receipts_of_others() {
    let all = [receipt("ada", 9, 9), receipt("bob", 7, 5), receipt("cleo", 6, 0)];
    let watched = Watched { receipts: Some(all.into()), ..Watched::default() };
    let ada = UserId::new("ada").unwrap();
    let of = |offset| watched.receipt_of(&ada, Offset(offset)).unwrap();
    let bob = || vec![UserId::new("bob").unwrap()];
    assert_eq!(of(9), MessageReceipt::Sent);
    assert_eq!(of(7), MessageReceipt::Delivered { to: 1 });
    assert_eq!(of(6), MessageReceipt::Delivered { to: 2 });
    assert_eq!(of(5), MessageReceipt::Read { by: bob(), delivered: 2 });
    assert_eq!(Watched::default().receipt_of(&ada, Offset(5)), None, "a room without a list");
}

#[test]
fn a_sample_forgets_who_has_gone_and_a_list_tells_when() {
    let gone = |user: &str| Sighting {
        user: UserId::new(user).unwrap(),
        presence: Presence::Offline,
        seen: Some(17),
    };
    let mut list = Watched { receipts: Some(BTreeMap::new()), ..Watched::default() };
    list.take_sightings(vec![gone("ada")], 3, 1);
    assert_eq!((list.present.len(), list.online, list.away), (1, 3, 1));
    let mut sample = Watched::default();
    let here = Sighting { presence: Presence::Online, seen: None, ..gone("ada") };
    sample.take_sightings(vec![here], 900, 0);
    assert_eq!(sample.present.len(), 1);
    sample.take_sightings(vec![gone("ada")], 899, 0);
    assert_eq!((sample.present.len(), sample.online), (0, 899));
}
