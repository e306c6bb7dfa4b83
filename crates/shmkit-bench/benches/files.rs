//! Mapped files, memfds and their pages, against memmap2 and the raw calls.
//!
//! `map+touch+unmap` is what most programs do with a mapped file. "First touch" fills memory that
//! is new: what differs is when and how its pages come.
#![expect(
    unsafe_code,
    reason = "memmap2 and the raw calls that segments are measured against"
)]
#![cfg_attr(
    not(target_os = "linux"),
    allow(dead_code, unused_imports, reason = "these segments are on Linux")
)]

use std::fs::File;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use memmap2::MmapMut;
use shmkit::{HugePages, Options, SharedMemory, Wish};
use shmkit_bench::{Bench, Goal, run};

const PAGE: usize = 4096;
const BIG: usize = 64 << 20;

fn main() -> ExitCode {
    run(|bench| {
        #[cfg(target_os = "linux")]
        {
            mapping(bench);
            first_touch(bench);
            flushing(bench);
            checked(bench);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = bench;
    })
}

/// A file that is removed when it is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(directory: &Path, size: usize) -> Self {
        let path = directory.join(format!("shmkit-bench-files-{}", std::process::id()));
        std::fs::write(&path, vec![1; size]).expect("a file");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn open(path: &Path) -> File {
    File::options()
        .read(true)
        .write(true)
        .open(path)
        .expect("the file")
}

fn map(file: &File) -> MmapMut {
    // SAFETY: nobody else has the file, and the bytes are only touched.
    unsafe { MmapMut::map_mut(file) }.expect("a mapping")
}

fn mapping(bench: &mut Bench) {
    let options = SharedMemory::options();
    for (name, directory) in [
        ("file on disk", std::env::temp_dir()),
        ("file in memory", "/dev/shm".into()),
    ] {
        for (size_name, size) in [("4 KiB", PAGE), ("1 MiB", 1 << 20), ("64 MiB", 64 << 20)] {
            let file = Scratch::new(&directory, size);
            let mut case = bench.group("map+touch+unmap");
            let mut case = case.case(format!("{name}, {size_name}, against memmap2"));
            // A small one costs what it takes to know its users.
            if size > PAGE {
                case = case.goal(Goal::AtMost(1.1));
            }
            case.pair(
                || {
                    let segment = options.attach_file(&file.0).expect("the file");
                    let view = segment.view();
                    for at in (0..size).step_by(PAGE) {
                        black_box(view.read::<u8>(at).expect("inside"));
                    }
                },
                || {
                    let mapped = map(&open(&file.0));
                    for at in (0..size).step_by(PAGE) {
                        black_box(mapped[at]);
                    }
                },
            );
        }
    }
}

/// Writes to every page of a new segment, which goes at once.
fn touch_new(options: &Options) {
    let segment = options.memfd("bench").expect("a memfd");
    let view = segment.view_mut().expect("writable");
    for at in (0..BIG).step_by(PAGE) {
        view.write(at, &1_u8).expect("inside");
    }
}

#[cfg(target_os = "linux")]
fn first_touch(bench: &mut Bench) {
    let mut options = SharedMemory::options();
    options.size(BIG);
    let mut lazy = options.clone();
    lazy.reserve(false);
    let mut populated = lazy.clone();
    populated.populate(Wish::Demand);
    let mut transparent = lazy.clone();
    transparent.huge_pages(HugePages::Transparent, Wish::Demand);
    let mut reserved = options.clone();
    reserved.huge_pages(HugePages::Reserved, Wish::Demand);
    for (name, options) in [
        ("default: reserved when made", options),
        ("lazily, page by page", lazy),
        ("populated by all processors", populated),
        ("transparent huge pages", transparent),
        ("reserved huge pages", reserved),
    ] {
        if options.memfd("bench").is_err() {
            // There are none; the test of them says why.
            continue;
        }
        bench
            .group("first touch of 64 MiB")
            .case(format!("{name}, against memfd_create, ftruncate, mmap"))
            .bytes(BIG as u64)
            .pair(|| touch_new(&options), touch_raw);
    }
}

#[cfg(target_os = "linux")]
fn touch_raw() {
    use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
    let fd = memfd_create("bench", MemfdFlags::CLOEXEC).expect("a memfd");
    ftruncate(&fd, BIG as u64).expect("ftruncate");
    let mut mapped = map(&File::from(fd));
    for at in (0..BIG).step_by(PAGE) {
        mapped[at] = 1;
    }
}

fn flushing(bench: &mut Bench) {
    let size = 1 << 20;
    let file = Scratch::new(&std::env::temp_dir(), size);
    let segment = SharedMemory::options()
        .attach_file(&file.0)
        .expect("the file");
    let mut mapped = map(&open(&file.0));
    for (name, range) in [("4 KiB of 1 MiB", PAGE..2 * PAGE), ("1 MiB", 0..size)] {
        bench
            .group("flush to the disk")
            .case(format!("{name}, against msync by memmap2"))
            .goal(Goal::AtMost(1.1))
            .pair(
                || {
                    let view = segment.view_mut().expect("writable");
                    for at in range.clone().step_by(PAGE) {
                        view.write(at, &2_u8).expect("inside");
                    }
                    segment.flush(range.clone()).expect("flushed");
                },
                || {
                    for at in range.clone().step_by(PAGE) {
                        mapped[at] = 3;
                    }
                    mapped
                        .flush_range(range.start, range.len())
                        .expect("flushed");
                },
            );
    }
}

#[cfg(target_os = "linux")]
fn checked(bench: &mut Bench) {
    use std::os::unix::fs::FileExt;
    let size = 1 << 20;
    let file = Scratch::new(Path::new("/dev/shm"), size);
    let segment = SharedMemory::options()
        .attach_file(&file.0)
        .expect("the file");
    let raw = open(&file.0);
    let mut buffer = vec![0; size];
    let mut other = vec![0; size];
    for len in [64, PAGE, size] {
        bench
            .group("checked copies")
            .case(format!("try_copy_to of {len} B against pread"))
            .bytes(len as u64)
            .pair(
                || segment.try_copy_to(0, &mut buffer[..len]).expect("copied"),
                || raw.read_exact_at(&mut other[..len], 0).expect("read"),
            );
    }
}
