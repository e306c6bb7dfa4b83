//! Qt's lock, a named semaphore, with an owner beside it.
//!
//! A semaphore knows no owner: who is terminated with it leaves everybody waiting for ever, in Qt as
//! long as anybody has it open. So users of shmkit first agree among themselves who of them may ask
//! for the semaphore, in a page that they share and Qt does not know. What stands there is taken by
//! one compare-exchange, with the number of its taker: there is no instant at which a taker can die
//! unknown.
//!
//! ```text
//! 63 62        32 31            0
//! | has | number | process id     |     has: the semaphore's value is taken, not only asked for
//! ```
//!
//! A number stands for a named event that its user keeps open, and comes back only after a billion;
//! as long as the event exists the user lives.
//!
//! * The owner died *having*: nobody else can have the semaphore, so the next one goes on with it,
//!   and is told.
//! * The owner died *asking*, or while giving back: it may have had the value or not. Who comes next
//!   asks in its turn. If the value is not to be had, and nobody has the semaphore open but users of
//!   shmkit (the kernel counts handles), then it went with the dead.
//! * Qt has it: then it must give it back. If it is terminated while others have the semaphore open,
//!   the wait times out, as nobody can know.

use std::io;
use std::os::windows::io::OwnedHandle;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::explain::explain;
use super::name::beside;
use super::named::check_name;
use crate::backend::{Grant, Owners, Suspect};
use crate::error::{Error, ErrorKind, Op, Result};
use crate::interrupt;
use crate::key::NativeIpcKey;
use crate::mapping::Access;
use crate::sys::section::{self, Mapping, Window};
use crate::sys::security::{self, Descriptor};
use crate::sys::{object, process, signal};

/// How long a sleeper goes without asking whether the owner lives.
const SLICE: Duration = Duration::from_millis(10);

const HAS: u64 = 1 << 63;
const NUMBER_SHIFT: u32 = 32;
const NUMBER: u64 = 0x3fff_ffff;

// Where things stand in the page.
const OWNER: usize = 0;
const SLEEPERS: usize = 8;
const LOST: usize = 12;
const NEXT: usize = 16;

/// A semaphore by name.
#[derive(Debug)]
pub(crate) struct Semaphore {
    // In the order in which they are closed: see `are_all_ours`.
    page: Mapping,
    section: OwnedHandle,
    semaphore: OwnedHandle,
    /// Set when the owner has gone and somebody sleeps.
    gone: OwnedHandle,
    name: String,
    mode: u32,
    me: OnceLock<Me>,
}

/// This user's number, which is taken as long as the event is open.
#[derive(Debug)]
struct Me {
    number: u64,
    _alive: OwnedHandle,
}

/// A lock that is held.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken<'s> {
    lock: &'s Semaphore,
    /// What stands in the page while its owner asks.
    me: u64,
    /// A holder died, and the page says so.
    lost: bool,
}

/// The same without the borrow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticket {
    me: u64,
    lost: bool,
}

impl Semaphore {
    /// Opens the semaphore of `key`, or makes it with `value`.
    pub(crate) fn open(
        key: &NativeIpcKey,
        value: u32,
        mode: u32,
        trust: Owners,
        op: Op,
    ) -> Result<Self> {
        check_name(key, op)?;
        let opened = Self::of_name(key.native_key(), value, mode);
        let opened = opened.map_err(|cause| explain(cause, op).on(key))?;
        match security::of(&opened.semaphore) {
            Ok(rights) if trust != Owners::Anyone && !security::is_own(&rights.owner) => {
                Err(Error::new(op, ErrorKind::ForeignOwner)
                    .on(key)
                    .detail(format!("it belongs to {}, not to you", rights.owner)))
            }
            _ => Ok(opened),
        }
    }

    fn of_name(name: &str, value: u32, mode: u32) -> io::Result<Self> {
        // Who may lock may write all of it.
        let mode = mode | mode >> 1 & 0o222 | mode << 1 & 0o444;
        let security = Descriptor::new(mode)?;
        let semaphore = signal::semaphore(name, value, &security)?.handle;
        let section = section::create(&beside(name, "owner"), 4096, &security)?.handle;
        Ok(Self {
            page: Mapping::new(&section, Window::whole(Access::ReadWrite))?,
            section,
            semaphore,
            gone: signal::event(&beside(name, "gone"), &security)?.handle,
            name: name.to_owned(),
            mode,
            me: OnceLock::new(),
        })
    }

