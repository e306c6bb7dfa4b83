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
                    _ = reply.send(command.spawn());
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
