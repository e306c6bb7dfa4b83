//! Trying again while others come and go.

use std::thread;
use std::time::{Duration, Instant};

use crate::interrupt;

/// Gives way to others for longer and longer, until its patience is over.
#[derive(Debug)]
pub(crate) struct Backoff {
    /// None that clocks could tell.
    deadline: Option<Instant>,
    turn: u32,
    least: u32,
}

/// Each step is microseconds of work for whoever is in the way.
const YIELDS: u32 = 4;
const SHORTEST: Duration = Duration::from_micros(20);
const LONGEST: Duration = Duration::from_millis(5);

impl Backoff {
    pub(crate) fn new(patience: Duration) -> Self {
        let deadline = Instant::now().checked_add(patience);
        Self {
            deadline,
            turn: 0,
            least: 0,
        }
    }

    /// Tries so often at least: a busy machine may need all the patience for a turn or two, and
    /// then time says nothing.
    pub(crate) fn at_least(self, turns: u32) -> Self {
        Self {
            least: turns,
            ..self
        }
    }

    /// Waits a moment; `false` if the patience is over.
    pub(crate) fn again(&mut self) -> bool {
        let is_over = self.deadline.is_some_and(|end| Instant::now() >= end);
        if (is_over && self.turn >= self.least) || interrupt::is_wanted() {
            return false;
        }
        match self.turn.checked_sub(YIELDS) {
            None => thread::yield_now(),
            Some(sleeps) => thread::sleep(LONGEST.min(SHORTEST * (1 << sleeps.min(10)))),
        }
        self.turn += 1;
        true
    }
}
