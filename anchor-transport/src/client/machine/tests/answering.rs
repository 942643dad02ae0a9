//! Publishes that are named after what they answer.

use anchor_core::session::frame::PublishFrame;

use super::*;

impl Script {
    fn answer(&mut self, seq: u64, text: &str) {
        let waiter = self.waiter();
        let publish = PublishFrame {
            seq: Seq::new(seq).unwrap(),
            nonce: Nonce(5),
            waits: Seq::new(seq).unwrap(),
            room: lobby(),
            draft: Draft::message(text),
            client_id: Some(ClientId::from_bytes([8; 16])),
        };
        self.machine.handle_answer(self.now, publish, waiter);
        self.drain();
    }

    /// What was published and what became of it, by its words.
    fn told(&mut self) -> Vec<String> {
        let of_publishing = |line: &String| {
            ["publish", "answered", "settled", "no answer"].iter().any(|word| line.starts_with(word))
        };
        let lines = std::mem::take(&mut self.lines);
        lines
            .into_iter()
            .filter(of_publishing)
            .map(|line| line.split(',').next().unwrap_or_default().to_owned())
            .collect()
    }
}

fn refused(seq: u64, code: Code) -> ServerFrame {
    ServerFrame::Refused { seq: Seq::new(seq).unwrap(), code, message: "no".to_owned() }
}

#[test]
fn nothing_is_under_way_beside_an_answer() {
    let mut script = Script::new(Saved::default());
    script.live();
    script.publish_saved("one");
    script.answer(1, "answer");
    script.publish_saved("two");
    assert_eq!(script.told(), ["publish 1 one"], "an ack names a seq alone");
    script.frame(ack(1, 1));
    script.save();
    assert_eq!(script.told().last().map(String::as_str), Some("publish 1 of id1 answer"));
    script.frame(ack(1, 1));
    assert_eq!(script.told(), ["answered for 2: true", "publish 2 two"]);
}

#[test]
fn an_answer_is_sent_again_until_it_is_decided() {
    let mut script = Script::new(Saved::default());
    script.live();
    script.answer(512, "answer");
    script.reconnect(0);
    assert_eq!(script.told(), ["publish 512 of id1 answer"; 2]);
    script.frame(refused(512, Code::SeqForgotten));
    script.answer(1024, "other");
    script.frame(refused(1024, Code::Muted));
    let told = script.told();
    assert_eq!(told[..2], ["answered for 1: false", "publish 1024 of id1 other"]);
    assert!(told[2].starts_with("no answer for 2"), "{told:?}");
}

#[test]
fn answers_and_the_outbox_take_turns() {
    let mut script = Script::new(Saved::default());
    script.live();
    for n in 1..=3 {
        script.answer(n, "answer");
    }
    script.publish_saved("one");
    script.publish_saved("two");
    script.told();
    script.frame(ack(1, 1));
    assert_eq!(script.told(), ["answered for 1: true", "publish 1 one", "publish 2 two"]);
    script.publish_saved("three");
    script.frame(ack(1, 2));
    script.save();
    assert_eq!(script.told().iter().filter(|line| line.starts_with("publish")).count(), 0, "not its turn");
    script.frame(ack(2, 3));
    script.save();
    assert!(script.told().contains(&"publish 2 of id1 answer".to_owned()));
    script.frame(ack(2, 4));
    assert_eq!(script.told().last().map(String::as_str), Some("publish 3 three"));
}
