//! Who is polled when, and that a shard ends.

use std::time::Duration;

use super::*;

/// What was done, in order.
type Log = Arc<Mutex<Vec<String>>>;

/// What wakes whom: to be polled, and to be listened to.
type Wakers = Arc<Mutex<Vec<(&'static str, Waker, Waker)>>>;

/// A connection that writes down what it is asked to do, and keeps its wakers for the test.
struct Fake {
    name: &'static str,
    is_behind: bool,
    ends_at: usize,
    polls: usize,
    log: Log,
    wakers: Wakers,
}

impl Driven for Fake {
    fn poll(&mut self, cx: &mut Context<'_>, reading: &mut Context<'_>) -> Poll<()> {
        self.polls += 1;
        self.log.lock().unwrap().push(format!("{} polled", self.name));
        if self.polls == 1 {
            let wakers = (self.name, cx.waker().clone(), reading.waker().clone());
            self.wakers.lock().unwrap().push(wakers);
        }
        assert!(self.name != "defect" || self.polls == 1, "a defect, on purpose");
        if self.polls == self.ends_at { Poll::Ready(()) } else { Poll::Pending }
    }

    fn listen(&mut self, _cx: &mut Context<'_>, reading: &mut Context<'_>) -> Poll<()> {
        self.log.lock().unwrap().push(format!("{} listened", self.name));
        if self.name == "talker" {
            // There is always more of it.
            reading.waker().wake_by_ref();
        }
        Poll::Pending
    }

    fn is_behind(&self) -> bool {
        self.is_behind
    }

    fn is_working(&self) -> bool {
        true
    }
}

/// A shard without a runtime: it runs when the test says so.
struct Bench {
    driver: Driver<Fake>,
    log: Log,
    wakers: Wakers,
}

impl Bench {
    fn with(connections: &[(&'static str, bool, usize)]) -> Self {
        let inbox = Inbox { arriving: Vec::new(), heard: Vec::new(), due: Vec::new(), is_closed: false };
        let shard = Arc::new(Shard { inbox: Mutex::new(inbox), rung: AtomicWaker::new() });
        let driver = Driver::new(shard, Heard::new());
        let mut bench = Self { driver, log: Log::default(), wakers: Arc::default() };
        for (name, is_behind, ends_at) in connections.iter().copied() {
            let (log, wakers) = (bench.log.clone(), bench.wakers.clone());
            let fake = Fake { name, is_behind, ends_at, polls: 0, log, wakers };
            bench.driver.shard.inbox().arriving.push(fake);
        }
        assert!(bench.run().is_pending());
        bench.log.lock().unwrap().clear();
        bench
    }

    fn run(&mut self) -> Poll<()> {
        Pin::new(&mut self.driver).poll(&mut Context::from_waker(Waker::noop()))
    }

    fn due(&self, name: &str) {
        let wakers = self.wakers.lock().unwrap();
        wakers.iter().find(|(other, ..)| *other == name).expect("it was polled").1.wake_by_ref();
    }

    fn heard(&self, name: &str) {
        let wakers = self.wakers.lock().unwrap();
        wakers.iter().find(|(other, ..)| *other == name).expect("it was polled").2.wake_by_ref();
    }

    fn log(&self) -> Vec<String> {
        std::mem::take(&mut *self.log.lock().unwrap())
    }
}

#[test]
fn who_was_heard_from_goes_first_and_who_catches_up_last() {
    let mut bench = Bench::with(&[("slow", true, 0), ("ada", false, 0), ("bob", false, 0)]);
    bench.due("slow");
    bench.due("ada");
    bench.due("ada");
    bench.heard("bob");
    assert!(bench.run().is_pending());
    assert_eq!(bench.log(), ["bob listened", "ada polled", "slow polled"]);
    assert!(bench.run().is_pending());
    assert_eq!(bench.log(), Vec::<String>::new(), "nobody is polled for nothing");
}

/// A poll reads, too: who is both heard and due is polled once.
#[test]
fn who_is_polled_need_not_be_listened_to() {
    let mut bench = Bench::with(&[("ada", false, 0)]);
    bench.due("ada");
    bench.driver.take_inbox();
    let (index, reason) = bench.driver.next(&mut Context::from_waker(Waker::noop())).unwrap();
    bench.heard("ada");
    bench.driver.poll_one(index, reason);
    assert!(bench.run().is_pending());
    assert_eq!(bench.log(), ["ada polled"]);
}

#[test]
fn who_catches_up_has_turns_however_busy_the_others_are() {
    let mut bench = Bench::with(&[("slow", true, 0), ("ada", false, 0)]);
    bench.due("slow");
    for _ in 0..=DUE_BEFORE_BEHIND {
        bench.due("ada");
        bench.driver.take_inbox();
        let (index, reason) = bench.driver.next(&mut Context::from_waker(Waker::noop())).unwrap();
        bench.driver.poll_one(index, reason);
    }
    assert!(bench.log().contains(&"slow polled".to_owned()));
}

#[test]
fn who_sends_without_end_keeps_nobody_waiting() {
    let mut bench = Bench::with(&[("talker", false, 0), ("ada", false, 0)]);
    bench.heard("talker");
    bench.due("ada");
    while !bench.log().contains(&"ada polled".to_owned()) {
        assert!(bench.run().is_pending());
    }
}

/// Found by reading: a connection that came to a shard whose task had ended was never served, and never let go of its
/// place, so that the server could not end.
#[test]
fn nobody_is_taken_in_by_a_shard_that_has_ended() {
    let Bench { driver, log, wakers } = Bench::with(&[]);
    let fake = || Fake {
        name: "late",
        is_behind: false,
        ends_at: 0,
        polls: 0,
        log: log.clone(),
        wakers: wakers.clone(),
    };
    let shard = driver.shard.clone();
    assert!(shard.take_in(fake()).is_ok());
    let held = Arc::strong_count(&log);
    drop(driver);
    assert_eq!(Arc::strong_count(&log), held - 1, "who had come is let go");
    assert!(shard.take_in(fake()).is_err());
}

#[test]
fn a_panic_ends_its_own_connection() {
    let mut bench = Bench::with(&[("defect", false, 0), ("ada", false, 0)]);
    bench.due("defect");
    bench.due("ada");
    assert!(bench.run().is_pending());
    assert_eq!(bench.log(), ["defect polled", "ada polled"]);
    assert_eq!(bench.driver.connections.len(), 1);
    // Its bells ring for nobody now.
    bench.due("defect");
    assert!(bench.run().is_pending());
    assert_eq!(bench.log(), Vec::<String>::new());
}

#[test]
fn a_shard_ends_with_the_last_of_its_connections() {
    let mut bench = Bench::with(&[("ada", false, 2)]);
    bench.driver.shard.inbox().is_closed = true;
    assert!(bench.run().is_pending());
    bench.due("ada");
    assert!(bench.run().is_ready());
    assert_eq!(bench.log(), ["ada polled"]);
}

#[test]
fn many_take_several_turns() {
    let connections = vec![("ada", false, 0); POLLS_PER_TURN + 1];
    let mut bench = Bench::with(&connections);
    assert!(bench.run().is_pending());
    assert_eq!(bench.log(), ["ada polled"], "one was left for a second turn");
}

/// While somebody who is current is heard from, those who catch up have a share of each millisecond.
#[tokio::test(start_paused = true)]
async fn who_catches_up_has_a_share_of_the_time() {
    let mut bench = Bench::with(&[("slow", true, 0), ("ada", false, 0)]);
    let turns = async |bench: &mut Bench| {
        let mut turns = 0;
        for _ in 0..10 {
            bench.due("slow");
            bench.driver.take_inbox();
            let mut cx = Context::from_waker(Waker::noop());
            if let Some((index, reason)) = bench.driver.next(&mut cx) {
                bench.driver.poll_one(index, reason);
                bench.driver.pace.spend_for_test(Duration::from_micros(80));
                turns += 1;
            }
        }
        turns
    };
    assert_eq!(turns(&mut bench).await, 10, "nobody else was heard from");
    bench.heard("ada");
    assert!(bench.run().is_pending());
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(turns(&mut bench).await, 2, "two of 80 µs are the share");
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(turns(&mut bench).await, 2, "and so in the next millisecond");
    tokio::time::advance(Duration::from_millis(30)).await;
    assert_eq!(turns(&mut bench).await, 10, "nobody has been heard from for a while");
}
