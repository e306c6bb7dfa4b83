//! What `#[derive(ShmSafe)]` accepts, and the layouts that it makes.
//!
//! Without unsafe code, and without anything in scope that the generated code could lean on.
#![forbid(unsafe_code)]
#![no_implicit_prelude]

use ::shmkit::layout::ShmSafe;
use ::std::marker::PhantomData;
use ::std::sync::atomic::{AtomicU32, AtomicU64};
use ::std::{assert, assert_eq, assert_ne};

#[derive(ShmSafe)]
#[repr(C)]
struct Named {
    total: AtomicU64,
    r#type: u32,
    flags: [bool; 4],
}

#[derive(ShmSafe)]
#[repr(C)]
struct Tuple(u16, i16, f32);

#[derive(ShmSafe)]
#[repr(C)]
struct Empty;

#[derive(ShmSafe)]
#[repr(transparent)]
struct Meters(f64);

#[derive(ShmSafe)]
#[repr(C, align(64))]
struct Aligned {
    words: [u64; 8],
}

#[derive(ShmSafe)]
#[repr(u8)]
#[shmkit(version = 7, name = "Colour")]
enum Color {
    Red,
    Green = 200,
    r#Box,
}

#[derive(ShmSafe)]
#[repr(i32)]
enum Wide {
    Zero,
    Most = 255,
}

#[derive(ShmSafe)]
#[repr(i8)]
enum Signed {
    Low = -128,
    Zero = 0,
}

#[derive(ShmSafe)]
#[repr(C)]
struct Grid<T, const W: usize, const H: usize = 2>
where
    T: ::std::marker::Copy,
{
    cells: [[T; W]; H],
    of: PhantomData<T>,
}

/// A type that is called as one of the standard library's.
#[derive(ShmSafe)]
#[repr(C)]
struct String {
    id: u32,
}

#[derive(ShmSafe)]
#[repr(C)]
struct Mine {
    name: self::String,
}

mod elsewhere {
    pub(crate) use ::shmkit as kit;
}

#[derive(ShmSafe)]
#[repr(C)]
#[shmkit(crate = crate::elsewhere::kit)]
struct OtherPath {
    value: u32,
}

#[test]
fn layouts_are_those_of_the_source() {
    for (layout, text) in [
        (
            Named::LAYOUT,
            "struct Named v1 16/8{total@0:atomic u64;type@8:u32;flags@12:[bool;4]}",
        ),
        (
            Tuple::LAYOUT,
            "struct Tuple v1 8/4{0@0:u16;1@2:i16;2@4:f32}",
        ),
        (Empty::LAYOUT, "struct Empty v1 0/1{}"),
        (Meters::LAYOUT, "struct Meters v1 8/8{0@0:f64}"),
        (Aligned::LAYOUT, "struct Aligned v1 64/64{words@0:[u64;8]}"),
        (Color::LAYOUT, "enum Colour v7 u8{Red=0;Green=200;Box=201}"),
        (Wide::LAYOUT, "enum Wide v1 i32{Zero=0;Most=255}"),
        (Signed::LAYOUT, "enum Signed v1 i8{Low=-128;Zero=0}"),
        (
            Grid::<u16, 3>::LAYOUT,
            "struct Grid v1 12/2{cells@0:[[u16;3];2];of@12:()}",
        ),
        (
            Mine::LAYOUT,
            "struct Mine v1 4/4{name@0:struct String v1 4/4{id@0:u32}}",
        ),
        (OtherPath::LAYOUT, "struct OtherPath v1 4/4{value@0:u32}"),
    ] {
        assert_eq!(layout.text(), text);
    }
}

#[test]
fn types_with_the_same_bytes_and_another_name_differ() {
    #[derive(ShmSafe)]
    #[repr(transparent)]
    struct Feet(f64);

    assert_ne!(Meters::LAYOUT_HASH, Feet::LAYOUT_HASH);
    assert_ne!(Meters::LAYOUT_HASH, f64::LAYOUT_HASH);
}

#[test]
fn atomics_anywhere_in_a_type_are_written_unchecked() {
    const { assert!(Named::WRITES_UNCHECKED) };
    const { assert!(!Tuple::WRITES_UNCHECKED) };
    #[derive(ShmSafe)]
    #[repr(C)]
    struct Deep(Grid<u8, 4>, [Tuple; 2], [[AtomicU32; 1]; 1]);
    const { assert!(Deep::WRITES_UNCHECKED) };
}
