//! With parameters, padding shows where the type is used.

use shmkit::ShmSafe;

#[derive(ShmSafe)]
#[repr(C)]
struct Pair<A, B> {
    first: A,
    second: B,
}

const GOOD: u64 = <Pair<u64, u64> as ShmSafe>::LAYOUT_HASH;
const BAD: u64 = <Pair<u16, u64> as ShmSafe>::LAYOUT_HASH;

fn main() {
    let _ = GOOD + BAD;
}
