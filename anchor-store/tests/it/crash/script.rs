//! A workload in steps: what several clients hand over, what they must be answered, and what the store is made to do
//! between.
//!
//! Written so that every answer is the same however often a step is taken again, as clients do that were not answered.

use anchor_core::code::Code;
use anchor_core::event::EventKind;
use anchor_core::id::{ClientKey, RoomId};
use anchor_core::position::Offset;
use anchor_core::publish::{MissingRoom, Publish, Refusal, Verdict};

use crate::support::{client, publish, room, waiting_from};

/// One step of the workload.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Batches that wait together, and so go into one commit.
    Append(Vec<Vec<Line>>),
    /// Horizons that are asked for together.
    Trim(Vec<(RoomId, Offset)>),
    /// Users come so many events before the heads of rooms, and a record says how often they did: handed over together.
    Move(Vec<(u8, RoomId, u64)>),
    /// A step of the pager.
    Page,
    /// A client opens a session, with its floor.
    Open(u8, u64),
    /// The store is closed and opened.
    Close,
    /// The process is killed, and the next one opens the store.
    Kill,
    /// Every room begins a new epoch.
    Restore,
}

/// A publish, and its answer.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) who: u8,
    pub(crate) publish: Publish,
    pub(crate) session: Session,
    pub(crate) answer: Answer,
}

/// Which session a publish is handed over in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Session {
    None,
    Newest,
    /// One that another has replaced.
    Replaced,
}

/// What a publish must be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is appended.
    Ack,
    /// It is refused, for ever.
    Refusal(Refusal),
    /// As when its seq was handed over first.
    Repeat,
    /// It is refused for its seq.
    Code(Code),
    WindowFull,
    Fenced,
}

impl Line {
    pub(crate) fn key(&self) -> (u8, u64) {
        (self.who, self.publish.seq.get())
    }

    /// True if the window keeps its answer.
    pub(crate) const fn is_decided(&self) -> bool {
        matches!(self.answer, Answer::Ack | Answer::Refusal(_))
    }
}

/// The script while it is written.
#[derive(Default)]
struct Writing {
    steps: Vec<Step>,
    seqs: [u64; CLIENTS],
    floors: [u64; CLIENTS],
    heads: [u64; ROOMS.len()],
    last: [Option<Line>; CLIENTS],
}

/// The whole workload.
pub(crate) fn script() -> Vec<Step> {
    let mut writing = Writing { floors: [1; CLIENTS], ..Writing::default() };
    for round in 0..ROUNDS {
        writing.round(round);
    }
    writing.full_window();
    writing.steps.push(Step::Close);
    writing.steps
}

impl Writing {
    fn round(&mut self, round: usize) {
        let mixed = vec![
            vec![self.line(0, 0, 10), self.line(0, 1, 700)],
            vec![self.line(1, 2, 40)],
            vec![self.line(2, 0, 3_000), self.refused(2, Code::Denied), self.line(2, round % 4, 5)],
        ];
        self.steps.push(Step::Append(mixed));
        if round.is_multiple_of(2) {
            self.steps.push(Step::Page);
        }
        self.reading(round);
        let more = vec![
            vec![self.repeat(0), self.line(0, 3, 90)],
            vec![self.conflict(1), self.unknown_room(1), self.line(1, 0, 1)],
            vec![self.repeat(2)],
            // Of what is being committed.
            vec![self.repeat(1)],
        ];
        self.steps.push(Step::Append(more));
        self.talk(round);
        match round % 4 {
            0 => {
                // Some stay unsettled, as where acks are on their way.
                for who in 0..3 {
                    self.floors[who] = self.seqs[who].max(2) - 1;
                }
                let settled = vec![(0..3).map(|who| self.line(who, who, 20)).collect()];
                self.steps.push(Step::Append(settled));
                let forgotten = (0..3).map(|who| self.numbered(who, 1, Answer::Code(Code::SeqForgotten)));
                self.steps.push(Step::Append(vec![forgotten.collect()]));
            }
            1 => {
                self.seqs[2] += 1;
                let skipped = self.seqs[2];
                let behind = self.line(2, 1, 33);
                let late = self.numbered(2, skipped, Answer::Code(Code::SeqSkipped));
                self.steps.push(Step::Append(vec![vec![behind], vec![late]]));
                let horizon = self.heads[0] * 2 / 3;
                self.steps.push(Step::Trim(vec![
                    (room(ROOMS[0]), Offset(horizon)),
                    (room(ROOMS[1]), Offset(self.heads[1] + 9)),
                    (room(ROOMS[0]), Offset(horizon.saturating_sub(2))),
                ]));
                self.steps.push(Step::Page);
            }
            2 => {
                self.floors[0] = self.seqs[0] + 1;
                self.steps.push(Step::Open(0, self.floors[0]));
                let late =
                    Line { session: Session::Replaced, ..self.numbered(0, self.seqs[0] + 1, Answer::Fenced) };
                let both = vec![vec![late], vec![self.line(0, 0, 64)]];
                self.steps.push(Step::Append(both));
                self.steps.push(if round == 2 { Step::Restore } else { Step::Close });
            }
            _ => {
                self.steps.push(if round == 3 { Step::Kill } else { Step::Restore });
                self.steps.push(Step::Page);
                self.steps.push(Step::Page);
            }
        }
    }

    /// Several come further in several rooms, and one who is there already.
    fn reading(&mut self, round: usize) {
        let back = |at: usize| (round + at) as u64 % 4;
        let read = |at: usize| (READERS[at % 2], room(ROOMS[(round + at) % 4]), back(at));
        self.steps.push(Step::Move((0..5).map(read).collect()));
    }

