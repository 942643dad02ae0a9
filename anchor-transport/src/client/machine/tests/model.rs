//! The machine against a reference server, under every fault there is: cuts, crashes between any two writes, copies of the
//! state at any moment, readers who are sent out of the room and come again. Whatever was durable once is in the log once, as
//! it was meant; a reader gets the log, whole and in order.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use anchor_core::event::Mentions;
use anchor_core::publish::{MissingRoom, Publish, Refusal, Verdict as Decided};
use anchor_core::window::{Decision, Entry as Outcome, Verdict, Window};
use proptest::prelude::*;

use super::*;
use crate::client::outbox::tests::apply;

/// Something that happens to one of the nodes.
#[derive(Clone, Debug)]
enum Step {
    Publish,
    /// The server takes so many frames.
    Up(usize),
    /// The client takes so many frames.
    Down(usize),
    /// So many writes become durable.
    Save(usize),
    /// The machine's deadline comes.
    Tick,
    Cut,
    /// The reader takes the next delivery, and no more.
    Full,
    /// The reader takes again.
    Drained,
    /// The server sends the reader out of the room, who asks to come in again.
    Remove,
    /// The process dies and starts again on what is durable.
    Crash,
    /// What is durable is copied, and the copy starts too.
    Copy,
}

fn steps(copies: u32) -> impl Strategy<Value = Vec<(usize, Step)>> {
    let step = prop_oneof![
        8 => Just(Step::Publish),
        8 => (1..4_usize).prop_map(Step::Up),
        8 => (1..4_usize).prop_map(Step::Down),
        8 => (1..4_usize).prop_map(Step::Save),
        8 => Just(Step::Tick),
        2 => Just(Step::Cut),
        4 => prop_oneof![Just(Step::Full), Just(Step::Drained)],
        1 => Just(Step::Remove),
        1 => Just(Step::Crash),
        copies => Just(Step::Copy),
    ];
    prop::collection::vec((0..4_usize, step), 0..250)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_durable_once_is_in_the_log_once(steps in steps(2)) {
        let world = World::run(&steps);
        let counted = world.server.texts();
        for text in &world.durable {
            prop_assert_eq!(counted.get(text).copied().unwrap_or(0), 1, "{}", text);
        }
        prop_assert_eq!(counted.values().sum::<usize>(), world.durable.len(), "nothing else is in the log");
        for event in &world.server.log {
            let appended = Draft { kind: event.kind, target: event.target, body: event.body.clone().unwrap() };
            prop_assert_eq!(appended, draft(number(&text(event))), "it is what was meant");
        }
    }

    /// One state in one place, however often it dies: the order of the calls is the order of the log.
    #[test]
    fn without_copies_the_order_is_kept_and_nobody_becomes_a_clone(steps in steps(0)) {
        let steps: Vec<_> = steps.into_iter().map(|(_, step)| (0, step)).collect();
        let world = World::run(&steps);
        let texts: Vec<_> = world.server.log.iter().map(|event| number(&text(event))).collect();
        prop_assert!(texts.is_sorted(), "{:?}", texts);
        let publishing = world.server.windows.values().filter(|window| window.highest() > Seq::ZERO);
        prop_assert!(publishing.count() <= 1);
        let held = world.server.windows.values().map(|window| window.entries().len()).max();
        prop_assert!(held <= Some(WINDOW_OF_MODEL), "the client keeps to the window");
    }
}

/// Seqs that a client of the model may have on their way.
const WINDOW_OF_MODEL: usize = 4;

fn text(event: &Event) -> String {
    event.body.as_ref().unwrap().as_text().unwrap().to_owned()
}

/// What is published as the `number`th: something of each shape that a publish has.
fn draft(number: u64) -> Draft {
    let body = Body::text(number.to_string());
    let target = Some(Offset(number));
    match number % 4 {
        0 => Draft { kind: EventKind::EDIT, target, body },
        1 => Draft { kind: EventKind::MESSAGE, target, body },
        2 => Draft::message(body.mentioning(Mentions::new(true, [ada()]).unwrap())),
        _ => Draft::message(body),
    }
}

/// Where the event behind an offset lies in the log.
fn place_of(offset: u64) -> usize {
    usize::try_from(offset).unwrap()
}

fn number(text: &str) -> u64 {
    text.parse().unwrap()
}

/// The log and the windows, without time or concurrency.
#[derive(Default)]
struct Server {
    log: Vec<Event>,
    windows: HashMap<ClientId, Window>,
    newest_session: HashMap<ClientId, u64>,
    sessions: u64,
}

