//! Nothing that somebody sends can steer a terminal or forge a line.

use unicode_width::UnicodeWidthStr;

use super::{line, name, paragraph};

#[test]
fn a_line_shows_controls_and_overrides_as_escapes() {
    let cases = [
        ("plain, ünïcödé, 日本, 👩‍🚀", "plain, ünïcödé, 日本, 👩‍🚀"),
        ("\x1b]52;c;ZXZpbA==\x07", "\\u{1b}]52;c;ZXZpbA==\\u{7}"),
        ("\x1b]0;title\x1b\\", "\\u{1b}]0;title\\u{1b}\\"),
        ("overwritten\rby this", "overwritten\\rby this"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\u{9b}31m and \u{85} and \u{7f}", "\\u{9b}31m and \\u{85} and \\u{7f}"),
        ("\u{202e}gpj.exe\u{202c}", "\\u{202e}gpj.exe\\u{202c}"),
        ("\u{2066}x\u{2069}\u{200f}\u{61c}", "\\u{2066}x\\u{2069}\\u{200f}\\u{61c}"),
        ("\u{2028}\u{2029}\0", "\\u{2028}\\u{2029}\\u{0}"),
    ];
    for (text, shown) in cases {
        assert_eq!(line(text).to_string(), shown);
    }
}

#[test]
fn a_name_that_could_be_more_than_a_name_is_quoted() {
    assert_eq!(name("Ada Lovelace").to_string(), "Ada Lovelace");
    assert_eq!(name("ada: I quit").to_string(), "\"ada: I quit\"");
    assert_eq!(name("a\"b\\").to_string(), "\"a\\\"b\\\\\"");
    assert_eq!(name("\x1b[2J").to_string(), "\"\\u{1b}[2J\"");
}

#[test]
fn further_lines_of_a_paragraph_are_indented() {
    let forged = "hi\n2026-11-22 14:03:05 #7 bob: I quit";
    assert_eq!(paragraph(forged, None), "hi\n    2026-11-22 14:03:05 #7 bob: I quit");
    assert_eq!(paragraph("a\r\nb\n", None), "a\\r\n    b\n    ");
}

#[test]
fn a_long_line_is_broken_before_the_terminal_breaks_it() {
    assert_eq!(paragraph("ada: abcdefghijk", Some(10)), "ada: abcde\n    fghijk");
    assert_eq!(paragraph("ada: 日本語", Some(10)), "ada: 日本\n    語");
    assert_eq!(paragraph("ada: \x1b[2J", Some(10)), "ada: \n    \\u{1b}\n    [2J");
    assert_eq!(paragraph("abcdefghij", Some(3)), "abcdefghij");
    let padded = format!("ada: {}forged", " ".repeat(200));
    for (at, row) in paragraph(&padded, Some(40)).lines().enumerate() {
        assert!(row.width() <= 40 && (at == 0 || row.starts_with("    ")), "{row:?}");
    }
}

#[test]
fn no_text_leaves_a_control_character_behind() {
    let every: String = (0..0x3000).filter_map(char::from_u32).collect();
    for shown in [line(&every).to_string(), name(&every).to_string(), paragraph(&every, Some(80))] {
        assert!(!shown.chars().any(|c| c != '\n' && anchor_core::id::is_unprintable(c)));
    }
    assert!(!line(&every).to_string().contains('\n'));
}
