//! Listing all segments, against the bare reads that it needs: the mappings and the descriptors of
//! every process, and the status of every file in `/dev/shm`, read and thrown away.
//!
//! 500 processes have 20 segments each; fewer when this only runs to see whether it works.

use std::env;
use std::ffi::CStr;
use std::io::{self, BufRead as _, Read as _};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitCode, Stdio};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RawDir, StatxFlags, openat, readlinkat_raw, statx};
use rustix::io::read;
use shmkit::key::{KeyType, NativeIpcKey};
use shmkit::{SharedMemory, inspect};
use shmkit_bench::{Goal, run};

/// Tells a child which segments to hold.
const PREFIX: &str = "SHMKIT_BENCH_PREFIX";
const SEGMENTS: usize = 20;

fn main() -> ExitCode {
    if let Ok(prefix) = env::var(PREFIX) {
        hold(&prefix);
        return ExitCode::SUCCESS;
    }
    let measures = env::args().any(|argument| argument == "--bench");
    let processes = if measures { 500 } else { 5 };
    let crowd: Vec<Holder> = (0..processes).map(Holder::start).collect();
    let count = processes * SEGMENTS;
    let code = run(|bench| {
        bench
            .group("list")
            .case(format!("{count} segments of {processes} processes"))
            .goal(Goal::AtMost(1.5))
            .pair(
                || {
                    let found = inspect::list().expect("a list");
                    assert!(found.len() >= count, "{} of {count}", found.len());
                },
                || assert!(bare_reads().expect("reads") >= count),
            );
    });
    drop(crowd);
    code
}

/// A process with its segments; ended when it is dropped.
struct Holder(Child);

impl Holder {
    fn start(number: usize) -> Self {
        let me = env::current_exe().expect("the path of this program");
        let mut child = Command::new(me)
            .env(PREFIX, format!("{}-{number}", std::process::id()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("a pipe");
        io::BufReader::new(stdout)
            .read_line(&mut line)
            .expect("a line");
        Self(child)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // The end of its standard input.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

#[expect(clippy::print_stdout, reason = "it tells its parent")]
fn hold(prefix: &str) {
    let held: Vec<SharedMemory> = (0..SEGMENTS)
        .map(|number| {
            let name = format!("/shmkit-bench-{prefix}-{number}");
            let key = NativeIpcKey::new(name, KeyType::PosixRealtime);
            SharedMemory::create(&key, 4096).expect("a segment")
        })
        .collect();
    println!("ready");
    let _ = io::stdin().read(&mut [0]);
    drop(held);
}

/// Reads what a list is made of; says how many files were in `/dev/shm`.
fn bare_reads() -> io::Result<usize> {
    let mut entries = Vec::with_capacity(1 << 15);
    let mut descriptors = Vec::with_capacity(1 << 15);
    let mut maps = vec![0; 1 << 16];
    let proc = directory(CWD, c"/proc")?;
    let mut processes = RawDir::new(&proc, spare(&mut entries));
    while let Some(entry) = processes.next() {
        let entry = entry?;
        if !entry.file_name().to_bytes()[0].is_ascii_digit() {
            continue;
        }
        // One that ended, or may not be read.
        let _ = read_process(&proc, entry.file_name(), &mut maps, &mut descriptors);
    }
    let table = openat(CWD, c"/proc/sysvipc/shm", OFlags::RDONLY, Mode::empty())?;
    while read(&table, &mut *maps)? > 0 {}
    let memory = directory(CWD, c"/dev/shm")?;
    let mut files = RawDir::new(&memory, spare(&mut entries));
    let mut count = 0;
    while let Some(entry) = files.next() {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let wanted = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
        count += usize::from(statx(&memory, entry?.file_name(), flags, wanted).is_ok());
    }
    Ok(count)
}

fn read_process(
    proc: &OwnedFd,
    pid: &CStr,
    maps: &mut [u8],
    descriptors: &mut Vec<u8>,
) -> io::Result<()> {
    let process = directory(proc, pid)?;
    let file = openat(&process, c"maps", OFlags::RDONLY, Mode::empty())?;
    while read(&file, &mut *maps)? > 0 {}
    let folder = directory(&process, c"fd")?;
    let mut links = RawDir::new(&folder, spare(descriptors));
    let mut target = [MaybeUninit::<u8>::uninit(); 4096];
    while let Some(link) = links.next() {
        let link = link?;
        if link.file_name().to_bytes()[0].is_ascii_digit() {
            readlinkat_raw(&folder, link.file_name(), &mut target)?;
        }
    }
    Ok(())
}

fn directory(at: impl std::os::fd::AsFd, name: &CStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    Ok(openat(at, name, flags, Mode::empty())?)
}

fn spare(buffer: &mut Vec<u8>) -> &mut [MaybeUninit<u8>] {
    buffer.clear();
    buffer.spare_capacity_mut()
}
