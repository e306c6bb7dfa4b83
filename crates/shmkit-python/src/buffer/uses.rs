//! Who still looks at a mapping, so that an error can name them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is alive of a mapping, each described in words.
#[derive(Debug, Default)]
pub(crate) struct Uses(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    last: u64,
    alive: BTreeMap<u64, String>,
}

/// One of them; it is no more when this is dropped.
#[derive(Debug)]
pub(crate) struct Use {
    of: Arc<Uses>,
    number: u64,
}

impl Uses {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn begin(self: &Arc<Self>, what: impl Into<String>) -> Use {
        let mut table = self.table();
        table.last += 1;
        let number = table.last;
        table.alive.insert(number, what.into());
        Use {
            of: Arc::clone(self),
            number,
        }
    }

    pub(crate) fn are_none(&self) -> bool {
        self.table().alive.is_empty()
    }

    /// All of them in words, the oldest first; of many, how many more there are.
    pub(crate) fn in_words(&self) -> String {
        const MOST: usize = 8;
        let table = self.table();
        let mut words: Vec<&str> = table
            .alive
            .values()
            .take(MOST)
            .map(String::as_str)
            .collect();
        let more = table.alive.len() - words.len();
        let more = format!("{more} more");
        if table.alive.len() > MOST {
            words.push(&more);
        }
        words.join(", ")
    }
}

impl Use {
    /// What it is, once that is known better.
    pub(crate) fn is(&self, what: String) {
        self.of.table().alive.insert(self.number, what);
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        self.of.table().alive.remove(&self.number);
    }
}
