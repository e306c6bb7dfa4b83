//! Enums that a torn or missing write could make invalid.

use shmkit::ShmSafe;

#[derive(ShmSafe)]
#[repr(u8)]
enum NoZero {
    One = 1,
    Two,
}

#[derive(ShmSafe)]
#[repr(u32)]
enum Tears {
    Zero,
    Many = 0x1234,
}

#[derive(ShmSafe)]
#[repr(u8)]
enum WithFields {
    Empty,
    Full(u32),
}

fn main() {}
