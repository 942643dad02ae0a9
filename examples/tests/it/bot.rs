//! `bot` as its README tells it: it and its server killed in the middle, again and again, it answers everything, and nothing twice.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anchor::client::{Client, ClientConfig, Delivery, Subscription};
use anchor::server::{Config, Server};
use anchor::session::frame::Whose;
use anchor::{Event, From, RoomId, StreamExt, System, UserId};

/// A life of the bot, ended by `kill -9`.
struct Life(Child);

impl Life {
    fn start(server: &str) -> Self {
        Self(Command::new(env!("CARGO_BIN_EXE_bot")).args([server, "lobby"]).spawn().unwrap())
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// A server in a process of its own: this test's program, which runs [`the_server_of_a_bot`] alone. `kill -9` ends each life.
struct Serving {
    child: Child,
    address: String,
}

impl Serving {
    fn start(data: &Path, listen: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "bot::the_server_of_a_bot", "--nocapture"])
            .env(DATA, data)
            .env(LISTEN, listen)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = said.map(Result::unwrap).find_map(|line| Some(line.split_once(LISTENS)?.1.to_owned()));
        Self { child, address: address.expect("it says where it listens") }
    }

    /// Another life over the same data, at the same address.
    fn killed(self, data: &Path) -> Self {
        let address = self.address.clone();
        drop(self);
        Self::start(data, &address)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// No test of its own: nothing, unless it is started as a server.
#[tokio::test]
async fn the_server_of_a_bot() {
    let (Some(data), Ok(listen)) = (std::env::var_os(DATA), std::env::var(LISTEN)) else { return };
    let config = Config { listen: listen.parse().unwrap(), data: data.into(), ..Config::default() };
    let server = Server::start(config).await.unwrap();
    writeln!(std::io::stdout(), "{LISTENS}{}", server.local_addr()).unwrap();
    server.wait().await;
}

const DATA: &str = "ANCHOR_TEST_BOT_DATA";
const LISTEN: &str = "ANCHOR_TEST_BOT_LISTEN";
const LISTENS: &str = "a bot's server listens on ";

/// What was said in the room, as somebody sees it who reads it live.
struct Room {
    subscription: Subscription,
    events: Vec<Event>,
}

impl Room {
    /// Reads on until the bot has said so much.
    async fn until_answers(&mut self, count: usize) {
        while self.answers().len() < count {
            let delivery = tokio::time::timeout(Duration::from_secs(120), self.subscription.next()).await;
            if let Delivery::Events(events) = delivery.expect("the bot answers").unwrap() {
                self.events.extend(events.events);
            }
        }
    }

    /// What the bot said, and to which message.
    fn answers(&self) -> Vec<(String, String)> {
        let of_bot = self.events.iter().filter(|event| event.user.as_str() == "bot");
        let asked = |answer: &Event| self.events.iter().find(|event| Some(event.offset) == answer.target);
        of_bot.map(|answer| (text(asked(answer).unwrap()), text(answer))).collect()
    }
}

fn text(event: &Event) -> String {
    event.body.as_ref().and_then(|body| body.as_text()).unwrap().to_owned()
}

/// Waits until the bot's consumer is there: what is said from then on is answered.
async fn is_listening(url: &str) {
    let bot = Client::open(ClientConfig::new(url).user(UserId::new("bot").unwrap()), System).unwrap();
    let listening = async {
        while bot.consumers(Whose::Mine, None, 1).await.unwrap().consumers.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), listening).await.unwrap();
}

#[tokio::test]
async fn a_bot_that_is_killed_answers_everything_once() {
    let data = tempfile::tempdir().unwrap();
    let mut server = Serving::start(data.path(), "127.0.0.1:0");
    let url = format!("ws://{}", server.address);
    let ada = Client::open(ClientConfig::new(&url).user(UserId::new("ada").unwrap()), System).unwrap();
    let lobby = RoomId::lobby();
    let mut room = Room { subscription: ada.subscribe(&lobby, From::Start).await, events: Vec::new() };

    let mut life = Life::start(&url);
    is_listening(&url).await;
    let mut expected = BTreeMap::new();
    for lives in 0..6 {
        let reminder =
            (format!("remind me in {}s: tea {lives}", lives % 3), format!("reminder: tea {lives}"));
        let messages =
            (0..20).map(|number| format!("message {lives}.{number}")).map(|said| (said.clone(), said));
        let now = room.answers().len();
        for (said, answer) in std::iter::once(reminder).chain(messages) {
            // Not waited for: the bot is killed while it has much to do.
            drop(ada.publish(&lobby, said.clone()).await.unwrap());
            expected.insert(said, answer);
        }
        room.until_answers(now + 3 + lives).await;
        if lives % 2 == 0 {
            drop(life);
            life = Life::start(&url);
        }
        if lives % 3 > 0 {
            server = server.killed(data.path());
        }
    }
    room.until_answers(expected.len()).await;
    assert!(life.0.try_wait().unwrap().is_none(), "a bot outlives its server");

    // One more life, which answers this last of all: what it would say twice stands before it.
    drop(life);
    let _life = Life::start(&url);
    for last in ["remind me in 2s: the last", "the end"] {
        ada.publish(&lobby, last).await.unwrap().await.unwrap();
    }
    room.until_answers(expected.len() + 2).await;
    expected.insert("remind me in 2s: the last".to_owned(), "reminder: the last".to_owned());
    expected.insert("the end".to_owned(), "the end".to_owned());
    let answers = room.answers();
    assert_eq!((answers.len(), answers.into_iter().collect::<BTreeMap<_, _>>()), (expected.len(), expected));
}
