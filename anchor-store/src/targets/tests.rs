//! What is written of an amendment is read again; what memory has is told apart from what the pages have.

use anchor_core::event::EventKind;
use anchor_core::id::UserId;
use anchor_core::position::Offset;
use anchor_core::room::{Amendment, Sign};

use super::{About, Unpaged, decode, encode};
use crate::codec::Encoder;

fn amendment(target: u64, offset: u64, kind: EventKind, sign: Option<&str>) -> Amendment {
    Amendment {
        target: Offset(target),
        offset: Offset(offset),
        kind,
        user: UserId::new("ada").unwrap(),
        sign: sign.map(|sign| Sign::new(sign).unwrap()),
    }
}

#[test]
fn a_row_is_what_it_was_made_of() {
    let kinds = [(EventKind::EDIT, None), (EventKind::REACTION, Some("👍")), (EventKind(999), None)];
    for (kind, sign) in kinds {
        let amendment = amendment(3, 7, kind, sign);
        let mut out = Encoder::default();
        encode(&amendment, &mut out);
        let mut longer = out.as_bytes().to_vec();
        assert_eq!(decode(Offset(3), Offset(7), &longer).unwrap(), amendment);
        assert!(decode(Offset(3), Offset(7), &longer[..longer.len() - 1]).is_err());
        // A later version adds an element.
        longer[0] += 1;
        longer.push(0xc0);
        assert_eq!(decode(Offset(3), Offset(7), &longer).unwrap(), amendment);
    }
}

#[test]
fn memory_forgets_what_the_pages_hold() {
    let mut unpaged = Unpaged::default();
    let edits = [(2, 5), (1, 6), (2, 9)];
    for (target, offset) in edits {
        unpaged.add(About::Amendment(amendment(target, offset, EventKind::EDIT, None)));
    }
    unpaged.add(About::Amendment(amendment(2, 7, EventKind::REACTION, Some("x"))));
    for offset in [4, 8] {
        unpaged.add(About::Reply { root: Offset(1), offset: Offset(offset) });
    }
    let all = (Offset(0), Offset(99));
    let offsets = |unpaged: &Unpaged| -> Vec<u64> {
        unpaged.amendments(all).map(|amendment| amendment.offset.0).collect()
    };
    let replies =
        |unpaged: &Unpaged| -> Vec<u64> { unpaged.replies(all).map(|(_, reply)| reply.0).collect() };
    let of_two = |unpaged: &Unpaged| -> Vec<u64> {
        unpaged.edits((Offset(2), Offset(2))).map(|edit| edit.offset.0).collect()
    };
    assert_eq!((offsets(&unpaged), replies(&unpaged)), (vec![6, 5, 7, 9], vec![4, 8]));
    assert_eq!(of_two(&unpaged), [5, 9]);
    assert_eq!(unpaged.amendments((Offset(3), Offset(2))).count(), 0, "no target is between them");
    unpaged.forget(Offset(6));
    assert_eq!((offsets(&unpaged), replies(&unpaged)), (vec![7, 9], vec![8]));
    assert_eq!(of_two(&unpaged), [9]);
}
