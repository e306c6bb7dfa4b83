//! A Rust program that shares an array with `shmkit.SharedArray` of Python: each line on its standard
//! input is an order, each line on its standard output what came of it. The tests of the Python
//! package talk to it; docs/FORMAT.md has the layout.
#![expect(unsafe_code, reason = "the act of trust: the keys are the caller's")]
#![expect(clippy::print_stdout, reason = "that is how it answers")]

use std::error::Error;
use std::io;

use shmkit::key::NativeIpcKey;
use shmkit::layout::Schema;
use shmkit::sync::{Condvar, Mutex, RwLock};
use shmkit::typed::{Shared, ShmSafe};

/// What Python calls `SharedArray.create(key, (2, 3), "f4")`.
#[derive(ShmSafe)]
#[repr(C)]
struct SharedArray {
    generation: Mutex<u64>,
    changed: Condvar,
    array: RwLock<[[f32; 3]; 2]>,
}

impl SharedArray {
    fn new() -> Self {
        Self {
            generation: Mutex::new(0),
            changed: Condvar::new(),
            array: RwLock::new([[0.0; 3]; 2]),
        }
    }

    /// The sum, under the lock.
    fn sum(&self) -> shmkit::Result<f32> {
        let array = self.array.read()?.assume_recovered();
        Ok(array.iter().flatten().sum())
    }

    /// Multiplies everything, as a new generation.
    fn scale(&self, factor: f32) -> shmkit::Result<u64> {
        let mut array = self.array.write()?.assume_recovered();
        for number in array.iter_mut().flatten() {
            *number *= factor;
        }
        let mut generation = self.generation.lock()?.assume_recovered();
        *generation += 1;
        self.changed.notify_all()?;
        Ok(*generation)
    }

    /// Waits until somebody has written after this generation.
    fn wait(&self, seen: u64) -> shmkit::Result<u64> {
        let generation = self.generation.lock()?.assume_recovered();
        let waited = self.changed.wait_while(generation, |now| *now <= seen)?;
        Ok(*waited.assume_recovered())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut opened: Option<Shared<SharedArray>> = None;
    for line in io::stdin().lines() {
        let line = line?;
        let (order, argument) = line.split_once(' ').unwrap_or((&line, ""));
        let array = || opened.as_deref().ok_or("nothing is open");
        match order {
            "text" => println!("{}", Schema::of::<SharedArray>().text()),
            "open_or_init" => {
                let key = NativeIpcKey::platform_safe(argument);
                // SAFETY: whoever gives the order says that all who open this key are of this type.
                opened = Some(unsafe { Shared::open_or_init(&key, SharedArray::new) }?);
                println!("ok");
            }
            "sum" => println!("{}", array()?.sum()?),
            "scale" => println!("{}", array()?.scale(argument.parse()?)?),
            "wait" => println!("{}", array()?.wait(argument.parse()?)?),
            _ => return Err(format!("there is no order `{order}`").into()),
        }
    }
    Ok(())
}