/// One connection.
#[derive(Default)]
struct Connection {
    up: VecDeque<ClientFrame>,
    down: VecDeque<ServerFrame>,
    session: Option<(u64, ClientId)>,
    /// The offset up to which the lobby was sent, once it is subscribed.
    cursor: Option<u64>,
    is_over: bool,
}

struct Node {
    machine: Machine,
    disk: Saved,
    unsaved: VecDeque<(u64, Vec<Change>)>,
    connection: Option<Connection>,
    /// The newest subscription.
    reader: u64,
    /// Offsets that the reader got.
    taken: Vec<u64>,
    /// The next delivery fills the reader.
    fills: bool,
    is_full: bool,
}

struct World {
    server: Server,
    nodes: Vec<Node>,
    now: Monotonic,
    seeds: u8,
    published: u64,
    durable: BTreeSet<String>,
}

impl World {
    /// Runs the steps, then everything without faults until nothing is left to do.
    fn run(steps: &[(usize, Step)]) -> Self {
        let mut world = Self {
            server: Server::default(),
            nodes: Vec::new(),
            now: Monotonic(Duration::from_secs(1)),
            seeds: 0,
            published: 0,
            durable: BTreeSet::new(),
        };
        world.start(None, Saved::default());
        for (node, step) in steps {
            world.step(node % world.nodes.len(), step);
        }
        world.finish();
        world
    }

    fn step(&mut self, at: usize, step: &Step) {
        match step {
            Step::Publish => {
                self.published += 1;
                let (draft, waiter) = (draft(self.published), Waiter(self.published));
                self.nodes[at].machine.handle_publish(lobby(), draft, waiter);
            }
            Step::Up(count) => (0..*count).for_each(|_| _ = self.up(at)),
            Step::Down(count) => (0..*count).for_each(|_| _ = self.down(at)),
            Step::Save(count) => (0..*count).for_each(|_| _ = self.save(at)),
            Step::Tick => self.tick(at),
            Step::Cut => self.cut(at),
            Step::Full => self.nodes[at].fills = true,
            Step::Drained => self.drained(at),
            Step::Remove => self.remove(at),
            Step::Crash => {
                let disk = self.nodes[at].disk.clone();
                self.start(Some(at), disk);
            }
            Step::Copy if self.nodes.len() < 4 => self.start(None, self.nodes[at].disk.clone()),
            Step::Copy => {}
        }
        self.drain(at);
    }

    fn finish(&mut self) {
        (0..self.nodes.len()).for_each(|at| self.drained(at));
        for _ in 0..100_000 {
            let mut is_busy = false;
            for at in 0..self.nodes.len() {
                while self.save(at) || self.up(at) || self.down(at) {
                    is_busy = true;
                }
                is_busy |= self.nodes[at].machine.sending.pending() > 0
                    || self.nodes[at].taken.len() < self.server.log.len();
                if is_busy {
                    self.tick(at);
                }
            }
            if !is_busy {
                for node in &self.nodes {
                    let whole: Vec<u64> = (1..=self.server.log.len() as u64).collect();
                    assert_eq!(node.taken, whole, "a reader gets the log");
                }
                return;
            }
        }
        panic!("it does not come to rest");
    }

    fn start(&mut self, at: Option<usize>, disk: Saved) {
        self.seeds += 1;
        let options = Options { reads_announcements: true, ..options() };
        let mut machine = Machine::new(options, disk.clone(), [self.seeds; 32]);
        machine.handle_subscribe(self.now, SubscriptionId(1), lobby(), From::Start.into());
        let node = Node {
            machine,
            disk,
            unsaved: VecDeque::new(),
            connection: None,
            reader: 1,
            taken: Vec::new(),
            fills: false,
            is_full: false,
        };
        let at = at.unwrap_or(self.nodes.len());
        if at < self.nodes.len() {
            self.nodes[at] = node;
        } else {
            self.nodes.push(node);
        }
        self.drain(at);
    }

    fn drain(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        while let Some(action) = node.machine.poll_action() {
            match action {
                Action::Dial => {
                    node.connection = Some(Connection::default());
                    node.machine.handle_connected(self.now);
                }
                Action::HangUp => node.connection = None,
                Action::Send(frame) => node.connection.as_mut().unwrap().up.push_back(frame),
                Action::Save { write, changes } => node.unsaved.push_back((write, changes)),
                Action::Deliver(_, Delivery::Events(events)) => {
                    assert!(!node.is_full, "nothing comes for a reader that is full");
                    node.taken.extend(events.events.iter().map(|event| event.offset.0));
                    if node.fills {
                        node.is_full = true;
                        node.machine.handle_full(self.now, SubscriptionId(node.reader));
                    }
                }
                Action::Deliver(_, Delivery::Started { .. }) => {}
                Action::Deliver(_, Delivery::Ended { code: Code::NotAMember, .. }) => {
                    node.reader += 1;
                    (node.fills, node.is_full) = (false, false);
                    let from =
                        node.taken.last().map_or(From::Start, |taken| From::After(super::at(1, *taken)));
                    let reader = SubscriptionId(node.reader);
                    node.machine.handle_subscribe(self.now, reader, lobby(), from.into());
                }
                Action::Deliver(_, other) => panic!("unexpected: {other:?}"),
                Action::Settled(_, Err(error)) => panic!("unexpected: {error}"),
                Action::Notice(Notice::Cloned { .. } | Notice::Settled { .. }) => {}
                Action::Notice(other) => panic!("unexpected: {other:?}"),
                _ => {}
            }
        }
    }

