//! What is written is what `rmp::encode` writes, at every boundary between two forms.

use rmp::encode;

fn check<T>(ours: impl FnOnce(&mut Vec<u8>), theirs: impl FnOnce(&mut Vec<u8>) -> T) {
    let (mut one, mut other) = (vec![1, 2, 3], vec![1, 2, 3]);
    ours(&mut one);
    theirs(&mut other);
    assert!(one == other, "{:02x?} and {:02x?}", &one[..one.len().min(16)], &other[..other.len().min(16)]);
}

const VEC: &str = "a Vec takes every write";

#[test]
fn numbers_are_as_short_as_they_can_be() {
    let around = |bits: u32| [(1_u64 << bits) - 1, 1 << bits, (1 << bits) + 1];
    let numbers = [7, 8, 16, 32, 53].into_iter().flat_map(around);
    for number in numbers.chain([0, 1, u64::MAX]) {
        check(|out| super::uint(out, number), |out| encode::write_uint(out, number).expect(VEC));
    }
}

#[test]
fn lengths_are_as_short_as_they_can_be() {
    for length in [0, 1, 15, 16, 31, 32, 255, 256, 65_535, 65_536, 70_000] {
        let (text, counted) = ("x".repeat(length), u32::try_from(length).expect("a short one"));
        check(|out| super::array(out, length), |out| encode::write_array_len(out, counted).expect(VEC));
        check(|out| super::str(out, &text), |out| encode::write_str(out, &text).expect(VEC));
        check(
            |out| super::bin(out, text.as_bytes()),
            |out| encode::write_bin(out, text.as_bytes()).expect(VEC),
        );
    }
    check(super::nil, |out| encode::write_nil(out).expect(VEC));
}
