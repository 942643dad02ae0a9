//! A future that several wait for: whoever goes, those who stay are woken.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use futures::FutureExt;
use futures::channel::oneshot;
use futures::task::noop_waker;

use crate::engine::joint::Joint;

/// Counts how often it is woken.
#[derive(Default)]
struct Counting(AtomicUsize);

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Counting {
    fn take(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

fn poll<T: Clone>(joint: &mut Joint<T>, waker: &Waker) -> Poll<T> {
    joint.poll_unpin(&mut Context::from_waker(waker))
}

#[test]
fn a_wake_up_that_comes_while_one_polls_is_for_those_who_came_meanwhile() {
    // The future wakes itself; then another of those who wait comes, on another thread as it were, and is sent to sleep.
    let came = Arc::new(Counting::default());
    let other: Arc<Mutex<Option<Joint<()>>>> = Arc::default();
    let (other_inside, waker) = (other.clone(), Waker::from(came.clone()));
    let mut polls = 0;
    let future = std::future::poll_fn(move |cx| {
        polls += 1;
        if polls > 1 {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        let mut other = other_inside.lock().unwrap();
        assert!(poll(other.as_mut().unwrap(), &waker).is_pending());
        Poll::Pending
    });
    let mut first = Joint::new(future.boxed());
    *other.lock().unwrap() = Some(first.clone());
    assert!(poll(&mut first, &noop_waker()).is_pending());
    drop(first);
    assert_eq!(came.take(), 1, "nobody else is there to poll");
    let mut other = other.lock().unwrap().take().unwrap();
    assert!(poll(&mut other, &noop_waker()).is_ready());
}

#[test]
fn everybody_gets_what_comes_of_it_and_is_woken_for_it_once() {
    let (sender, receiver) = oneshot::channel();
    let mut first = Joint::new(async move { receiver.await.unwrap_or(0) }.boxed());
    let (mut second, third) = (first.clone(), first.clone());
    let wakers = [(); 2].map(|()| Arc::new(Counting::default()));
    assert!(poll(&mut first, &Waker::from(wakers[0].clone())).is_pending());
    assert!(poll(&mut second, &Waker::from(wakers[1].clone())).is_pending());
    assert!(!third.is_done());
    sender.send(7).unwrap();
    assert_eq!(wakers.each_ref().map(|waker| waker.take()), [1, 1]);
    assert_eq!(poll(&mut first, &Waker::from(wakers[0].clone())), Poll::Ready(7));
    assert!(third.is_done());
    assert_eq!(poll(&mut second, &noop_waker()), Poll::Ready(7));
    assert_eq!(third.now_or_never(), Some(7));
}

#[test]
fn nobody_is_kept_and_nobody_woken_who_has_left() {
    let (sender, receiver) = oneshot::channel::<()>();
    let mut first = Joint::new(receiver.map(drop).boxed());
    let mut second = first.clone();
    let left = Arc::new(Counting::default());
    assert!(poll(&mut first, &Waker::from(left.clone())).is_pending());
    drop(first);
    assert_eq!(Arc::strong_count(&left), 1);
    assert!(poll(&mut second, &noop_waker()).is_pending());
    drop(second);
    assert!(sender.is_canceled(), "the future is gone with the last who waits");
    assert_eq!(left.take(), 0);
}

#[test]
fn a_panic_is_everybodys() {
    let mut first = Joint::<()>::new(async { panic!("as the test wants it") }.boxed());
    let mut second = first.clone();
    for joint in [&mut first, &mut second] {
        let polled = std::panic::AssertUnwindSafe(|| poll(joint, &noop_waker()));
        assert!(std::panic::catch_unwind(polled).is_err());
    }
}

/// It needs to be sent from thread to thread, as what waits for it is.
const _: fn() = || {
    fn is_sent<T: Future + Send + Sync>() {}
    is_sent::<Joint<()>>();
};
