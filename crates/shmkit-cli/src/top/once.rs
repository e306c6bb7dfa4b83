//! The table once, where nothing can be drawn on.

use anyhow::Result;
use comfy_table::Cell;
use shmkit::inspect::{Filter, SortBy};

use super::look::{Eyes, Wish};
use super::row::{CHANGED, COLUMNS, Closer, Row};
use crate::args::Top;
use crate::output;

pub(super) fn print(filter: &Filter, args: &Top) -> Result<()> {
    let mut eyes = Eyes::new(filter.clone());
    let mut wish = Wish {
        changes: args.changes,
        ..Wish::default()
    };
    let first = eyes.look(&wish)?;
    wish.shown = first.segments.iter().map(|it| it.place.clone()).collect();
    let mut seen = eyes.look(&wish)?;
    if args.changes {
        // Changes are those between two looks.
        std::thread::sleep(args.interval);
        seen = eyes.look(&wish)?;
    }
    SortBy::from(args.sort).sort(&mut seen.segments);
    if args.reverse {
        seen.segments.reverse();
    }
    if seen.segments.is_empty() {
        output::message("there are no such segments");
        return Ok(());
    }
    let columns: Vec<usize> = (0..COLUMNS.len())
        .filter(|&column| column != CHANGED || args.changes)
        .collect();
    let mut table = output::table();
    table.set_header(output::row(
        columns.iter().map(|&it| Cell::new(COLUMNS[it].0)),
    ));
    let none = Closer::default();
    for segment in &seen.segments {
        let closer = seen.closer.get(&segment.place).unwrap_or(&none);
        let row = Row::new(segment, closer);
        table.add_row(output::row(
            columns.iter().map(|&it| Cell::new(&row.texts[it])),
        ));
    }
    output::print(&output::render(table))
}
