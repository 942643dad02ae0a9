//! The writer of JSON.

use anchor_core::event::{Body, Event};
use anchor_core::msgpack::Malformed;
use anchor_core::run::Run;
use data_encoding::{BASE64, HEXLOWER};

use super::super::kind::FrameKind;
use super::super::value::Writer;

/// Writes one frame.
#[derive(Debug)]
pub(in super::super) struct FrameWriter {
    output: Vec<u8>,
    /// Where the frame begins in it.
    begin: usize,
}

impl FrameWriter {
    /// Appends to `output`.
    pub(in super::super) fn new(output: Vec<u8>) -> Self {
        Self { begin: output.len(), output }
    }

    pub(in super::super) fn finish(self) -> Vec<u8> {
        self.output
    }

    fn separate(&mut self) {
        if self.output.len() > self.begin && self.output.last() != Some(&b'[') {
            self.output.push(b',');
        }
    }

    fn quoted(&mut self, plain: &[u8]) {
        self.separate();
        self.output.push(b'"');
        self.output.extend_from_slice(plain);
        self.output.push(b'"');
    }
}

impl Writer for FrameWriter {
    fn open(&mut self, _elements: usize) {
        self.separate();
        self.output.push(b'[');
    }

    fn close(&mut self) {
        self.output.push(b']');
    }

    fn kind(&mut self, kind: FrameKind) {
        self.quoted(kind.name().as_bytes());
    }

    fn nil(&mut self) {
        self.separate();
        self.output.extend_from_slice(b"null");
    }

    fn flag(&mut self, flag: bool) {
        self.separate();
        self.output.extend_from_slice(if flag { b"true" } else { b"false" });
    }

    fn number(&mut self, number: u64) {
        self.separate();
        serde_json::to_writer(&mut self.output, &number).expect("a Vec takes every write");
    }

    fn text(&mut self, text: &str) {
        self.separate();
        serde_json::to_writer(&mut self.output, text).expect("a Vec takes every write");
    }

    fn fixed(&mut self, bytes: &[u8]) {
        let mut digits = [0; 2 * FIXED_BYTES_MAX];
        let digits = &mut digits[..2 * bytes.len()];
        HEXLOWER.encode_mut(bytes, digits);
        self.quoted(digits);
    }

    fn body(&mut self, body: Option<&Body>) {
        self.option(body.and_then(Body::content_type), Self::text);
        let Some(body) = body else { return self.nil() };
        if let Some(text) = body.as_text() {
            return self.text(text);
        }
        self.separate();
        self.output.extend_from_slice(b"{\"b64\":\"");
        let start = self.output.len();
        self.output.resize(start + BASE64.encode_len(body.bytes().len()), 0);
        BASE64.encode_mut(body.bytes(), &mut self.output[start..]);
        self.output.extend_from_slice(b"\"}");
    }

    fn runs(&mut self, runs: &[Run]) {
        self.open(0);
        for run in runs {
            let damaged = |error: &Malformed| {
                tracing::error!(room = %run.room(), %error, "a stored event is damaged");
            };
            let events = run.events().map_while(|event| event.inspect_err(damaged).ok());
            events.for_each(|event| self.event(&event));
        }
        self.close();
    }

    fn event(&mut self, event: &Event) {
        self.open(EVENT_ELEMENTS);
        self.number(event.offset.0);
        self.number(event.ordinal.0);
        self.fixed(event.chain.as_bytes());
        self.number(event.ts);
        self.text(event.user.as_str());
        self.fixed(event.client.as_bytes());
        self.number(event.seq.get());
        self.number(event.nonce.0.into());
        self.number(event.kind.0.into());
        self.option(event.target, |writer, target| writer.number(target.0));
        self.body(event.body.as_ref());
        if let Some(mentions) = event.body.as_ref().and_then(Body::mentions) {
            self.mentions(mentions);
        }
        self.close();
    }
}

/// Elements of an event without mentions: their number matters to MessagePack alone. Source: `docs/protocol.md`.
const EVENT_ELEMENTS: usize = 12;

/// Longest bytes that travel as hex: a `client_id`, a session. Source: `docs/protocol.md`.
const FIXED_BYTES_MAX: usize = 16;
