//! Lines as `send` takes them.

use std::io::BufReader;

use super::{LINE_BYTES_MAX, read};

fn lines(input: &[u8]) -> Vec<(u64, Result<String, String>)> {
    let mut lines = Vec::new();
    // A small buffer, so that lines lie across its borders.
    read(&mut BufReader::with_capacity(7, input), |line| {
        let line = line.unwrap();
        lines.push((line.number, line.text.map_err(|refusal| refusal.code.name().to_owned())));
        true
    });
    lines
}

#[test]
fn every_line_counts_and_ends_are_dropped() {
    let expected = [(1, Ok("one".to_owned())), (2, Ok(String::new())), (3, Ok("three\r".to_owned()))];
    assert_eq!(lines(b"one\n\nthree\r\r\n"), expected);
    assert_eq!(lines(b"no end"), [(1, Ok("no end".to_owned()))]);
    assert_eq!(lines(b""), []);
}

#[test]
fn what_cannot_be_a_message_is_refused_and_the_rest_goes_on() {
    let mut input = b"a\n\xff\xfe\n".to_vec();
    input.extend(std::iter::repeat_n(b'x', LINE_BYTES_MAX + 1));
    input.extend(b"\nb\n");
    let expected = [
        (1, Ok("a".to_owned())),
        (2, Err("invalid".to_owned())),
        (3, Err("body_too_large".to_owned())),
        (4, Ok("b".to_owned())),
    ];
    assert_eq!(lines(&input), expected);
}

#[test]
fn reading_stops_when_nobody_takes_more() {
    let mut taken = 0;
    read(&mut &b"a\nb\nc\n"[..], |_| {
        taken += 1;
        taken < 2
    });
    assert_eq!(taken, 2);
}
