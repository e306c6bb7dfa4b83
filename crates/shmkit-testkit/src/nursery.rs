//! Where children are born: one thread that lives as long as the process.
//!
//! On Linux a child can ask to be killed when its parent dies, but the kernel takes the *thread*
//! that started it for its parent. A test that starts a child in a short-lived thread would
//! lose it, so one thread starts them all.

use std::io;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::mpsc::{self, Sender};
use std::thread;

type Order = (Command, Sender<io::Result<Child>>);

/// Starts `command` in the thread that starts all of them.
pub(crate) fn start(command: Command) -> io::Result<Child> {
    static NURSERY: OnceLock<Sender<Order>> = OnceLock::new();
    let nursery = NURSERY.get_or_init(|| {
        let (nursery, orders) = mpsc::channel::<Order>();
        thread::Builder::new()
            .name("nursery".into())
            .spawn(move || {
                for (mut command, reply) in orders {
                    _ = reply.send(start_here(&mut command));
                }
            })
            .expect("a thread");
        nursery
    });
    let (reply, born) = mpsc::channel();
    nursery
        .send((command, reply))
        .expect("the nursery never ends");
    born.recv().expect("the nursery answers every order")
}

/// Starts `command` as [`Command::spawn`] does.
///
/// # Errors
/// When it cannot be started.
#[cfg(not(windows))]
pub fn start_here(command: &mut Command) -> io::Result<Child> {
    command.spawn()
}

/// Starts `command` as [`Command::spawn`] does, and once more if Wine could not.
///
/// Wine 8 on a busy machine sometimes has a process that ends before it has begun, and then says
/// that there was an internal error. None of the program has run by then, so another one may.
///
/// # Errors
/// When it cannot be started.
#[cfg(windows)]
pub fn start_here(command: &mut Command) -> io::Result<Child> {
    const ERROR_INTERNAL_ERROR: i32 = 1359;
    const ATTEMPTS: usize = 10;
    for _ in 1..ATTEMPTS {
        match command.spawn() {
            Err(error) if error.raw_os_error() == Some(ERROR_INTERNAL_ERROR) => {}
            born => return born,
        }
    }
    command.spawn()
}
