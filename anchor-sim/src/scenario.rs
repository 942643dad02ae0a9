//! What a seed stands for: who is there, how they behave, and what goes wrong.

use std::time::Duration;

use anchor_core::conformance::environment::SplitMix64;
use anchor_core::engine::HookFailure;
use anchor_core::id::{RoomId, UserId};
use anchor_transport::codec::Encoding;

use crate::client::Habits;
use crate::kernel::index;
use crate::mishap::Mishap;
use crate::network::Weather;
use crate::society::Pair;

/// A run before it began.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Servers: one with disks of its own, or several with one database.
    pub nodes: u64,
    /// The clients, each with whether its outbox outlives its process.
    pub clients: Vec<(Habits, bool)>,
    /// All rooms.
    pub rooms: Vec<RoomId>,
    /// Rooms with members; none where logs are restored.
    pub clubs: Vec<RoomId>,
    /// Who talks to whom; nobody where logs are restored.
    pub pairs: Vec<Pair>,
    /// What becomes of that on which the host does not rule; none where it is asked about nothing.
    pub hook: Option<HookFailure>,
    /// A durable consumer follows everything, and users say how far they have read.
    pub is_followed: bool,
    /// What goes wrong.
    pub mishaps: Vec<Mishap>,
    /// Time between two mishaps, at least and at most.
    pub every: (Duration, Duration),
    /// How long things go wrong at the least, also once everything is said.
    pub least: Duration,
    /// The network until it is healed.
    pub weather: Weather,
}

impl Scenario {
    /// The scenario of a seed, with so many publishes in all.
    ///
    /// Each kind of mishap is in about half of the runs: one that is always there hides others. Copies of clients and
    /// restored logs are never in the same run: a copy settles what it has by what the log has, and a log that goes back
    /// in the midst of that leaves two copies with different answers. See decision 0008.
    #[must_use]
    pub fn draw(dice: &mut SplitMix64, publishes: u64) -> Self {
        let nodes = if dice.below(5) < 3 { 1 } else { 2 + dice.below(2) };
        let rooms: Vec<_> = (0..1 + dice.below(4)).map(room).collect();
        let count = 2 + dice.below(5);
        // Now and then enough to fill windows, outboxes and pages.
        let publishes = if dice.below(8) == 0 { publishes * 4 } else { publishes };
        let mut clients: Vec<_> =
            (0..count).map(|number| client(dice, number, &rooms, publishes / count)).collect();
        let is_calm = dice.below(16) == 0;
        let mut mishaps: Vec<_> = Mishap::all(nodes).filter(|_| !is_calm && dice.below(2) == 0).collect();
        if dice.below(2) == 0 {
            mishaps.retain(|mishap| !mishap.copies_clients());
        } else {
            mishaps.retain(|mishap| !mishap.restores_logs());
        }
        let busy = Duration::from_millis(100 << dice.below(6));
        let weather = Weather {
            delay: (Duration::from_micros(50), Duration::from_millis(1 << dice.below(9))),
            cut_one_in: if is_calm { 0 } else { [0, 2, 8, 32][index(dice.below(4))] },
            cut_within: 256 << (4 * dice.below(4)),
            buffer: (512 << dice.below(5), (16 * 1024) << dice.below(4)),
        };
        let least = Duration::from_secs(1 << dice.below(7));
        let clubs: Vec<_> = (0..1 + dice.below(3)).map(club).collect();
        let clubs = if mishaps.iter().any(|mishap| mishap.restores_logs()) { Vec::new() } else { clubs };
        let mut users: Vec<_> = clients.iter().map(|(habits, _)| habits.user.clone()).collect();
        users.dedup();
        for (habits, _) in &mut clients {
            (habits.clubs, habits.users) = (clubs.clone(), users.clone());
        }
        let mut pairs = Vec::new();
        if !clubs.is_empty() {
            clients.push((admin(), dice.below(2) == 0));
            pairs = (0..1 + dice.below(3)).map(|_| pair(dice, &users)).collect();
            pairs.sort_by(|one, other| one.room.cmp(&other.room));
            pairs.dedup_by(|one, other| one.room == other.room);
        }
        for (habits, _) in &mut clients {
            habits.pairs.clone_from(&pairs);
        }
        let hook = [Some(HookFailure::Refuse), Some(HookFailure::Allow), None, None, None];
        let hook = hook[index(dice.below(5))];
        Self {
            nodes,
            clients,
            rooms,
            clubs,
            pairs,
            hook,
            // What holders that take it from each other are told when their database goes back is not judged here.
            is_followed: nodes == 1 && dice.below(3) > 0,
            mishaps,
            every: (busy / 10, busy * 4),
            least,
            weather,
        }
    }
}

