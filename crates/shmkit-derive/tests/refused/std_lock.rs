//! A lock of the standard library under a name that shmkit has, too.

use std::sync::Mutex;

use shmkit::ShmSafe;

#[derive(ShmSafe)]
#[repr(C)]
struct State {
    lock: Mutex<u32>,
}

fn main() {}
