//! A destructor.

use shmkit::ShmSafe;

#[derive(ShmSafe)]
#[repr(C)]
struct Counter {
    value: u32,
}

impl Drop for Counter {
    fn drop(&mut self) {}
}

fn main() {}
