//! Titles, topics and signs: what is normalised, and what is refused.

use crate::limits::TITLE_BYTES_MAX;
use crate::room::{InvalidText, Sign, Title};

#[test]
fn a_title_is_brought_into_one_form() {
    let forms = ["Cafe\u{301}", "Caf\u{e9}", "  Caf\u{e9}\n"];
    for form in forms {
        assert_eq!(Title::new(form).expect("a title").as_str(), "Caf\u{e9}", "{form:?}");
    }
    assert_eq!(Title::new("two \t  words").expect("a title").as_str(), "two words");
}

#[test]
fn what_forges_what_a_person_sees_is_refused() {
    for forged in ["a\u{202e}b", "a\u{2066}b", "a\u{200f}b", "a\u{7}b", "a\u{61c}b"] {
        assert_eq!(Title::new(forged), Err(InvalidText::Character), "{forged:?}");
    }
    for nothing in ["", "  \n "] {
        assert_eq!(Title::new(nothing), Err(InvalidText::Empty), "{nothing:?}");
    }
}

#[test]
fn a_title_is_measured_in_its_normal_form() {
    let longest = "\u{e9}".repeat(TITLE_BYTES_MAX / 2);
    assert!(Title::new(&longest).is_ok());
    // Three bytes each, two once they are normalised.
    assert!(Title::new(&"e\u{301}".repeat(TITLE_BYTES_MAX / 2)).is_ok());
    let bytes = longest.len() + 1;
    assert_eq!(Title::new(&format!("{longest}x")), Err(InvalidText::TooLong { bytes, max: TITLE_BYTES_MAX }));
}

#[test]
fn look_alikes_stay_what_they_are() {
    let (latin, cyrillic) = (Title::new("pay").expect("a title"), Title::new("р\u{430}у").expect("a title"));
    assert_ne!(latin, cyrillic);
}

#[test]
fn a_sign_may_be_of_many_code_points() {
    let family = "👩‍👩‍👧‍👦";
    assert_eq!(Sign::new(family).expect("a sign").as_str(), family);
    assert!(Sign::new(&"👍".repeat(17)).is_err());
}
