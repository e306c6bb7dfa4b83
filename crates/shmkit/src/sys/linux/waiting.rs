//! Who waits for a lock: threads that are in the system call which sleeps for it, by
//! `/proc/PID/task/TID/syscall` (proc(5)). What this user may not read is not told.

use std::fs;

use super::maps::{Mapping, lines};
use crate::sys::file::FileId;

/// How many threads of a process sleep on a futex that lies in its mapping of a file.
pub(crate) fn on_futex_in(pid: u32, file: FileId) -> usize {
    let maps = fs::read(format!("/proc/{pid}/maps")).unwrap_or_default();
    let mappings: Vec<Mapping<'_>> = lines(&maps)
        .filter_map(Mapping::parse)
        .filter(|mapping| mapping.file == file)
        .collect();
    threads_in(pid, |call, [argument, _]| {
        call == libc::SYS_futex
            && mappings
                .iter()
                .any(|mapping| (mapping.start..mapping.end).contains(&argument))
    })
}

/// How many threads of a process sleep on a set of System V semaphores.
pub(crate) fn on_set(pid: u32, id: i32) -> usize {
    threads_in(pid, |call, arguments| {
        set_of(call, arguments) == Some(id as u64)
    })
}

/// The set of System V semaphores that a call is about, if it is such a call.
#[cfg(not(target_arch = "x86"))]
fn set_of(call: libc::c_long, [set, _]: [u64; 2]) -> Option<u64> {
    (call == libc::SYS_semop || call == libc::SYS_semtimedop).then_some(set)
}

/// The same on 32-bit x86, where one call does for all; its first argument is `SEMOP` or
/// `SEMTIMEDOP` (ipc(2)).
#[cfg(target_arch = "x86")]
fn set_of(call: libc::c_long, [operation, set]: [u64; 2]) -> Option<u64> {
    (call == libc::SYS_ipc && matches!(operation, 1 | 4)).then_some(set)
}

/// How many threads are in a call of this number with these first two arguments.
fn threads_in(pid: u32, mut is: impl FnMut(libc::c_long, [u64; 2]) -> bool) -> usize {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return 0;
    };
    let calls = threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("syscall")).ok());
    calls
        .filter(|text| call_of(text).is_some_and(|(call, arguments)| is(call, arguments)))
        .count()
}

/// Reads `202 0x7f0c6a000000 0x0 ...`; a thread that runs shows `running`.
fn call_of(text: &str) -> Option<(libc::c_long, [u64; 2])> {
    let mut words = text.split_ascii_whitespace();
    let call = words.next()?.parse().ok()?;
    let mut argument = || u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok();
    Some((call, [argument()?, argument()?]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_shows_its_call() {
        assert_eq!(
            call_of("202 0x7f0c6a000000 0x0 0x0 0x7ffd 0x0 0x0 0x7ffc 0x7f0b\n"),
            Some((202, [0x7f0c_6a00_0000, 0]))
        );
        assert_eq!(call_of("running\n"), None);
        assert_eq!(call_of("-1 0x7ffc 0x7f0b\n"), Some((-1, [0x7ffc, 0x7f0b])));
        assert_eq!(call_of(""), None);
    }
}
