//! Tells tasks when a word changes: one thread for every 127 tasks that wait, for any executor.
//!
//! A thread sleeps on the words of all its tasks at once (`futex_waitv(2)`), and on a bell that says
//! that the list is another one. Where the kernel cannot do that it looks once a millisecond, or as
//! often as the system's clock ticks.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::park;
use crate::atomic;
use crate::lease;
use crate::sys::fork;
use crate::sys::futex::{self, MOST_WATCHED, Watched};

/// How often it is looked where the kernel cannot tell.
const POLL: Duration = Duration::from_millis(1);

/// How long a thread sleeps that has nothing to do.
const IDLE: Duration = Duration::from_secs(3600);

/// Ready when `word` is no longer `expected`, somebody woke those who sleep on it, or `slice` is over.
///
/// Dropped after it was woken and before that was noticed, it passes the wake-up on.
pub(super) fn changed(word: &atomic::AtomicU32, expected: u32, slice: Duration) -> Changed<'_> {
    Changed {
        word,
        expected,
        slice,
        ticket: None,
    }
}

/// See [`changed`].
#[must_use = "nothing is waited for unless it is polled"]
pub(super) struct Changed<'w> {
    word: &'w atomic::AtomicU32,
    expected: u32,
    slice: Duration,
    ticket: Option<Ticket>,
}

/// A place in a reactor's list.
struct Ticket {
    reactor: &'static Reactor,
    number: u64,
    is_over: Arc<AtomicBool>,
}

impl Future for Changed<'_> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(ticket) = &self.ticket else {
            let word = Watched {
                address: std::ptr::from_ref(atomic::raw(self.word)).addr(),
                expected: self.expected,
            };
            match enlist(word, self.slice, context.waker()) {
                Ok(ticket) => self.ticket = Some(ticket),
                Err(error) => return Poll::Ready(Err(error)),
            }
            return Poll::Pending;
        };
        if ticket.is_over.load(Ordering::Acquire) || !ticket.renew(context.waker()) {
            self.ticket = None;
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }
}

impl Drop for Changed<'_> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket.take() else {
            return;
        };
        if !ticket.reactor.strike(ticket.number) {
            park::wake(self.word, 1);
        }
    }
}

impl Ticket {
    /// Says whom to wake; `false` if that has been done already.
    fn renew(&self, waker: &Waker) -> bool {
        let mut list = self.reactor.list();
        match list.iter_mut().find(|entry| entry.number == self.number) {
            Some(entry) => {
                entry.waker.clone_from(waker);
                true
            }
            None => false,
        }
    }
}

/// A task that waits. Only the kernel looks at its word: a future may be forgotten, and then the entry
/// stays here for a while after the segment has gone.
struct Entry {
    number: u64,
    word: Watched,
    until: Instant,
    waker: Waker,
    is_over: Arc<AtomicBool>,
}

/// A thread and those it watches for.
struct Reactor {
    list: Mutex<Vec<Entry>>,
    bell: AtomicU32,
    /// Its thread, where that cannot hear the bell.
    napping: OnceLock<Thread>,
}

/// The reactors of this process; a forked child has none of its parent's threads.
struct Reactors {
    generation: u32,
    all: Vec<&'static Reactor>,
}

static REACTORS: Mutex<Reactors> = Mutex::new(Reactors {
    generation: 0,
    all: Vec::new(),
});

fn enlist(word: Watched, slice: Duration, waker: &Waker) -> io::Result<Ticket> {
    static NUMBERS: AtomicU64 = AtomicU64::new(0);
    let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
    let is_over = Arc::new(AtomicBool::new(false));
    let entry = Entry {
        number,
        word,
        until: Instant::now() + slice,
        waker: waker.clone(),
        is_over: Arc::clone(&is_over),
    };
    // No fork while the list of reactors is locked: the child would find it locked for ever.
    let _steady = fork::steady();
    let mut reactors = REACTORS.lock().unwrap_or_else(PoisonError::into_inner);
    if reactors.generation != lease::generation() {
        reactors.generation = lease::generation();
        reactors.all.clear();
    }
    let has_room = |reactor: &&&'static Reactor| reactor.list().len() < MOST_WATCHED - 1;
    let reactor = match reactors.all.iter().find(has_room) {
        Some(reactor) => *reactor,
        None => {
            let reactor = Reactor::start()?;
            reactors.all.push(reactor);
            reactor
        }
    };
    reactor.list().push(entry);
    reactor.ring();
    Ok(Ticket {
        reactor,
        number,
        is_over,
    })
}

