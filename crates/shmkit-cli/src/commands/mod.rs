//! One file for each command.

pub(crate) mod completions;
pub(crate) mod create;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod dump;
pub(crate) mod events;
mod facts;
pub(crate) mod get;
pub(crate) mod holders;
pub(crate) mod info;
pub(crate) mod key;
pub(crate) mod lock;
pub(crate) mod ls;
pub(crate) mod man;
pub(crate) mod put;
mod reading;
pub(crate) mod reap;
mod rendezvous;
pub(crate) mod rm;
pub(crate) mod serve;
pub(crate) mod top;
mod typed;
pub(crate) mod wait;

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use shmkit::{Detached, Lifetime, Options, SharedMemory, inspect};

use crate::args::New;
use crate::output;
use crate::signals::End;
use facts::Facts;

/// Makes a segment as `create` and `put` are told to, prints its key, and holds it if it is to be
/// held.
fn make(new: &New, make: impl FnOnce(&Options) -> Result<SharedMemory>) -> Result<ExitCode> {
    let mut options = SharedMemory::options();
    options.mode(new.mode);
    if !new.hold {
        options.lifetime(Lifetime::Kept);
    }
    // Before the segment is there, since whoever sees it may end us.
    let end = match new.hold {
        true => Some(End::expect().context("cannot wait for signals")?),
        false => None,
    };
    let segment = make(&options)?;
    let key = segment.key().cloned().context("the segment has no key")?;
    match new.json {
        true => output::json(&Facts::of(&inspect::info(&key)?))?,
        false => output::line(&output::shown(&key.to_string()))?,
    }
    if let Some(end) = end {
        end.wait();
        if segment.detach()? == Detached::Remains && inspect::info(&key).is_ok() {
            output::message("others are still attached; the last one of them removes the segment");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A user that is given by name or number.
fn user(text: &str) -> Result<u32> {
    let by_name = || inspect::user_number(text);
    let number = text.parse().ok().or_else(by_name);
    number.with_context(|| format!("there is no user {text}"))
}
