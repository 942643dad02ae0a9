//! Frames and the handshake, byte by byte.

use super::*;

/// As a server sends it: without a mask.
fn served(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![FIN | BINARY];
    let length = (payload.len() as u64).to_be_bytes();
    match payload.len() {
        0..=125 => frame.push(length[7]),
        126..=65_535 => {
            frame.push(126);
            frame.extend_from_slice(&length[6..]);
        }
        _ => {
            frame.push(127);
            frame.extend_from_slice(&length);
        }
    }
    frame.extend_from_slice(payload);
    frame
}

#[test]
fn a_frame_is_taken_once_it_is_whole() {
    for length in [0, 1, 125, 126, 65_535, 65_536] {
        let payload = vec![7; length];
        let mut bytes = served(&payload);
        let whole = bytes.len();
        bytes.extend_from_slice(&served(b"next"));
        for cut in [0, 1, 2, 3, 9, whole - 1] {
            if cut < whole {
                assert_eq!(first(&bytes[..cut]), Ok(None), "{cut} of {whole}");
            }
        }
        let (frame, end) = first(&bytes).unwrap().unwrap();
        assert_eq!((frame.opcode, frame.payload, end), (BINARY, &payload[..], whole));
    }
}

#[test]
fn strange_frames_are_refused() {
    assert!(first(&[BINARY, 0]).is_err(), "a fragment");
    assert!(first(&[FIN | BINARY, MASKED]).is_err(), "masked");
    assert!(first(&[FIN | BINARY, 127, 0, 0, 1, 0, 0, 0, 0, 0]).is_err(), "a terabyte");
}

#[test]
fn what_is_pushed_is_masked() {
    for length in [5, 126, 70_000] {
        let payload: Vec<u8> = (0..=255).cycle().take(length).collect();
        let mut out = Vec::new();
        push(&mut out, BINARY, &payload, [1, 2, 3, 4]);
        let body = out.len() - payload.len();
        assert_eq!(out[body - 4..body], [1, 2, 3, 4]);
        let plain: Vec<u8> =
            out[body..].iter().zip([1, 2, 3, 4].into_iter().cycle()).map(|(a, b)| a ^ b).collect();
        assert_eq!(plain, payload);
    }
}

#[test]
fn only_the_right_answer_opens_a_connection() {
    let good = format!("HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: {ACCEPT}\r\n\r\n");
    assert_eq!(answer(good.as_bytes()), Ok(Some(good.len())));
    assert_eq!(answer(&good.as_bytes()[..20]), Ok(None));
    assert!(answer(b"HTTP/1.1 503 Service Unavailable\r\n\r\n").is_err());
    assert!(answer(b"HTTP/1.1 101 Switching Protocols\r\n\r\n").is_err());
}
