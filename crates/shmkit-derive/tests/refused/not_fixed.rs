//! Types whose bytes depend on the processor, the compiler or luck.

use std::sync::atomic::AtomicUsize;

use shmkit::ShmSafe;

#[derive(ShmSafe)]
#[repr(C)]
struct State {
    len: usize,
    hits: AtomicUsize,
    id: u128,
    pair: (u8, u32),
    letter: char,
    maybe: Option<u32>,
    count: std::num::NonZeroU32,
    cell: std::cell::Cell<u32>,
    timeout: std::time::Duration,
    lock: std::sync::Mutex<u32>,
    tail: [u8],
}

fn main() {}
