//! Words of many scripts.

use proptest::prelude::*;

use super::{WORD_CHARS_MAX, words};

#[test]
fn case_and_marks_are_folded_away() {
    for (text, expected) in [
        ("Hello, World!", vec!["hello", "world"]),
        ("ÀÉÎÕÜ ñ Straße Ærø ŁÓDŹ", vec!["aeiou", "n", "strasse", "aero", "lodz"]),
        ("e\u{301}t\u{e9}", vec!["ete"]),
        ("ΟΔΟΣ οδός", vec!["οδοσ", "οδοσ"]),
        ("Ёлка", vec!["елка"]),
        ("İstanbul", vec!["istanbul"]),
        ("ﬁne ＦＵＬＬ", vec!["fine", "full"]),
        ("שָׁלוֹם", vec!["שלום"]),
        ("مُحَمَّد", vec!["محمد"]),
        ("soft\u{ad}hyphen", vec!["softhyphen"]),
    ] {
        assert_eq!(words(text), expected, "{text}");
    }
}

#[test]
fn what_stands_between_words_is_no_word() {
    assert_eq!(words("https://example.com/a_b?c=1"), ["https", "example", "com", "a", "b", "c", "1"]);
    assert_eq!(words("can't 3.14 @ada #tag 🙂"), ["can", "t", "3", "14", "ada", "tag"]);
    assert_eq!(words(" \n\t—…!"), [""; 0]);
}

#[test]
fn scripts_without_spaces_give_a_word_for_each_character() {
    assert_eq!(words("東京タワー"), ["東", "京", "タ", "ワ", "ー"]);
    assert_eq!(words("한국어를"), ["한", "국", "어", "를"]);
    assert_eq!(words("版本v2发布"), ["版", "本", "v2", "发", "布"]);
    assert_eq!(words("ガ か\u{3099}"), ["ガ", "が"], "a mark that is a part of its syllable stays with it");
    assert_eq!(words("นี้"), ["นี้"]);
    assert_eq!(words("हिन्दी में"), ["हिन्दी", "में"], "marks are parts of words");
}

#[test]
fn long_words_are_cut() {
    let long = "x".repeat(10_000);
    assert_eq!(words(&long), [&long[..WORD_CHARS_MAX]]);
}

proptest! {
    #[test]
    fn any_text_has_words_and_they_are_its_words_again(text in "\\PC{0,40}") {
        let first = words(&text);
        prop_assert!(first.iter().all(|word| !word.is_empty()));
        prop_assert_eq!(words(&text.to_uppercase().to_lowercase()).len() >= first.len(), true);
        for word in first.iter().filter(|word| word.is_ascii()) {
            prop_assert_eq!(&words(word)[..], std::slice::from_ref(word));
        }
    }
}
