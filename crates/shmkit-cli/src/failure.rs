//! What went wrong, in words and as an exit code.

use std::io;
use std::process::ExitCode;

use anyhow::Error;
use shmkit::ErrorKind;

use crate::output;

/// The answer is no: there is no such segment, it exists already, it is in use, its lock is held.
pub(crate) const NO: u8 = 1;

/// It could not be done.
pub(crate) const ERROR: u8 = 2;

/// Says what went wrong, and answers the exit code.
pub(crate) fn report(error: &Error) -> ExitCode {
    // Who reads our output has read enough.
    if is_broken_pipe(error) {
        return ExitCode::SUCCESS;
    }
    say(error);
    code(error).into()
}

/// Says what went wrong: the whole chain of causes in one line, and what can be done in another.
pub(crate) fn say(error: &Error) {
    let mut causes: Vec<String> = Vec::new();
    let mut hint = None;
    for cause in error.chain() {
        let mut text = cause.to_string();
        if let Some(help) = cause.downcast_ref::<shmkit::Error>().and_then(|e| e.help()) {
            // The library puts its advice at the end of its one line.
            if let Some(rest) = text.strip_suffix(help) {
                text = rest.trim_end_matches("; ").to_owned();
            }
            hint.get_or_insert(help);
        }
        // An error that tells its cause itself does not need to be told twice.
        if !causes.last().is_some_and(|last| last.ends_with(&text)) {
            causes.push(text);
        }
    }
    output::message(&causes.join(": "));
    if let Some(hint) = hint {
        output::hint(hint);
    }
}

/// The exit code of an error.
pub(crate) fn code(error: &Error) -> u8 {
    let kind = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<shmkit::Error>())
        .map(shmkit::Error::kind);
    match kind {
        Some(
            ErrorKind::NotFound
            | ErrorKind::AlreadyExists
            | ErrorKind::InUse
            | ErrorKind::TimedOut
            | ErrorKind::WouldBlock,
        ) => NO,
        _ => ERROR,
    }
}

fn is_broken_pipe(error: &Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}
