//! Each of the usual types that hold pointers.

use std::collections::HashMap;
use std::sync::Arc;

use shmkit::ShmSafe;

#[derive(ShmSafe)]
#[repr(C)]
struct State {
    name: String,
    history: Vec<u32>,
    shape: Box<[f64]>,
    shared: Arc<u32>,
    table: HashMap<u32, u32>,
    label: &'static str,
    samples: &'static [u8],
    parent: *const State,
    callback: extern "C" fn(u32),
    any: Box<dyn Send>,
    grid: [[String; 2]; 2],
    queue: shmkit::sync::Mutex<Vec<u8>>,
    names: shmkit::sync::RwLock<&'static str>,
    weak: std::sync::Weak<u32>,
}

fn main() {}
