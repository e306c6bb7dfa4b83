//! Without a `repr`, or with one of no use.

use shmkit::ShmSafe;

#[derive(ShmSafe)]
struct Plain {
    value: u32,
}

#[derive(ShmSafe)]
#[repr(C, packed)]
struct Packed {
    kind: u8,
    value: u32,
}

#[derive(ShmSafe)]
enum Mode {
    Idle,
}

#[derive(ShmSafe)]
#[repr(C)]
enum CMode {
    Idle,
}

#[derive(ShmSafe)]
#[repr(usize)]
enum Wide {
    Idle,
}

#[derive(ShmSafe)]
#[repr(C)]
union Either {
    int: u32,
    float: f32,
}

fn main() {}