impl Reactor {
    fn start() -> io::Result<&'static Self> {
        let reactor: &'static Self = Box::leak(Box::new(Self {
            list: Mutex::new(Vec::new()),
            bell: AtomicU32::new(0),
            napping: OnceLock::new(),
        }));
        thread::Builder::new()
            .name("shmkit-reactor".to_owned())
            .spawn(move || reactor.run())?;
        Ok(reactor)
    }

    fn list(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self) {
        self.bell.fetch_add(1, Ordering::Release);
        match self.napping.get() {
            Some(thread) => thread.unpark(),
            None => futex::wake(&self.bell, 1),
        }
    }

    /// Takes a task from the list; `false` if it has been woken already.
    fn strike(&self, number: u64) -> bool {
        let mut list = self.list();
        let place = list.iter().position(|entry| entry.number == number);
        place.map(|place| list.swap_remove(place)).is_some()
    }

    fn run(&self) {
        loop {
            let bell = self.bell.load(Ordering::Acquire);
            let (words, numbers, limit) = self.watched(bell);
            let woken = match futex::wait_any(&words, limit) {
                Ok(woken) => woken,
                Err(_) => {
                    // As good as never if there is nothing to do, and then the bell rings.
                    let is_idle = numbers.is_empty();
                    self.nap(bell, if is_idle { limit } else { POLL.min(limit) });
                    None
                }
            };
            // The first one is the bell.
            let woken = woken.and_then(|place| {
                let number = numbers.get(place.checked_sub(1)?)?;
                Some((*number, words[place]))
            });
            self.tell(woken);
        }
    }

    /// Sleeps where the kernel cannot tell of several words.
    fn nap(&self, bell: u32, limit: Duration) {
        let is_first = self.napping.set(thread::current()).is_ok();
        // Who rang the bell before could not know.
        if is_first && self.bell.load(Ordering::Acquire) != bell {
            return;
        }
        thread::park_timeout(limit);
    }

    /// All the words to sleep on, whose they are, and for how long.
    fn watched(&self, bell: u32) -> (Vec<Watched>, Vec<u64>, Duration) {
        let list = self.list();
        let now = Instant::now();
        let bell = Watched {
            address: std::ptr::from_ref(&self.bell).addr(),
            expected: bell,
        };
        let words = std::iter::once(bell).chain(list.iter().map(|entry| entry.word));
        let ends = list.iter().map(|entry| entry.until);
        let limit = ends
            .min()
            .map_or(IDLE, |end| end.saturating_duration_since(now));
        let numbers = list.iter().map(|entry| entry.number).collect();
        (words.collect(), numbers, limit)
    }

    /// Wakes the tasks for which something has happened. A task that was dropped just as it was
    /// woken leaves its wake-up to others.
    fn tell(&self, woken: Option<(u64, Watched)>) {
        let now = Instant::now();
        let mut over = Vec::new();
        let mut list = self.list();
        if let Some((number, word)) = woken
            && !list.iter().any(|entry| entry.number == number)
        {
            futex::wake_one_at(word);
        }
        list.retain(|entry| {
            let is_woken = woken.is_some_and(|(number, _)| number == entry.number);
            let is_over = is_woken || entry.until <= now || futex::has_changed(entry.word);
            if is_over {
                entry.is_over.store(true, Ordering::Release);
                over.push(entry.waker.clone());
            }
            !is_over
        });
        drop(list);
        over.into_iter().for_each(Waker::wake);
    }
}