    /// What stands in the page while this user asks for the lock.
    fn asking(&self) -> io::Result<u64> {
        let number = match self.me.get() {
            Some(me) => me.number,
            None => {
                let me = self.introduce()?;
                // Another thread may have been faster.
                self.me.get_or_init(|| me).number
            }
        };
        Ok(number << NUMBER_SHIFT | u64::from(std::process::id()))
    }

    #[cold]
    fn introduce(&self) -> io::Result<Me> {
        let security = Descriptor::new(self.mode)?;
        loop {
            let next = self.page.word(NEXT).fetch_add(1, Ordering::Relaxed);
            let number = u64::from(next) & NUMBER;
            if number == 0 {
                continue;
            }
            let made = signal::event(&event_of(&self.name, number), &security)?;
            if !made.existed {
                return Ok(Me {
                    number,
                    _alive: made.handle,
                });
            }
        }
    }

    fn owner(&self) -> u64 {
        self.page.long_word(OWNER).load(Ordering::Acquire)
    }

    fn replace_owner(&self, before: u64, after: u64) -> bool {
        let (taken, failed) = (Ordering::AcqRel, Ordering::Relaxed);
        self.page
            .long_word(OWNER)
            .compare_exchange(before, after, taken, failed)
            .is_ok()
    }

    fn is_dead(&self, owner: u64) -> io::Result<bool> {
        let number = owner >> NUMBER_SHIFT & NUMBER;
        let is_mine = self.me.get().is_some_and(|me| me.number == number);
        Ok(!is_mine && !signal::is_there(&event_of(&self.name, number))?)
    }

    /// Becomes the owner, as `me`, if there is none that lives. If the last one died with the lock,
    /// this one has it now.
    fn claim(&self, me: u64) -> io::Result<Option<Claim>> {
        if self.replace_owner(0, me) {
            return Ok(Some(Claim::May));
        }
        let owner = self.owner();
        if owner == 0 || !self.is_dead(owner)? {
            return Ok(None);
        }
        let had = owner & HAS != 0;
        if !self.replace_owner(owner, me | owner & HAS) {
            return Ok(None);
        }
        if had {
            self.page.word(LOST).store(1, Ordering::Relaxed);
        }
        Ok(Some(if had { Claim::Has } else { Claim::May }))
    }

    /// Stops being the owner, which it is as `me`.
    fn go(&self, me: u64) {
        let (gone, failed) = (Ordering::SeqCst, Ordering::Relaxed);
        let owner = self.page.long_word(OWNER);
        if owner.compare_exchange(me, 0, gone, failed).is_ok()
            && self.page.word(SLEEPERS).load(Ordering::SeqCst) != 0
        {
            // Whoever misses it asks again soon.
            let _ = signal::set(&self.gone);
        }
    }

    /// Takes the lock if it is free.
    pub(crate) fn try_lock(&self) -> io::Result<Option<(Taken<'_>, Grant)>> {
        self.lock_within(Duration::ZERO)
    }

    /// Takes the lock, sleeping at most about `limit`; `None` if it was not to be had.
    pub(crate) fn lock_within(&self, limit: Duration) -> io::Result<Option<(Taken<'_>, Grant)>> {
        let begun = Instant::now();
        let left = || interrupt::left(limit.saturating_sub(begun.elapsed()));
        let me = self.asking()?;
        let claim = match self.claim(me)? {
            Some(claim) => claim,
            None if limit.is_zero() => return Ok(None),
            None => match self.claim_within(me, &left)? {
                Some(claim) => claim,
                None => return Ok(None),
            },
        };
        if claim == Claim::May {
            match self.ask(&left) {
                Ok(true) => {}
                other => {
                    self.go(me);
                    return other.map(|_| None);
                }
            }
            if !self.replace_owner(me, me | HAS) {
                // Others saw this process end, which it is about to.
                return Ok(None);
            }
        }
        let lost = self.page.word(LOST).load(Ordering::Relaxed) != 0;
        let grant = if lost { Grant::OwnerDied } else { Grant::Clean };
        let taken = Taken {
            lock: self,
            me,
            lost,
        };
        Ok(Some((taken, grant)))
    }

    /// Sleeps until it may be the owner, as `me`.
    #[cold]
    fn claim_within(&self, me: u64, left: &dyn Fn() -> Duration) -> io::Result<Option<Claim>> {
        let sleepers = self.page.word(SLEEPERS);
        // An owner that goes looks for sleepers after it has gone, so one that announces itself
        // and then finds an owner is woken.
        sleepers.fetch_add(1, Ordering::SeqCst);
        let claimed = loop {
            match self.claim(me) {
                Ok(None) if left().is_zero() => break Ok(None),
                Ok(None) => {}
                other => break other,
            }
            if let Err(error) = object::wait(&self.gone, left().min(SLICE)) {
                break Err(error);
            }
        };
        sleepers.fetch_sub(1, Ordering::SeqCst);
        claimed
    }

