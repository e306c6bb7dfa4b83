//! A field's type that does not say that it may.

use shmkit::ShmSafe;

#[repr(C)]
struct Point {
    x: f32,
    y: f32,
}

#[derive(ShmSafe)]
#[repr(C)]
struct Line {
    from: Point,
    length: f64,
}

#[derive(ShmSafe)]
#[repr(C)]
struct Polygon {
    corners: [[Point; 2]; 8],
}

#[derive(ShmSafe)]
#[repr(C)]
struct Cell<T> {
    value: T,
}

#[derive(ShmSafe)]
#[repr(C)]
struct Board {
    cell: Cell<Point>,
}

fn main() {}
