//! What is written is what is read.

use super::*;

#[test]
fn a_body_has_its_length_and_tells_its_mark() {
    for bytes in [36, 128, 5000] {
        let bodies = Bodies::new(bytes);
        for number in [1, 7, (1 << 48) - 1] {
            let mark = Mark { author: 4_000_000_000, number, due: Nanos(u64::MAX - number) };
            let mut out = b"before".to_vec();
            bodies.write(mark, &mut out);
            assert_eq!(out.len(), 6 + bytes);
            assert_eq!(Mark::read(std::str::from_utf8(&out[6..]).unwrap()), Some(mark));
        }
    }
}

#[test]
fn what_is_no_body_of_ours_has_no_mark() {
    assert_eq!(Mark::read("hello"), None);
    assert_eq!(Mark::read(&"G".repeat(128)), None);
}