    /// As the owner, takes one of the semaphore's value.
    fn ask(&self, left: &dyn Fn() -> Duration) -> io::Result<bool> {
        loop {
            if object::wait(&self.semaphore, left().min(SLICE))? || self.are_all_ours()? {
                return Ok(true);
            }
            if left().is_zero() {
                return Ok(false);
            }
        }
    }

    /// Whether all who have the semaphore open are users of shmkit. Each opens the semaphore before
    /// its page and closes it after, so there are never more of pages.
    fn are_all_ours(&self) -> io::Result<bool> {
        let pages = object::handles(&self.section)?;
        let semaphores = object::handles(&self.semaphore)?;
        Ok(pages == semaphores && pages == object::handles(&self.section)?)
    }

    /// The one of ours who has the lock or asks for it.
    pub(crate) fn suspects(&self) -> io::Result<Vec<Suspect>> {
        let owner = self.owner();
        // Whoever only asks waits for somebody who does not say.
        Ok(match owner & HAS {
            0 => Vec::new(),
            _ => vec![suspect(owner)],
        })
    }

    /// The lock of a ticket.
    pub(crate) fn redeem(&self, ticket: Ticket) -> Option<Taken<'_>> {
        let Ticket { me, lost } = ticket;
        Some(Taken {
            lock: self,
            me,
            lost,
        })
    }

    /// Takes one of the value, sleeping at most about `limit`; `false` if it was not to be had.
    pub(crate) fn acquire_within(&self, limit: Duration) -> io::Result<bool> {
        let begun = Instant::now();
        loop {
            let slice = interrupt::slice(limit.saturating_sub(begun.elapsed()));
            if object::wait(&self.semaphore, slice)? {
                return Ok(true);
            }
            if slice.is_zero() {
                return Ok(false);
            }
        }
    }

    /// Adds `by` to the value, all or nothing.
    pub(crate) fn release(&self, by: u32) -> io::Result<()> {
        signal::release(&self.semaphore, by)
    }
}

/// What became of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claim {
    /// It may ask for the semaphore.
    May,
    /// It has the semaphore, as the dead one had it.
    Has,
}

impl Taken<'_> {
    /// See [`Semaphore::redeem`].
    pub(crate) fn ticket(self) -> Ticket {
        let Self { me, lost, .. } = self;
        Ticket { me, lost }
    }

    /// Gives the lock back. `recovered`: the data are right again after an owner's death.
    pub(crate) fn give(self, recovered: bool) {
        let Self { lock, me, lost } = self;
        // A process that is terminated may take some steps after others have seen it end and have
        // taken over. What is theirs stays.
        if !lock.replace_owner(me | HAS, me) {
            return;
        }
        if recovered && lost {
            lock.page.word(LOST).store(0, Ordering::Relaxed);
        }
        // It fails only if somebody has given more than was taken; then it is free already.
        let _ = signal::release(&lock.semaphore, 1);
        lock.go(me);
    }
}

/// A lock, seen from outside.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) owner: Option<Suspect>,
    pub(crate) owner_died: bool,
    pub(crate) sleepers: u32,
}

/// Looks at the lock of a name without opening the semaphore. `NotFound` if no user of shmkit has
/// it open.
pub(crate) fn look(name: &str) -> io::Result<Look> {
    let section = section::open(&beside(name, "owner"), Access::ReadOnly)?;
    let page = Mapping::new(&section, Window::whole(Access::ReadOnly))?;
    let owner = page.long_word(OWNER).load(Ordering::Acquire);
    let has = owner & HAS != 0;
    let lives = has && signal::is_there(&event_of(name, owner >> NUMBER_SHIFT & NUMBER))?;
    let lost = page.word(LOST).load(Ordering::Relaxed) != 0;
    Ok(Look {
        owner: lives.then(|| suspect(owner)),
        owner_died: lost || has && !lives,
        sleepers: page.word(SLEEPERS).load(Ordering::Relaxed),
    })
}

fn suspect(owner: u64) -> Suspect {
    let pid = owner as u32;
    Suspect {
        pid,
        program: process::program(pid).unwrap_or_default(),
        holds: true,
    }
}

fn event_of(name: &str, number: u64) -> String {
    beside(name, &format!("user{number}"))
}
