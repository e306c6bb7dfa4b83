//! A process that is going to be killed.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Signal, set_parent_process_death_signal};
use shmkit::sync::{MutexGuard, RwLockReadGuard, RwLockWriteGuard};
use shmkit::{Acquired, ErrorKind};

use crate::chance::Chance;
use crate::ground::{Ground, Lock, Seat, between, now};
use crate::place;
use crate::record::Record;

/// The end of a wait that never should end so; the director calls it a hang long before.
const LONG: Duration = Duration::from_secs(30);

/// How long an empty queue is waited for.
const SHORT: Duration = Duration::from_millis(5);

/// More than this is not put in the queue.
const FULL: u64 = 1000;

pub(crate) fn run(place: &str, seat: usize, seed: u64) -> Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let ground = place::open::<Ground>(place)?;
    let seat = ground.seats.get(seat).context("there is no such seat")?;
    let mut worker = Worker {
        ground: &ground,
        seat,
        chance: Chance::new(seed),
    };
    while ground.stop.load(Relaxed) == 0 {
        match worker.chance.below(20) {
            0..=9 => worker.write_the_ledger()?,
            10..=12 => worker.write_the_table()?,
            13..=16 => worker.read_the_table()?,
            17 => worker.put()?,
            18 => worker.take()?,
            _ => worker.acquire()?,
        }
        seat.works.store(1, Relaxed);
        ground.turns.fetch_add(1, Relaxed);
    }
    Ok(())
}

struct Worker<'a> {
    ground: &'a Ground,
    seat: &'a Seat,
    chance: Chance,
}

