//! What shmkit's tests share: names that do not clash and clean up after themselves, child
//! processes that wait for a word instead of a sleep, a real PyQt6 process to talk to, deadlines.
//!
//! Nothing here knows shmkit: it deals in strings, and the tests make keys of them.
//!
//! A child is a *role*: an ignored test of the same test binary, run again by its name.
//!
//! ```no_run
//! #[test]
//! #[ignore = "child role"]
//! fn role_greeter() {
//!     let Some(me) = shmkit_testkit::role() else { return };
//!     me.say(format_args!("hello {}", me.arg()));
//!     me.park();
//! }
//!
//! #[test]
//! fn a_greeter_greets() {
//!     let mut greeter = shmkit_testkit::spawn("greetings::role_greeter", "world");
//!     greeter.expect("hello world");
//!     greeter.kill();
//! }
//! ```

mod child;
mod deadline;
mod files;
mod names;
mod nursery;
mod python;
mod qt;
mod role;

pub use child::{Child, PATIENCE, launch, under};
pub use deadline::{Deadline, deadline};
pub use files::{rust_files, workspace_root};
pub use names::{Cleanup, Scratch, unique_name};
pub use nursery::start_here;
pub use python::{python, python_command, spawn_python};
pub use qt::{QtError, QtPeer};
#[cfg(unix)]
pub use role::die;
pub use role::{
    Role, is_emulated, other_build_command, program, role, role_command, spawn, spawn_with,
};
