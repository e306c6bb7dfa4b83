//! The roster of a segment: who has taken leases lately, in their own words.
//!
//! The kernel says whether a lease is alive, and `/proc` which process has it, if that can be seen
//! from here. The roster says what cannot be found out elsewhere: what a process of another PID
//! namespace is called, since when it is attached, and how it labels itself. It is for people only;
//! nothing is decided by it. Any process may write anything there, so whatever is read is bounded,
//! and text that is not UTF-8 is mended.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::atomic::{AtomicU32, AtomicU64};
use crate::sys::identity::{Identity, identity};

/// How many are listed; those who come when it is full of the living are not.
pub(crate) const ENTRIES: usize = 40;

/// How many places a lease may have.
const CHOICES: usize = 8;

/// A line of the roster. The text fields are UTF-8, filled up with zeros.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Entry {
    /// 0 while it is empty or being written.
    lease: AtomicU32,
    /// In the PID namespace of the process itself.
    pid: AtomicU32,
    /// The inode of that namespace.
    namespace: AtomicU64,
    /// Nanoseconds since 1970.
    since: AtomicU64,
    program: [AtomicU64; 2],
    label: [AtomicU64; 7],
}

const _: () = assert!(cfg!(loom) || size_of::<Entry>() == 96);

/// What a process said about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) pid: u32,
    pub(crate) namespace: u64,
    pub(crate) since: SystemTime,
    pub(crate) program: String,
    pub(crate) label: String,
}

/// Writes this process down, in an empty place or one of the dead.
pub(crate) fn enter(roster: &[Entry], lease: u32, is_alive: impl Fn(u32) -> bool) {
    let free = choices(roster, lease).find(|entry| match entry.lease.load(Relaxed) {
        0 => true,
        other => !is_alive(other),
    });
    if let Some(entry) = free {
        let Identity {
            pid,
            namespace,
            program,
        } = identity();
        entry.lease.store(0, Release);
        entry.pid.store(pid, Relaxed);
        entry.namespace.store(namespace, Relaxed);
        entry.since.store(now(), Relaxed);
        write(&entry.program, &program);
        write(&entry.label, "");
        entry.lease.store(lease, Release);
    }
}

/// Writes a label beside the lease of this process; `false` if there was no place for it.
pub(crate) fn label(roster: &[Entry], lease: u32, label: &str) -> bool {
    match find(roster, lease) {
        Some(entry) => {
            write(&entry.label, label);
            true
        }
        None => false,
    }
}

/// What the process with this lease said about itself.
pub(crate) fn member(roster: &[Entry], lease: u32) -> Option<Member> {
    let entry = find(roster, lease)?;
    let member = Member {
        pid: entry.pid.load(Relaxed),
        namespace: entry.namespace.load(Relaxed),
        since: UNIX_EPOCH + Duration::from_nanos(entry.since.load(Relaxed)),
        program: read(&entry.program),
        label: read(&entry.label),
    };
    (entry.lease.load(Acquire) == lease).then_some(member)
}

fn choices(roster: &[Entry], lease: u32) -> impl Iterator<Item = &Entry> {
    let start = lease as usize % roster.len().max(1);
    roster
        .iter()
        .cycle()
        .skip(start)
        .take(CHOICES.min(roster.len()))
}

fn find(roster: &[Entry], lease: u32) -> Option<&Entry> {
    choices(roster, lease).find(|entry| entry.lease.load(Acquire) == lease)
}

/// Nanoseconds since 1970: the one clock that all namespaces share.
pub(crate) fn now() -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    now.as_nanos() as u64
}

fn write(words: &[AtomicU64], text: &str) {
    let mut end = text.len().min(words.len() * 8);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let bytes = &text.as_bytes()[..end];
    for (place, word) in words.iter().enumerate() {
        let part = bytes.iter().skip(place * 8).take(8);
        let mut eight = [0; 8];
        eight
            .iter_mut()
            .zip(part)
            .for_each(|(to, from)| *to = *from);
        word.store(u64::from_le_bytes(eight), Relaxed);
    }
}

fn read(words: &[AtomicU64]) -> String {
    let bytes = words
        .iter()
        .flat_map(|word| word.load(Relaxed).to_le_bytes());
    let bytes: Vec<u8> = bytes.take_while(|&byte| byte != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn roster() -> Vec<Entry> {
        (0..ENTRIES)
            .map(|_| Entry {
                lease: AtomicU32::new(0),
                pid: AtomicU32::new(0),
                namespace: AtomicU64::new(0),
                since: AtomicU64::new(0),
                program: [const { AtomicU64::new(0) }; 2],
                label: [const { AtomicU64::new(0) }; 7],
            })
            .collect()
    }

    #[test]
    fn whoever_enters_is_found() {
        let roster = roster();
        enter(&roster, 41, |_| true);
        assert!(label(&roster, 41, "ingest"));
        let member = member(&roster, 41).unwrap();
        assert_eq!(member.pid, std::process::id());
        assert_eq!(member.label, "ingest");
        assert!(!member.program.is_empty());
        assert!(member.since.elapsed().unwrap() < Duration::from_secs(60));
    }

    #[test]
    fn the_dead_make_room_and_the_living_do_not() {
        let roster = roster();
        let of_one_place = |turn| 1 + turn * ENTRIES as u32;
        for turn in 0..CHOICES as u32 {
            enter(&roster, of_one_place(turn), |_| true);
        }
        enter(&roster, of_one_place(99), |_| true);
        assert_eq!(member(&roster, of_one_place(99)), None);
        assert!(!label(&roster, of_one_place(99), "late"));
        enter(&roster, of_one_place(99), |lease| lease != of_one_place(3));
        assert!(member(&roster, of_one_place(99)).is_some());
        assert_eq!(member(&roster, of_one_place(3)), None);
    }

    #[test]
    fn text_is_cut_between_characters_and_scribbles_are_mended() {
        let roster = roster();
        enter(&roster, 5, |_| true);
        let long = "ä".repeat(56);
        label(&roster, 5, &long);
        assert_eq!(member(&roster, 5).unwrap().label, "ä".repeat(28));
        roster[5].label[0].store(0xFFFF_FFFF_FFFF_FFFF, Relaxed);
        roster[5].since.store(u64::MAX, Relaxed);
        assert!(member(&roster, 5).unwrap().label.starts_with('\u{FFFD}'));
    }

    #[test]
    fn an_empty_roster_is_no_trouble() {
        enter(&[], 5, |_| true);
        assert_eq!(member(&[], 5), None);
    }
}
