//! Attributes that say nothing.

use shmkit::ShmSafe;

#[derive(ShmSafe)]
#[repr(C)]
#[shmkit(versoin = 2)]
struct Misspelt {
    value: u32,
}

#[derive(ShmSafe)]
#[repr(C)]
#[shmkit(version = -1)]
struct Negative {
    value: u32,
}

#[derive(ShmSafe)]
#[repr(C)]
#[shmkit(name = "my type")]
struct Spaced {
    value: u32,
}

#[derive(ShmSafe)]
#[repr(C)]
struct OnAField {
    #[shmkit(version = 2)]
    value: u32,
}

fn main() {}
