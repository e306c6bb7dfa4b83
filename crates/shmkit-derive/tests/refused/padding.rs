//! Padding before a field, and at the end.

use shmkit::ShmSafe;

#[derive(ShmSafe)]
#[repr(C)]
struct Between {
    kind: u8,
    value: u64,
}

#[derive(ShmSafe)]
#[repr(C)]
struct AtTheEnd {
    value: u32,
    kind: [u8; 3],
}

#[derive(ShmSafe)]
#[repr(C, align(64))]
struct Line(u64);

fn main() {}
