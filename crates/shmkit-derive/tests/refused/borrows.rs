//! A lifetime.

use std::marker::PhantomData;

use shmkit::ShmSafe;

#[derive(ShmSafe)]
#[repr(C)]
struct Borrows<'a> {
    what: PhantomData<&'a u32>,
}

fn main() {}
