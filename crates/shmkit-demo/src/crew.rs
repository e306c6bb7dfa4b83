//! The child processes: started, talked to over pipes, killed, seen off.
//!
//! They live away from the terminal, so that Ctrl-C only reaches the parent, which clears up. If
//! the parent is killed, their pipes break, and they leave by themselves.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};

use crate::spawn::spawn;
use crate::words::{Order, Word};

/// How long all children together may be silent.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which child.
pub(crate) type Index = usize;

/// Child processes; killed when dropped.
#[derive(Debug)]
pub(crate) struct Crew {
    members: Vec<Member>,
    heard: Receiver<Heard>,
    ears: Sender<Heard>,
}

#[derive(Debug)]
struct Member {
    name: String,
    process: Child,
    orders: Option<ChildStdin>,
}

/// What happened that the parent must know.
#[derive(Debug)]
enum Heard {
    /// Something came out of a child's pipe.
    Line {
        from: Index,
        at: Instant,
        /// `None` when the pipe is closed.
        line: Option<String>,
    },
    /// Somebody wants all this to end.
    CtrlC,
}

/// A word of a child, and when it was heard.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) from: Index,
    pub(crate) at: Instant,
    pub(crate) word: Word,
}

impl Crew {
    /// Nobody yet. From now on Ctrl-C makes [`hear`](Self::hear) fail.
    pub(crate) fn new() -> Result<Self> {
        let (ears, heard) = mpsc::channel();
        let crew = Self {
            members: Vec::new(),
            heard,
            ears: ears.clone(),
        };
        ctrlc::set_handler(move || _ = ears.send(Heard::CtrlC))?;
        Ok(crew)
    }

    /// Starts a child; they are counted from 0.
    pub(crate) fn start(&mut self, name: &str, mut command: Command) -> Result<Index> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process =
            spawn(&mut command).with_context(|| format!("cannot start the {name}"))?;
        let from = self.members.len();
        let ears = self.ears.clone();
        let words = BufReader::new(process.stdout.take().context("the child has no pipe")?);
        thread::spawn(move || {
            let lines = words.lines().map_while(Result::ok).map(Some);
            for line in lines.chain([None]) {
                let at = Instant::now();
                if ears.send(Heard::Line { from, at, line }).is_err() {
                    return;
                }
            }
        });
        self.members.push(Member {
            name: name.to_owned(),
            orders: process.stdin.take(),
            process,
        });
        Ok(from)
    }

    pub(crate) fn name(&self, index: Index) -> &str {
        &self.members[index].name
    }

    pub(crate) fn pid(&self, index: Index) -> u32 {
        self.members[index].process.id()
    }

    /// Gives an order to one child.
    pub(crate) fn tell(&mut self, index: Index, order: Order) -> Result<()> {
        let member = &mut self.members[index];
        let Some(orders) = &mut member.orders else {
            bail!("the {} is gone", member.name);
        };
        let line = serde_json::to_string(&order)?;
        writeln!(orders, "{line}")
            .map_err(|error| anyhow!("the {} does not listen: {error}", member.name))
    }

    /// Waits for the next word of any child.
    pub(crate) fn hear(&mut self) -> Result<Message> {
        loop {
            let (from, at, line) = match self.heard.recv_timeout(PATIENCE) {
                Ok(Heard::Line { from, at, line }) => (from, at, line),
                Ok(Heard::CtrlC) => bail!("stopped"),
                Err(RecvTimeoutError::Timeout) => bail!("heard nothing for {PATIENCE:?}"),
                Err(RecvTimeoutError::Disconnected) => unreachable!("`ears` keeps it open"),
            };
            let member = &mut self.members[from];
            let name = &member.name;
            match line {
                Some(line) => {
                    let word = serde_json::from_str(&line)
                        .with_context(|| format!("the {name} said {line:?}"))?;
                    return Ok(Message { from, at, word });
                }
                None if member.orders.is_none() => {}
                None => bail!("the {name} ended too early: {}", member.process.wait()?),
            }
        }
    }

    /// Kills a child and says when.
    pub(crate) fn kill(&mut self, index: Index) -> Result<Instant> {
        let member = &mut self.members[index];
        member.orders = None;
        let at = Instant::now();
        member.process.kill()?;
        member.process.wait()?;
        Ok(at)
    }

    /// Waits for the end of a child that has left.
    pub(crate) fn see_off(&mut self, index: Index) -> Result<()> {
        let member = &mut self.members[index];
        member.orders = None;
        let status = member.process.wait()?;
        if !status.success() {
            bail!("the {} failed: {status}", member.name);
        }
        Ok(())
    }

    /// Kills all who are still there.
    pub(crate) fn disband(&mut self) {
        for member in &mut self.members {
            member.orders = None;
            // Those that are gone already cannot be killed, and that is fine.
            _ = member.process.kill();
            _ = member.process.wait();
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.disband();
    }
}