impl Worker<'_> {
    fn write_the_ledger(&mut self) -> Result<()> {
        let ground = self.ground;
        let acquired = self.waiting(|| ground.ledger.lock_timeout(LONG))?;
        let mut guard = match acquired {
            Acquired::Clean(guard) => guard,
            Acquired::OwnerDied(mut recovery) => {
                self.tell_of_a_death(Lock::Ledger);
                self.mend(&mut recovery)?;
                recovery.mark_recovered()
            }
        };
        self.holds(Lock::Ledger);
        let number = self.write_next(&mut guard, ground.ledger_reached.load(Relaxed))?;
        self.holds_nothing();
        drop::<MutexGuard<'_, Record>>(guard);
        ground.ledger_reached.fetch_max(number, Relaxed);
        Ok(())
    }

    fn write_the_table(&mut self) -> Result<()> {
        let ground = self.ground;
        // A reader that met a dead writer may have left it poisoned.
        let acquired = self.waiting(|| ground.table.write_poisoned(LONG))?;
        let mut guard = match acquired {
            Acquired::Clean(guard) => guard,
            Acquired::OwnerDied(mut recovery) => {
                self.tell_of_a_death(Lock::Table);
                self.mend(&mut recovery)?;
                recovery.mark_recovered()
            }
        };
        self.holds(Lock::Table);
        let number = self.write_next(&mut guard, ground.table_reached.load(Relaxed))?;
        self.holds_nothing();
        drop::<RwLockWriteGuard<'_, Record, 4>>(guard);
        ground.table_reached.fetch_max(number, Relaxed);
        Ok(())
    }

    fn read_the_table(&mut self) -> Result<()> {
        let ground = self.ground;
        let reached = ground.table_reached.load(Relaxed);
        let acquired = match self.waiting(|| Ok(ground.table.read_timeout(LONG)))? {
            Ok(acquired) => acquired,
            Err(error) if error.kind() == ErrorKind::Poisoned => {
                ground.poisoned.fetch_add(1, Relaxed);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let guard: RwLockReadGuard<'_, Record, 4> = match acquired {
            Acquired::Clean(guard) => guard,
            Acquired::OwnerDied(recovery) => {
                self.tell_of_a_death(Lock::Table);
                // Who may only read cannot mend: what is torn stays in doubt, and so is poisoned.
                if !recovery.is_whole() {
                    return Ok(());
                }
                recovery.mark_recovered()
            }
        };
        check(&guard, reached)?;
        self.dwell_sometimes();
        check(&guard, reached)
    }

    fn put(&mut self) -> Result<()> {
        let ground = self.ground;
        let mut queue = self.lock_the_queue()?;
        self.holds(Lock::Queue);
        *queue = (*queue + 1).min(FULL);
        self.holds_nothing();
        drop(queue);
        ground.filled.notify_one()?;
        if u64::from(ground.items.available()) < FULL {
            ground.items.release(1)?;
        }
        Ok(())
    }

    fn take(&mut self) -> Result<()> {
        let ground = self.ground;
        let queue = self.lock_the_queue()?;
        let is_empty = |queue: &mut u64| *queue == 0;
        let (acquired, _) =
            self.waiting(|| ground.filled.wait_timeout_while(queue, SHORT, is_empty))?;
        let mut queue = self.recovered(acquired);
        *queue = queue.saturating_sub(1);
        Ok(())
    }

    fn acquire(&mut self) -> Result<()> {
        let ground = self.ground;
        match self.waiting(|| Ok(ground.items.acquire_timeout(SHORT)))? {
            Err(error) if error.kind() != ErrorKind::TimedOut => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn lock_the_queue(&self) -> Result<MutexGuard<'_, u64>> {
        let acquired = self.waiting(|| self.ground.queue.lock_timeout(LONG))?;
        Ok(self.recovered(acquired))
    }

    /// A number is never torn.
    fn recovered<'g>(&self, acquired: Acquired<MutexGuard<'g, u64>>) -> MutexGuard<'g, u64> {
        if acquired.owner_died() {
            self.tell_of_a_death(Lock::Queue);
        }
        acquired.assume_recovered()
    }

    /// Does what may have to wait, where the director can see it.
    fn waiting<T>(&self, wait: impl FnOnce() -> shmkit::Result<T>) -> Result<T> {
        let begun = now();
        self.seat.waits_since.store(begun, Relaxed);
        let done = wait();
        self.seat.waits_since.store(0, Relaxed);
        let waited = between(begun, now()).as_nanos() as u64;
        self.ground.longest.fetch_max(waited, Relaxed);
        Ok(done?)
    }

    fn tell_of_a_death(&self, lock: Lock) {
        self.ground.last_death[lock as usize].store(now(), SeqCst);
        self.ground.deaths[lock as usize].fetch_add(1, SeqCst);
    }

    fn holds(&self, lock: Lock) {
        self.seat.holds.store(1 + lock as u32, SeqCst);
    }

    fn holds_nothing(&self) {
        self.seat.holds.store(0, SeqCst);
    }

    fn mend(&self, record: &mut Record) -> Result<()> {
        if !record.is_whole() {
            self.ground.torn.fetch_add(1, Relaxed);
            ensure!(record.mend(), "both copies of a record are torn");
        }
        Ok(())
    }

    fn write_next(&mut self, record: &mut Record, reached: u64) -> Result<u64> {
        check(record, reached)?;
        let dwells = self.chance.once_in(16);
        Ok(record.write_next(|| {
            if dwells {
                self.dwell();
            }
        }))
    }

    fn dwell_sometimes(&mut self) {
        if self.chance.once_in(16) {
            self.dwell();
        }
    }

    /// Spends a moment, so that there is something to be killed in.
    fn dwell(&mut self) {
        let end = Instant::now() + Duration::from_micros(self.chance.below(100));
        while Instant::now() < end {
            std::hint::spin_loop();
        }
    }
}

/// Of a record that nobody has left in doubt, since another was unlocked with this number.
fn check(record: &Record, reached: u64) -> Result<()> {
    if !record.is_whole() {
        bail!("a record is torn, and nobody was told that its owner died");
    }
    let number = record.number();
    ensure!(
        number >= reached,
        "a record was lost: {number} is there, {reached} was written"
    );
    Ok(())
}
