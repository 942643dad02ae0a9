//! The one thread that everything runs in: processes, their tasks, and virtual time.
//!
//! Nothing runs at once: the kernel polls one task that is ready, drawn by the seed, until none is; then the clock moves to
//! the next alarm. A poll takes no time. So every interleaving that a scheduler could bring about has a seed, and the same
//! seed brings about the same one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use anchor_core::conformance::environment::SplitMix64;
use futures::future::BoxFuture;

/// The scheduler and the clock. Clones are the same kernel.
#[derive(Clone)]
pub struct Kernel(Arc<Shared>);

/// Tasks that live and die together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId(u64);

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{}", self.0)
    }
}

type TaskId = u64;

struct Shared {
    state: Mutex<State>,
    woken: Arc<Mutex<Vec<TaskId>>>,
}

struct State {
    now: Duration,
    dice: SplitMix64,
    tasks: BTreeMap<TaskId, Task>,
    /// Tasks to poll, in the order in which they were woken.
    ready: Vec<TaskId>,
    frozen: BTreeSet<ProcessId>,
    alarms: BTreeMap<(Duration, u64), Waker>,
    processes: u64,
    tasks_made: u64,
    alarms_made: u64,
    polls: u64,
}

struct Task {
    process: ProcessId,
    /// Out while it is being polled.
    future: Option<BoxFuture<'static, ()>>,
    waker: Waker,
    is_ready: bool,
}

struct TaskWaker {
    task: TaskId,
    woken: Arc<Mutex<Vec<TaskId>>>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        lock(&self.woken).push(self.task);
    }
}

impl Kernel {
    /// A kernel at time zero without processes, whose scheduling follows from `dice`.
    #[must_use]
    pub fn new(dice: SplitMix64) -> Self {
        let state = State {
            now: Duration::ZERO,
            dice,
            tasks: BTreeMap::new(),
            ready: Vec::new(),
            frozen: BTreeSet::new(),
            alarms: BTreeMap::new(),
            processes: 0,
            tasks_made: 0,
            alarms_made: 0,
            polls: 0,
        };
        Self(Arc::new(Shared { state: Mutex::new(state), woken: Arc::default() }))
    }

