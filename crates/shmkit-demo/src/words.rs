//! What the parent and its children say to each other: a line of JSON each, over the pipes.
//! `reader.py` speaks this too.

use std::io::{self, Write as _};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::tally::Figures;

/// From the parent.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub(crate) enum Order {
    /// To the writer: write the next frames of a film of `of`, as far as this one.
    Write { through: u64, of: u64 },
    /// To a reader: there is a new frame.
    Look,
    /// To a reader: take the lock and keep it.
    Hold,
    /// To all: detach, and end.
    Leave,
}

/// From a child.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "word", rename_all = "snake_case")]
pub(crate) enum Word {
    /// It is attached to the segment.
    Attached,
    /// A frame is in the segment.
    Wrote { number: u64 },
    /// It has the lock and keeps it.
    Holding { figures: Figures },
    /// It got the lock and was told that the one before died with it.
    OwnerDied,
    /// It is detached, and was the last one or not.
    Left { removed: bool, figures: Figures },
}

/// Says one word to the parent.
pub(crate) fn say(word: &Word) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(word)?)?;
    Ok(out.flush()?)
}

/// The parent's orders, until it closes the pipe or is dead.
pub(crate) fn orders() -> impl Iterator<Item = Result<Order>> {
    io::stdin()
        .lines()
        .map(|line| Ok(serde_json::from_str(&line?)?))
}

/// Does nothing until the parent closes the pipe, kills this process or is dead.
pub(crate) fn park() {
    io::stdin().lines().map_while(Result::ok).for_each(drop);
}