    fn tick(&mut self, at: usize) {
        if let Some(deadline) = self.nodes[at].machine.poll_deadline() {
            self.now = self.now.max(deadline);
            self.nodes[at].machine.handle_tick(self.now);
            self.drain(at);
        }
    }

    fn save(&mut self, at: usize) -> bool {
        let Some((write, changes)) = self.nodes[at].unsaved.pop_front() else { return false };
        for change in &changes {
            apply(&mut self.nodes[at].disk, change);
            if let Change::Put(_, entry) = change {
                self.durable.insert(entry.draft.body.as_text().unwrap().to_owned());
            }
        }
        self.nodes[at].machine.handle_saved(self.now, write);
        self.drain(at);
        true
    }

    fn drained(&mut self, at: usize) {
        (self.nodes[at].fills, self.nodes[at].is_full) = (false, false);
        let reader = SubscriptionId(self.nodes[at].reader);
        self.nodes[at].machine.handle_drained(self.now, reader);
        self.drain(at);
    }

    fn remove(&mut self, at: usize) {
        if let Some(connection) = &mut self.nodes[at].connection
            && !connection.is_over
            && connection.cursor.take().is_some()
        {
            connection.down.push_back(ended(Code::NotAMember));
        }
    }

    fn cut(&mut self, at: usize) {
        if self.nodes[at].connection.take().is_some() {
            self.nodes[at].machine.handle_disconnected(self.now, "cut".to_owned());
            self.drain(at);
        }
    }

    /// The client takes a frame, or learns that the connection is over.
    fn down(&mut self, at: usize) -> bool {
        if !self.nodes[at].machine.is_reading() {
            return false;
        }
        let Some(connection) = &mut self.nodes[at].connection else { return false };
        match connection.down.pop_front() {
            Some(frame) => self.nodes[at].machine.handle_frame(self.now, frame),
            None if connection.is_over => self.cut(at),
            None => return false,
        }
        self.drain(at);
        true
    }

    /// The server takes a frame.
    fn up(&mut self, at: usize) -> bool {
        let Some(connection) = &mut self.nodes[at].connection else { return false };
        if connection.is_over {
            return false;
        }
        let Some(frame) = connection.up.pop_front() else { return false };
        match frame {
            ClientFrame::Hello(hello) => self.hello(at, hello),
            ClientFrame::Publish(publish) => self.publish(at, publish),
            ClientFrame::Subscribe { id, room, .. } if room == RoomId::announcements() => {
                // A server that has none, as often as not.
                connection.down.push_back(match self.server.sessions.is_multiple_of(2) {
                    true => error(id.0, Code::Denied),
                    false => {
                        let (position, head, horizon) = (Position::START, Offset(0), Offset(1));
                        ServerFrame::Subscribed { id, room, position, head, horizon }
                    }
                });
            }
            ClientFrame::Subscribe { id, room, from } => {
                let head = Offset(self.server.log.len() as u64);
                let position = match from {
                    From::After(position) => position,
                    _ => Position::START,
                };
                connection.cursor = Some(position.offset.0);
                connection.down.push_back(ServerFrame::Subscribed {
                    id,
                    room,
                    position,
                    head,
                    horizon: Offset(1),
                });
            }
            ClientFrame::History { id, range: HistoryRange::After(after), .. } => {
                // Small pages, so that a search takes several.
                let events: Vec<_> =
                    self.server.log.iter().skip(place_of(after.offset.0)).take(3).cloned().collect();
                let head = self.server.log.len() as u64;
                let last = events.last().map_or(head, |event| event.offset.0);
                let next = (last < head).then(|| super::at(1, last));
                connection.down.push_back(ServerFrame::Page(Box::new(page(id.0, events, head, next))));
            }
            ClientFrame::Unsubscribe { id, room } => {
                connection.down.push_back(match connection.cursor.take() {
                    Some(_) => ServerFrame::Unsubscribed { id, room },
                    None => error(id.0, Code::NotSubscribed),
                })
            }
            ClientFrame::Beat => {}
            other => panic!("unexpected: {other:?}"),
        }
        self.deliver();
        true
    }