    /// Time since the start.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.state().now
    }

    /// Tasks polled so far.
    #[must_use]
    pub fn polls(&self) -> u64 {
        self.state().polls
    }

    /// A process without tasks.
    #[must_use]
    pub fn process(&self) -> ProcessId {
        let mut state = self.state();
        state.processes += 1;
        ProcessId(state.processes)
    }

    /// Adds a task to `process`.
    pub fn spawn(&self, process: ProcessId, future: impl Future<Output = ()> + Send + 'static) {
        let mut state = self.state();
        state.tasks_made += 1;
        let id = state.tasks_made;
        let waker = Waker::from(Arc::new(TaskWaker { task: id, woken: self.0.woken.clone() }));
        let task = Task { process, future: Some(Box::pin(future)), waker, is_ready: true };
        state.tasks.insert(id, task);
        state.ready.push(id);
    }

    /// Ends every task of `process` where it stands, as `kill -9` does.
    pub fn kill(&self, process: ProcessId) {
        let killed: Vec<_> = {
            let mut state = self.state();
            state.frozen.remove(&process);
            state.tasks.extract_if(.., |_, task| task.process == process).collect()
        };
        // Outside of the lock: what is dropped may wake others.
        drop(killed);
    }

    /// Ends every process. Tasks hold the kernel that holds them: without this, neither would ever be freed.
    pub fn end(&self) {
        let tasks = std::mem::take(&mut self.state().tasks);
        // Outside of the lock: what is dropped may wake others.
        drop(tasks);
    }

    /// Polls no task of `process` until [`Kernel::thaw`], as a stopped process or a closed laptop.
    pub fn freeze(&self, process: ProcessId) {
        self.state().frozen.insert(process);
    }

    /// Lets `process` go on.
    pub fn thaw(&self, process: ProcessId) {
        self.state().frozen.remove(&process);
    }

    /// Ends after `duration`.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        let until = self.now().saturating_add(duration);
        self.sleep_until(until)
    }

    /// Ends once the clock has reached `until`.
    pub fn sleep_until(&self, until: Duration) -> Sleep {
        let mut state = self.state();
        state.alarms_made += 1;
        Sleep { kernel: self.clone(), key: (until, state.alarms_made), is_set: false }
    }

    /// Polls until `is_over` says so or nothing can happen any more; false in the latter case.
    pub fn run(&self, mut is_over: impl FnMut() -> bool) -> bool {
        loop {
            if is_over() {
                return true;
            }
            if !self.poll_one() && !self.advance() {
                return false;
            }
        }
    }

    /// Polls one of the tasks that are ready; false if none is.
    fn poll_one(&self) -> bool {
        let (id, mut future, waker) = {
            let mut guard = self.state();
            let state = &mut *guard;
            state.collect(&self.0.woken);
            let candidates = state.ready.len() as u64;
            if candidates == 0 {
                return false;
            }
            let first = index(state.dice.below(candidates));
            let frozen = &state.frozen;
            let is_awake = |id: &TaskId| !frozen.contains(&state.tasks[id].process);
            let Some(at) = (0..state.ready.len())
                .map(|step| (first + step) % state.ready.len())
                .find(|at| is_awake(&state.ready[*at]))
            else {
                return false;
            };
            let id = state.ready.remove(at);
            let task = state.tasks.get_mut(&id).expect("ready tasks exist");
            task.is_ready = false;
            let future = task.future.take().expect("no task is polled twice at once");
            state.polls += 1;
            (id, future, task.waker.clone())
        };
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        let mut state = self.state();
        match polled {
            Poll::Pending => {
                if let Some(task) = state.tasks.get_mut(&id) {
                    task.future = Some(future);
                    return true;
                }
            }
            Poll::Ready(()) => drop(state.tasks.remove(&id)),
        }
        drop(state);
        drop(future);
        true
    }

    /// Moves the clock to the next alarm; false if there is none.
    fn advance(&self) -> bool {
        let due: Vec<Waker> = {
            let mut state = self.state();
            let Some(((next, _), _)) = state.alarms.first_key_value() else { return false };
            let next = *next;
            state.now = state.now.max(next);
            let later = state.alarms.split_off(&(next, u64::MAX));
            std::mem::replace(&mut state.alarms, later).into_values().collect()
        };
        due.into_iter().for_each(Waker::wake);
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0.state)
    }
}

impl State {
    /// Takes over who was woken, each once.
    fn collect(&mut self, woken: &Mutex<Vec<TaskId>>) {
        for id in std::mem::take(&mut *lock(woken)) {
            if let Some(task) = self.tasks.get_mut(&id)
                && !std::mem::replace(&mut task.is_ready, true)
            {
                self.ready.push(id);
            }
        }
        let tasks = &self.tasks;
        self.ready.retain(|id| tasks.contains_key(id));
    }
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Kernel")
            .field("now", &state.now)
            .field("tasks", &state.tasks.len())
            .finish_non_exhaustive()
    }
}

/// See [`Kernel::sleep`].
#[derive(Debug)]
pub struct Sleep {
    kernel: Kernel,
    key: (Duration, u64),
    is_set: bool,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let kernel = self.kernel.clone();
        let mut state = kernel.state();
        if state.now >= self.key.0 {
            return Poll::Ready(());
        }
        self.is_set = true;
        state.alarms.insert(self.key, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if self.is_set {
            self.kernel.state().alarms.remove(&self.key);
        }
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number below the length of a list as an index into it.
pub(crate) fn index(number: u64) -> usize {
    usize::try_from(number).expect("a list's length is a usize")
}