impl Scenario {
    /// What servers keep of announcements, and of what was reported.
    pub fn system_rooms(&self) -> impl Iterator<Item = RoomId> {
        let watched = self.societies().take(if self.pairs.is_empty() { 0 } else { usize::MAX });
        let announcements = (!self.pairs.is_empty()).then(RoomId::announcements);
        announcements.into_iter().chain(watched.map(RoomId::reports_of))
    }

    /// Who is there, each once.
    #[must_use]
    pub fn users(&self) -> Vec<UserId> {
        let mut users: Vec<_> = self.clients.iter().map(|(habits, _)| habits.user.clone()).collect();
        users.sort();
        users.dedup();
        users
    }

    /// All rooms with members.
    pub fn societies(&self) -> impl Iterator<Item = &RoomId> {
        self.clubs.iter().chain(self.pairs.iter().map(|pair| &pair.room))
    }
}

fn client(dice: &mut SplitMix64, number: u64, rooms: &[RoomId], publishes: u64) -> (Habits, bool) {
    // Some users have two devices.
    let user = UserId::new(format!("user-{}", number / (1 + dice.below(2)))).expect("a plain id");
    let first = dice.below(rooms.len() as u64);
    let mine = 1 + dice.below(rooms.len() as u64);
    let mine = (first..first + mine).map(|at| rooms[index(at % rooms.len() as u64)].clone());
    let habits = Habits {
        hides_receipts: user.as_str().ends_with(HIDES),
        user,
        encoding: if dice.below(4) == 0 { Encoding::Json } else { Encoding::MessagePack },
        rooms: mine.collect(),
        clubs: Vec::new(),
        users: Vec::new(),
        pairs: Vec::new(),
        publishes,
        every: (Duration::from_millis(1), Duration::from_millis(40 << dice.below(8))),
        burst: 1 << dice.below(10),
        body_bytes: [64, 64, 400, 400, 400, 6_000, 6_000, 70_000][index(dice.below(8))],
        reading: if dice.below(3) == 0 { Duration::from_millis(20 << dice.below(7)) } else { Duration::ZERO },
        save_every: 1 << dice.below(5),
        // A session has four open at once; more wait in line.
        walks: if dice.below(4) == 0 { 6 } else { 1 },
        buffer: 1 << dice.below(5),
        outbox_entries: 1 << (2 + dice.below(8)),
        kept_acks: 1 << dice.below(11),
    };
    (habits, dice.below(5) != 0)
}

/// Somebody of whom the servers know that everything is allowed, and who reads and says nothing by habit.
fn admin() -> Habits {
    Habits {
        user: UserId::new(ADMIN).expect("a plain id"),
        encoding: Encoding::MessagePack,
        rooms: Vec::new(),
        clubs: Vec::new(),
        users: Vec::new(),
        pairs: Vec::new(),
        publishes: 0,
        every: (Duration::from_secs(1), Duration::from_secs(60)),
        hides_receipts: false,
        burst: 1,
        body_bytes: 64,
        reading: Duration::ZERO,
        save_every: 1,
        walks: 0,
        buffer: 8,
        outbox_entries: 64,
        kept_acks: 64,
    }
}

/// Two of the users, who may be the same; now and then one of them and the admin.
fn pair(dice: &mut SplitMix64, users: &[UserId]) -> Pair {
    let mut some = || users[index(dice.below(users.len() as u64))].clone();
    let (one, mut other) = (some(), some());
    // Talking to oneself is the same from both sides.
    if one == other && dice.below(4) != 0 {
        other = users[index(dice.below(users.len() as u64))].clone();
    }
    if dice.below(6) == 0 {
        other = UserId::new(ADMIN).expect("a plain id");
    }
    Pair::new(&one, &other, Duration::from_millis(dice.below(OPENS_MS_MAX)))
}

fn club(number: u64) -> RoomId {
    RoomId::new(format!("club-{number}")).expect("a plain id")
}

fn room(number: u64) -> RoomId {
    RoomId::new(format!("room-{number}")).expect("a plain id")
}

/// How the ids of users end who keep from others how far they have read. Source: chosen; one or two of those who are there.
const HIDES: [char; 2] = ['1', '4'];

/// What the admin of every server is called.
pub const ADMIN: &str = "admin";

/// When two open their room, at the latest, in milliseconds. Source: chosen; while much else begins.
const OPENS_MS_MAX: u64 = 8_000;
