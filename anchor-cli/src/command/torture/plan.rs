//! What goes wrong when: drawn from the seed before anything begins.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::dice::Dice;

/// One thing that goes wrong, or comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// `kill -9` of the server.
    KillServer,
    /// SIGTERM to the server: it drains.
    StopServer,
    /// The server comes back.
    StartServer,
    /// `kill -9` of a client.
    KillClient,
    /// `kill -9` of a client; its state is copied, and both go on.
    CopyClient,
    /// A client comes back.
    StartClient(usize),
    /// `kill -9` of a client that has just come back.
    KillStarting(usize),
    /// Somebody comes and reads everything from its start.
    LateReader,
}

/// Things to do, each at its time since the beginning.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The number keeps the order of what is due at the same time.
    actions: BTreeMap<(Duration, usize), Action>,
    added: usize,
}

/// What a plan is drawn for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) duration: Duration,
    pub(super) kills: u32,
    pub(super) clients: u16,
    /// Whether the server is ours to kill.
    pub(super) has_server: bool,
}

impl Plan {
    /// Draws a plan: every other kill is one of the server, and for every eight kills it is stopped once.
    pub(super) fn draw(dice: &mut Dice, frame: &Frame) -> Self {
        let mut plan = Self::default();
        let of_server = if frame.has_server { frame.kills.div_ceil(2) } else { 0 };
        let stops = if frame.has_server { frame.kills.div_ceil(8) } else { 0 };
        plan.end_server(dice, frame.duration, of_server, stops);
        let of_clients = frame.kills - of_server;
        let copies = if frame.clients < 2 { 0 } else { (of_clients / 4).min(u32::from(frame.clients / 2)) };
        for kill in 0..of_clients {
            let at = dice.time(Duration::ZERO, frame.duration);
            plan.add(at, if kill < copies { Action::CopyClient } else { Action::KillClient });
        }
        for _ in 0..=frame.clients / 8 {
            plan.add(dice.time(frame.duration / 4, frame.duration), Action::LateReader);
        }
        plan
    }

    /// Adds something.
    pub(super) fn add(&mut self, at: Duration, action: Action) {
        self.actions.insert((at, self.added), action);
        self.added += 1;
    }

    /// What is due now, if something is.
    pub(super) fn due(&mut self, now: Duration) -> Option<Action> {
        let first = self.actions.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    /// True if nothing is left to do.
    pub(super) fn is_done(&self) -> bool {
        self.actions.is_empty()
    }

    /// The ends of the server, each with its return, one after the other.
    fn end_server(&mut self, dice: &mut Dice, duration: Duration, kills: u32, stops: u32) {
        let (mut kills, mut stops) = (kills, stops);
        let slots = kills + stops;
        for slot in 0..slots {
            let width = duration / slots;
            let end = width * slot + dice.time(Duration::ZERO, width / 2);
            let away = dice.time(Duration::ZERO, (width / 3).min(AWAY_MAX));
            let is_kill = dice.below(u64::from(kills + stops)) < u64::from(kills);
            *(if is_kill { &mut kills } else { &mut stops }) -= 1;
            self.add(end, if is_kill { Action::KillServer } else { Action::StopServer });
            self.add(end + away, Action::StartServer);
        }
    }
}

/// The longest that the server stays away. Source: chosen; outboxes fill, and back-offs grow.
const AWAY_MAX: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(seed: u64, frame: &Frame) -> Vec<(Duration, Action)> {
        let mut plan = Plan::draw(&mut Dice::new(seed, 0), frame);
        let mut actions = Vec::new();
        while let Some((at, _)) = plan.actions.first_key_value().map(|(key, _)| *key) {
            actions.push((at, plan.due(at).unwrap()));
        }
        actions
    }

    /// As many kills as were asked for, in the time that was asked for, and a server that comes back before its next end.
    #[test]
    fn a_plan_holds_every_kill() {
        for (kills, clients, has_server) in
            [(0, 1, true), (1, 1, true), (20, 16, true), (33, 4, true), (7, 3, false)]
        {
            for seed in 0..50 {
                let frame = Frame { duration: Duration::from_secs(60), kills, clients, has_server };
                let actions = drawn(seed, &frame);
                let kinds = [Action::KillServer, Action::KillClient, Action::CopyClient];
                let killed = actions.iter().filter(|(_, action)| kinds.contains(action)).count();
                assert_eq!(killed, kills as usize);
                let of_server = [Action::KillServer, Action::StopServer, Action::StartServer];
                let mut is_up = true;
                for (at, action) in &actions {
                    assert!(*at <= frame.duration + AWAY_MAX, "{at:?}");
                    if of_server.contains(action) {
                        assert!(has_server && is_up != (*action == Action::StartServer), "{actions:?}");
                        is_up = !is_up;
                    }
                }
                assert!(is_up);
                assert_eq!(actions, drawn(seed, &frame), "the same seed is the same plan");
            }
        }
    }
}
