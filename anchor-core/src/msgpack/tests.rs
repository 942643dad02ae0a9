//! What `rmp::encode` writes is read, at every boundary between two forms; what was cut is not.

use rmp::encode;

use super::{Malformed, Reader};

/// Lengths beside every boundary between two forms of an array, a text or binary data.
const LENGTHS: [usize; 12] = [0, 1, 15, 16, 31, 32, 255, 256, 65_535, 65_536, 70_000, 100_000];

#[test]
fn texts_and_binary_data_of_any_length_are_read() {
    for length in LENGTHS {
        let (text, bytes) = ("a".repeat(length), vec![7; length]);
        let (mut texts, mut binaries) = (Vec::new(), Vec::new());
        encode::write_str(&mut texts, &text).unwrap();
        encode::write_bin(&mut binaries, &bytes).unwrap();
        check(&texts, |reader| reader.str().map(|read| read == text));
        check(&binaries, |reader| reader.bin().map(|read| read == bytes));
        for mut other in [Reader::from_slice(&texts), Reader::from_slice(&[0xc0])] {
            assert_eq!(other.bin(), Err(Malformed("expected binary data")));
            assert_eq!(other.array(), Err(Malformed("expected an array")));
        }
        assert_eq!(Reader::from_slice(&binaries).str(), Err(Malformed("expected a string")));
    }
    assert_eq!(Reader::from_slice(&[0xa2, 0xc3, 0x28]).str(), Err(Malformed("text is not valid UTF-8")));
}

#[test]
fn an_array_announces_no_more_than_there_is() {
    for length in LENGTHS {
        let mut array = Vec::new();
        encode::write_array_len(&mut array, u32::try_from(length).unwrap()).unwrap();
        array.resize(array.len() + length, 0xc0);
        assert_eq!(Reader::from_slice(&array).array(), Ok(length));
        assert!(length == 0 || Reader::from_slice(&array[..array.len() - 1]).array().is_err());
    }
}

/// `value` is read as `read` does and nothing is left; no part of it is.
fn check(value: &[u8], read: impl Fn(&mut Reader<'_>) -> Result<bool, Malformed>) {
    let mut reader = Reader::from_slice(value);
    assert_eq!(read(&mut reader), Ok(true), "{} bytes", value.len());
    assert!(reader.is_empty());
    for length in (0..value.len()).rev().take(40).chain(0..value.len().min(40)) {
        assert!(
            read(&mut Reader::from_slice(&value[..length])).is_err(),
            "{length} of {} bytes",
            value.len()
        );
    }
}