    fn hello(&mut self, at: usize, hello: anchor_core::session::frame::Hello) {
        let server = &mut self.server;
        server.sessions += 1;
        server.newest_session.insert(hello.client_id, server.sessions);
        let window = server.windows.entry(hello.client_id).or_default();
        window.raise_floor(hello.waits);
        let ServerFrame::Welcome(mut frame) = welcome_with(0, WINDOW_OF_MODEL as u64, 1 << 20) else {
            unreachable!()
        };
        frame.seq = window.highest();
        let session = server.sessions;
        for connection in self.nodes.iter_mut().filter_map(|node| node.connection.as_mut()) {
            if connection.session.is_some_and(|(_, client)| client == hello.client_id) && !connection.is_over
            {
                connection.down.push_back(goodbye(Code::Replaced, None));
                connection.is_over = true;
            }
        }
        let connection = self.nodes[at].connection.as_mut().unwrap();
        connection.session = Some((session, hello.client_id));
        connection.down.push_back(ServerFrame::Welcome(frame));
        let resumed = hello.resume.iter().find(|resume| resume.room == lobby());
        connection.cursor = resumed.map(|resume| resume.position.offset.0);
    }

    fn publish(&mut self, at: usize, frame: anchor_core::session::frame::PublishFrame) {
        let connection = self.nodes[at].connection.as_mut().unwrap();
        let (session, own) = connection.session.unwrap();
        assert_eq!(self.server.newest_session[&own], session, "an older session is over");
        let id = frame.client_id.unwrap_or(own);
        let seq = frame.seq;
        match self.server.decide(id, &frame) {
            Some(Decision::Appended { mark, .. }) => connection.down.push_back(ack(seq.get(), mark.offset.0)),
            Some(Decision::Refused(Refusal { code, .. })) => {
                connection.down.push_back(refused(seq.get(), code))
            }
            None => {
                connection.down.push_back(goodbye(Code::WindowFull, None));
                connection.is_over = true;
            }
        }
    }

    /// Sends every reader what it lacks, in whole pages of four: some of it is known to it.
    fn deliver(&mut self) {
        let head = self.server.log.len() as u64;
        for connection in self.nodes.iter_mut().filter_map(|node| node.connection.as_mut()) {
            let Some(cursor) = &mut connection.cursor else { continue };
            if *cursor < head && !connection.is_over {
                let first = *cursor / 4 * 4;
                let events: Vec<_> = self.server.log[place_of(first)..].to_vec();
                *cursor = head;
                let (room, epoch, first) = (lobby(), epoch(1), Offset(first + 1));
                connection.down.push_back(ServerFrame::Events(Events { room, epoch, first, events }));
            }
        }
    }
}

impl Server {
    fn decide(
        &mut self,
        id: ClientId,
        frame: &anchor_core::session::frame::PublishFrame,
    ) -> Option<Decision> {
        let client = ClientKey { user: ada(), id };
        let tag = client.tag();
        let publish = Publish {
            client,
            session: None,
            seq: frame.seq,
            nonce: frame.nonce,
            waits: frame.waits,
            room: frame.room.clone(),
            draft: frame.draft.clone(),
            verdict: Decided::Append { room: MissingRoom::Create },
            grounds: None,
        };
        let fingerprint = publish.fingerprint();
        let window = self.windows.entry(id).or_default();
        window.raise_floor(frame.waits);
        match window.look_up(frame.seq, fingerprint) {
            Verdict::Repeat(decision) => Some(decision),
            Verdict::Refused(refusal) => Some(Decision::Refused(refusal)),
            Verdict::Full => None,
            Verdict::Fresh => {
                let offset = self.log.len() as u64 + 1;
                let Draft { kind, target, body } = frame.draft.clone();
                self.log.push(Event {
                    seq: frame.seq,
                    nonce: frame.nonce,
                    client: tag,
                    kind,
                    target,
                    body: Some(body),
                    ..event(offset, "")
                });
                let mark = Mark { offset: Offset(offset), ordinal: Ordinal(offset), chain: chain(offset) };
                let decision = Decision::Appended { room: lobby(), epoch: epoch(1), mark, ts: 5 };
                window.record(Outcome { seq: frame.seq, fingerprint, decision: decision.clone() });
                Some(decision)
            }
        }
    }

    fn texts(&self) -> BTreeMap<String, usize> {
        let mut counted = BTreeMap::new();
        self.log.iter().for_each(|event| *counted.entry(text(event)).or_default() += 1);
        counted
    }
}
