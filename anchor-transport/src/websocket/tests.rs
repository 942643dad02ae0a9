//! What is framed is what tungstenite frames, and what it reads comes out whole.

use proptest::prelude::*;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use super::*;

/// A client's frame, masked.
fn masked(payload: &[u8], opcode: u8) -> Vec<u8> {
    let mut server = Vec::new();
    write_message(&mut server, false, 0, |output| output.extend_from_slice(payload));
    let header = server.len() - payload.len();
    let mask = [1, 2, 3, 4];
    let mut frame = server[..header].to_vec();
    frame[0] = FINAL | opcode;
    frame[1] |= 0x80;
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

proptest! {
    #[test]
    fn a_message_is_framed_as_tungstenite_frames_it(
        bytes in prop_oneof![0..300_usize, 65_500..65_600_usize], before in 0..40_usize, is_text: bool, guess in 0..70_000_usize
    ) {
        let payload = vec![b'x'; bytes];
        let mut output = vec![7; before];
        write_message(&mut output, is_text, guess, |output| output.extend_from_slice(&payload));
        let opcode = OpCode::Data(if is_text { Data::Text } else { Data::Binary });
        let mut expected = vec![7; before];
        Frame::message(payload.clone(), opcode, true).format(&mut expected).unwrap();
        prop_assert_eq!(&output, &expected);
        prop_assert_eq!(super::payload(&Bytes::from(output).slice(before..)), payload);
    }

    /// However the bytes of a connection are cut, the same messages come out.
    #[test]
    fn messages_come_whole_however_they_are_cut(
        sizes in proptest::collection::vec(prop_oneof![0..200_usize, 60_000..70_000_usize], 1..6),
        cuts in proptest::collection::vec(1..9_000_usize, 1..8),
    ) {
        let sent: Vec<Vec<u8>> = (b'a'..).zip(&sizes).map(|(letter, size)| vec![letter; *size]).collect();
        let bytes: Vec<u8> = sent.iter().flat_map(|payload| masked(payload, OPCODE_BINARY)).collect();
        let (mut socket, mut output, mut received) = (WebSocket::new(), Vec::new(), Vec::new());
        let mut rest = &bytes[..];
        for cut in cuts.iter().cycle() {
            let (mut now, later) = rest.split_at((*cut).min(rest.len()));
            while let Some(message) = socket.receive(&mut now, &mut output).unwrap() {
                received.push(message.into_data().to_vec());
            }
            prop_assert!(now.is_empty());
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(received, sent);
        prop_assert!(output.is_empty());
    }
}

#[test]
fn a_ping_is_answered_by_its_pong() {
    let (mut socket, mut output) = (WebSocket::new(), Vec::new());
    let bytes = masked(b"there?", 0x9);
    let mut input = &bytes[..];
    assert!(matches!(socket.receive(&mut input, &mut output), Ok(Some(Message::Ping(_)))));
    assert!(matches!(socket.receive(&mut input, &mut output), Ok(None)));
    assert_eq!(output, [&[0x8a, 6][..], b"there?"].concat());
}

#[test]
fn a_close_is_answered_by_its_like() {
    let (mut socket, mut output) = (WebSocket::new(), Vec::new());
    let bytes = masked(&[0x03, 0xe8], 0x8);
    assert!(matches!(socket.receive(&mut &bytes[..], &mut output), Ok(Some(Message::Close(Some(_))))));
    socket.answer_close(&mut output);
    assert_eq!(output, [0x88, 2, 0x03, 0xe8]);
}

#[test]
fn a_close_of_ours_is_sent_once() {
    let (mut socket, mut output) = (WebSocket::new(), Vec::new());
    let frame = || CloseFrame { code: CloseCode::Away, reason: "shutdown".into() };
    socket.close(frame(), &mut output);
    socket.close(frame(), &mut output);
    assert_eq!(output, [&[0x88, 10, 0x03, 0xe9][..], b"shutdown"].concat());
}

#[test]
fn a_frame_without_a_mask_is_refused() {
    let (mut socket, mut output) = (WebSocket::new(), Vec::new());
    let error = socket.receive(&mut &[0x82, 1, 0][..], &mut output).unwrap_err();
    assert_eq!(close_code_of(&error), Some(CloseCode::Protocol));
}

#[test]
fn a_frame_beyond_the_bound_is_refused_by_its_header() {
    let (mut socket, mut output) = (WebSocket::new(), Vec::new());
    let header = [0x82, 0x80 | LENGTH_IN_8_BYTES, 0, 0, 0, 0, 0, 0x10, 0, 0, 1, 2, 3, 4];
    let error = socket.receive(&mut &header[..], &mut output).unwrap_err();
    assert_eq!(close_code_of(&error), Some(CloseCode::Size));
}
