//! What a client's own offset is to Anchor: the `client_id` and the seq under which a message is appended once.

use anchor::core::id::Seq;
use anchor::environment::Environment;
use anchor::{ClientId, RoomId, System};
use socketioxide::socket::Sid;

/// The name of a message, as its client repeats it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) client: ClientId,
    pub(crate) seq: Seq,
}

impl Key {
    /// The key of a message with the client's `offset`.
    ///
    /// `${socket.id}-${counter}`, as the tutorial has it, is a client and its numbers: the socket's id is the client, and
    /// Anchor remembers its newest 256 numbers. Anything else is a name of its own, for ever, together with what it
    /// names: an app that is not connected yet has no `socket.id`, and sends `undefined-0` like all others.
    pub(crate) fn of(offset: &str, room: &RoomId, text: &str) -> Self {
        match numbered(offset) {
            Some((id, seq)) => Self { client: client(&[id.as_str()]), seq },
            None => Self { client: client(&[offset, room.as_str(), text]), seq: Seq::FIRST },
        }
    }

    /// A key that nobody repeats.
    pub(crate) fn unrepeated() -> Self {
        let mut client = [0; 16];
        System.fill_random(&mut client);
        Self { client: ClientId::from_bytes(client), seq: Seq::FIRST }
    }
}

/// The socket's id and the number in an offset of the tutorial's form. The first number is 0, the first seq 1.
fn numbered(offset: &str) -> Option<(Sid, Seq)> {
    let (id, counter) = offset.rsplit_once('-')?;
    let number: u64 = counter.parse().ok()?;
    // Only one spelling: another one is another offset.
    let seq = Seq::new(number.checked_add(1)?).ok().filter(|_| counter == number.to_string())?;
    Some((id.parse().ok()?, seq))
}

/// A client that these names make.
fn client(names: &[&str]) -> ClientId {
    let mut hasher = blake3::Hasher::new_derive_key("anchor example socketio-gateway: client of an offset");
    for name in names {
        hasher.update(&(name.len() as u64).to_be_bytes());
        hasher.update(name.as_bytes());
    }
    let mut id = [0; 16];
    id.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    ClientId::from_bytes(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(offset: &str, text: &str) -> Key {
        Key::of(offset, &RoomId::lobby(), text)
    }

    #[test]
    fn a_socket_and_its_counter_are_a_client_and_its_seqs() {
        let (first, later) = (key("AAAAbbbb-_0123-x-0", "a"), key("AAAAbbbb-_0123-x-41", "b"));
        assert_eq!(first.client, later.client);
        assert_eq!((first.seq.get(), later.seq.get()), (1, 42));
        assert_ne!(first.client, key("AAAAbbbb-_0123-y-0", "a").client);
    }

    #[test]
    fn anything_else_is_a_name_of_its_own() {
        let of = [
            "undefined-0",
            "AAAAbbbb-_0123-x-01",
            "AAAAbbbb-_0123-x-",
            "AAAAbbbb-_0123-x--1",
            "short-1",
            "-",
            "",
        ];
        for offset in of.into_iter().chain(["temp-1763836157000", "123e4567-e89b-12d3-a456-426614174000"]) {
            assert_eq!(key(offset, "a"), key(offset, "a"), "{offset}");
            assert_eq!(key(offset, "a").seq, Seq::FIRST, "{offset}");
            assert_ne!(key(offset, "a").client, key(offset, "b").client, "{offset}");
        }
        assert_eq!(numbered(&format!("AAAAbbbb-_0123-x-{}", u64::MAX)), None);
        assert_ne!(Key::unrepeated(), Key::unrepeated());
    }
}
