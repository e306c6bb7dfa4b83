//! Copies and single values through a `View`, against `memcpy` and a volatile read.
//!
//! The goal of the copies from 4 KiB up is 95 % of the bandwidth of `memcpy`, that is 1.05 times
//! its time; below that a check of the bounds shows, and the goals allow for it.
#![expect(
    unsafe_code,
    reason = "the raw calls that the views are measured against"
)]

use std::hint::black_box;
use std::process::ExitCode;
use std::{ptr, slice};

use shmkit::mapping::{Rw, View};
use shmkit_bench::{Bench, Goal, run};

const SIZES: [(&str, usize, f64); 7] = [
    ("8 B", 8, 1.5),
    ("64 B", 64, 1.5),
    ("1 KiB", 1 << 10, 1.2),
    ("4 KiB", 4 << 10, 1.05),
    ("64 KiB", 64 << 10, 1.05),
    ("1 MiB", 1 << 20, 1.05),
    ("16 MiB", 16 << 20, 1.05),
];

fn main() -> ExitCode {
    run(|bench| {
        copies(bench);
        values(bench);
    })
}

/// A view of `len` bytes that stay until the program ends, touched already, at a page's beginning.
fn memory(len: usize) -> View<'static, Rw> {
    const PAGE: usize = 4096;
    let bytes = vec![1_u8; len + PAGE].leak();
    let start = bytes
        .as_mut_ptr()
        .wrapping_add(bytes.as_ptr().align_offset(PAGE));
    // SAFETY: `len` bytes from the first page boundary lie in the leaked vector, which nothing
    // uses but this view and the raw calls of this one thread.
    unsafe { View::from_raw_parts(black_box(start), black_box(len)) }
}

fn copies(bench: &mut Bench) {
    for (name, size, limit) in SIZES {
        let (shared, own) = (memory(size), memory(size).as_mut_ptr());
        let raw = shared.as_mut_ptr();
        bench
            .group("copy_to")
            .case(name)
            .bytes(size as u64)
            .goal(Goal::AtMost(limit))
            .pair(
                || {
                    // SAFETY: `own` is `size` bytes, used by one of the two closures at a time.
                    let buffer = unsafe { slice::from_raw_parts_mut(own, black_box(size)) };
                    shared.copy_to(0, buffer).is_ok()
                },
                // SAFETY: both are `size` bytes long and apart; one thread uses them.
                || unsafe { ptr::copy_nonoverlapping(raw, own, black_box(size)) },
            );
    }
    for (name, size, limit) in SIZES {
        let (shared, own) = (memory(size), memory(size).as_mut_ptr());
        let raw = shared.as_mut_ptr();
        bench
            .group("copy_from")
            .case(name)
            .bytes(size as u64)
            .goal(Goal::AtMost(limit))
            .pair(
                || {
                    // SAFETY: as above.
                    let bytes = unsafe { slice::from_raw_parts(own, black_box(size)) };
                    shared.copy_from(0, bytes).is_ok()
                },
                // SAFETY: as above.
                || unsafe { ptr::copy_nonoverlapping(own, raw, black_box(size)) },
            );
    }
    let view = memory(4096);
    let raw = view.as_mut_ptr();
    bench
        .group("fill")
        .case("4 KiB")
        .bytes(4096)
        .goal(Goal::AtMost(1.05))
        .pair(
            || view.fill(black_box(3)),
            // SAFETY: `view` is 4096 bytes long, and one thread uses the memory.
            || unsafe { ptr::write_bytes(raw, black_box(3), black_box(4096)) },
        );
}

/// Each call goes through 512 values. Reading and writing have no goal: a check of the bounds beside
/// one `mov` is seen, and `at` is there for those who mind.
fn values(bench: &mut Bench) {
    const VALUES: usize = 512;
    let view = memory(VALUES * 8);
    let start = view.as_mut_ptr().cast::<u64>();
    let cell = view.at::<u64>(64).expect("64 is a multiple of 8");
    let place = start.wrapping_add(8);

    bench.group("values x 512").case("read::<u64>").pair(
        || {
            let view = black_box(view);
            (0..VALUES).fold(0, |sum, n| sum ^ view.read::<u64>(n * 8).unwrap_or(0))
        },
        || {
            let start = black_box(start);
            (0..VALUES).fold(0, |sum, n| {
                let at = start.wrapping_add(n);
                // SAFETY: aligned, `VALUES` of them are in bounds, and one thread uses the memory.
                sum ^ unsafe { at.read_volatile() }
            })
        },
    );
    bench.group("values x 512").case("write::<u64>").pair(
        || {
            let view = black_box(view);
            (0..VALUES).all(|n| view.write(n * 8, &n).is_ok())
        },
        || {
            let start = black_box(start);
            // SAFETY: as above.
            (0..VALUES).for_each(|n| unsafe { start.wrapping_add(n).write_volatile(n as u64) });
        },
    );
    bench
        .group("values x 512")
        .case("at::<u64> load")
        .goal(Goal::AtMost(1.05))
        .pair(
            || {
                let cell = black_box(cell);
                (0..VALUES).fold(0, |sum, _| sum ^ cell.load())
            },
            || {
                let place = black_box(place);
                // SAFETY: as above.
                (0..VALUES).fold(0, |sum, _| sum ^ unsafe { place.read_volatile() })
            },
        );
}
