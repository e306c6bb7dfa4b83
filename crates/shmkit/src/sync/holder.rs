//! Who holds a lock, as far as it can be told.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::lease::{self, roster};
use crate::sys::attachment;
use crate::sys::identity::identity;

/// Who holds a lock inside a segment.
///
/// ```
/// # use shmkit::{key::NativeIpcKey, sync::Mutex, typed::Shared};
/// # let name = format!("shmkit-doc-holder-{}", std::process::id());
/// # let key = NativeIpcKey::platform_safe(&name);
/// // SAFETY: nobody but this program knows the key.
/// let counter = unsafe { Shared::create(&key, Mutex::new(0_u32)) }?;
/// counter.set_label("the example");
/// assert!(counter.holder().is_none());
/// let held = counter.lock()?.assume_recovered();
/// let holder = counter.holder().unwrap();
/// assert_eq!(holder.pid, Some(std::process::id()));
/// assert_eq!(holder.label.as_deref(), Some("the example"));
/// # drop(held);
/// # Ok::<(), shmkit::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockHolder {
    /// Its process id as seen from here; `None` if it cannot be seen: it runs in another PID
    /// namespace or is hidden.
    pub pid: Option<u32>,
    /// Its process id in its own PID namespace, as it said itself.
    pub own_pid: Option<u32>,
    /// The name of its program, at most 15 bytes.
    pub program: Option<String>,
    /// What it calls itself; see [`Shared::set_label`](crate::typed::Shared::set_label).
    pub label: Option<String>,
    /// When it attached, as it said itself.
    pub attached_since: Option<SystemTime>,
    /// How long it has held the lock at least: since somebody has waited for it.
    pub held_for: Option<Duration>,
    /// Whether it still lives. If not, the next one to lock takes over.
    pub is_alive: bool,
}

/// The holder of a lease, at a lock with this record of who waits for whom.
pub(crate) fn of_lease(address: usize, number: u32, held_for: Option<Duration>) -> LockHolder {
    let said = roster::member(lease::roster_of(address), number);
    let said = said.as_ref();
    let is_mine = lease::of(address).is_ok_and(|mine| mine == number);
    let (pid, seen) = match is_mine {
        true => (Some(std::process::id()), Some(identity().program)),
        false => match attachment::holder(address, number, said.map(|member| member.pid)) {
            Some(process) => (Some(process.pid), Some(process.program)),
            None => (None, None),
        },
    };
    LockHolder {
        pid,
        own_pid: said.map(|member| member.pid),
        program: seen.or_else(|| said.map(|member| member.program.clone())),
        label: said
            .map(|member| member.label.clone())
            .filter(|label| !label.is_empty()),
        attached_since: said.map(|member| member.since),
        held_for,
        is_alive: is_mine || lease::is_alive(address, number),
    }
}

impl fmt::Display for LockHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.pid, self.own_pid) {
            (Some(pid), _) if pid == std::process::id() => {
                write!(f, "this process ({pid}), perhaps another thread of it")?;
            }
            (Some(pid), _) => write!(f, "process {pid}")?,
            (None, Some(pid)) => write!(
                f,
                "a process that cannot be seen from here (process {pid} in its own PID namespace)"
            )?,
            (None, None) => f.write_str("a process that cannot be seen from here")?,
        }
        if let Some(program) = &self.program {
            write!(f, " ({})", program.escape_debug())?;
        }
        if let Some(label) = &self.label {
            write!(f, " \"{}\"", label.escape_debug())?;
        }
        if let Some(time) = self.held_for {
            write!(f, ", for at least {:.3} s", time.as_secs_f64())?;
        }
        if !self.is_alive {
            f.write_str(", which has died")?;
        }
        Ok(())
    }
}