    /// A message, and what others say of it, up to its redaction.
    fn talk(&mut self, round: usize) {
        let message = self.line(1, TALK, 30);
        let target = self.heads[TALK];
        self.steps.push(Step::Append(vec![vec![message]]));
        if round.is_multiple_of(2) {
            self.steps.push(Step::Page);
        }
        let said = vec![
            vec![self.about(0, EventKind::MESSAGE, target), self.about(2, EventKind::REACTION, target)],
            vec![self.about(1, EventKind::EDIT, target)],
        ];
        self.steps.push(Step::Append(said));
        if round.is_multiple_of(3) {
            self.steps.push(Step::Page);
        }
        if round % 4 != 3 {
            let redacted = vec![
                vec![self.about(1, EventKind::REDACTION, target)],
                vec![self.about(2, EventKind::MESSAGE, target)],
            ];
            self.steps.push(Step::Append(redacted));
            let refusal = Refusal::new(Code::TargetUnknown, "this message was redacted");
            let late = self.decided(1, ROOMS[TALK], 3, Answer::Refusal(refusal));
            self.steps.push(Step::Append(vec![vec![about(late, EventKind::EDIT, target)]]));
        }
    }

    /// The client's next publish, about the event at `target` in the room of talk.
    fn about(&mut self, who: usize, kind: EventKind, target: u64) -> Line {
        let line = about(self.line(who, TALK, 9), kind, target);
        self.last[who] = Some(line.clone());
        line
    }

    /// A client that never settles anything, until its window is full.
    fn full_window(&mut self) {
        for batch in 0..4 {
            let batch = (0..64).map(|at| self.line(3, (batch + at) % 2, at)).collect();
            self.steps.push(Step::Append(vec![batch]));
            self.steps.push(Step::Page);
        }
        let full = self.numbered(3, self.seqs[3] + 1, Answer::WindowFull);
        self.steps.push(Step::Append(vec![vec![full], vec![self.repeat(3)]]));
        self.floors[3] = 200;
        let room = vec![vec![self.line(3, 0, 8)]];
        self.steps.push(Step::Append(room));
    }

    /// The client's next publish, which is appended.
    fn line(&mut self, who: usize, room: usize, bytes: usize) -> Line {
        self.heads[room] += 1;
        self.decided(who, ROOMS[room], bytes, Answer::Ack)
    }

    fn refused(&mut self, who: usize, code: Code) -> Line {
        let refusal = Refusal::new(code, format!("number {}", self.seqs[who]));
        let mut line = self.decided(who, ROOMS[0], 3, Answer::Refusal(refusal.clone()));
        line.publish.verdict = Verdict::Refuse(refusal);
        self.last[who] = Some(line.clone());
        line
    }

    fn unknown_room(&mut self, who: usize) -> Line {
        let refusal = Refusal::new(Code::RoomUnknown, "there is no such room");
        let mut line = self.decided(who, "nowhere", 3, Answer::Refusal(refusal));
        line.publish.verdict = Verdict::Append { room: MissingRoom::Refuse };
        self.last[who] = Some(line.clone());
        line
    }

    fn decided(&mut self, who: usize, room: &str, bytes: usize, answer: Answer) -> Line {
        self.seqs[who] += 1;
        let line = self.numbered_in(who, self.seqs[who], room, bytes, answer);
        self.last[who] = Some(line.clone());
        line
    }

    /// The client's newest publish again.
    fn repeat(&self, who: usize) -> Line {
        let last = self.last[who].clone().expect("it has published");
        Line { answer: Answer::Repeat, ..last }
    }

    /// Another publish under the client's newest seq.
    fn conflict(&self, who: usize) -> Line {
        self.numbered(who, self.seqs[who], Answer::Code(Code::SeqConflict))
    }

    /// A publish that never stands in the log.
    fn numbered(&self, who: usize, seq: u64, answer: Answer) -> Line {
        let mut line = self.numbered_in(who, seq, ROOMS[0], 2, answer);
        line.publish.nonce.0 ^= 1;
        line
    }

    fn numbered_in(&self, who: usize, seq: u64, room_name: &str, bytes: usize, answer: Answer) -> Line {
        let number = u8::try_from(who).expect("few clients");
        let text = format!("{who}/{seq}/{}", "x".repeat(bytes));
        let publish = publish(&client(number), seq, &room(room_name), &text);
        Line {
            who: number,
            publish: waiting_from(self.floors[who], publish),
            session: if who == 0 { Session::Newest } else { Session::None },
            answer,
        }
    }
}

/// The same publish, about the event at `target`.
fn about(mut line: Line, kind: EventKind, target: u64) -> Line {
    (line.publish.draft.kind, line.publish.draft.target) = (kind, Some(Offset(target)));
    line
}

/// A publish of somebody else, into a room of its own: the store goes on.
pub(crate) fn newcomer() -> Step {
    let publish = publish(&client(NEWCOMER), 1, &room("after"), "goes on");
    Step::Append(vec![vec![Line { who: NEWCOMER, publish, session: Session::None, answer: Answer::Ack }]])
}

/// The number of the client that has this key.
pub(crate) fn number_of(key: &ClientKey) -> u8 {
    key.id.as_bytes()[0]
}

const ROOMS: [&str; 5] = ["a", "b", "c", "d", "talk"];
/// Where messages are edited, redacted, replied to.
const TALK: usize = 4;
const CLIENTS: usize = 4;
/// One who writes, too, and one who only reads.
const READERS: [u8; 2] = [2, 100];
const NEWCOMER: u8 = 200;
const ROUNDS: usize = 8;
