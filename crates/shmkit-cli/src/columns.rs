//! Tables whose columns are left out where the terminal is too narrow, the least important first,
//! so that those that remain can be read.

use comfy_table::{Cell, Color, ColumnConstraint, Table};

use crate::output;

/// A column's title and how it is shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    title: &'static str,
    /// Columns of the lowest numbers go first.
    rank: u32,
    is_number: bool,
    /// It may be cut, down to this width.
    least: Option<usize>,
}

impl Column {
    pub(crate) const fn text(title: &'static str, rank: u32) -> Self {
        Self {
            title,
            rank,
            is_number: false,
            least: None,
        }
    }

    pub(crate) const fn number(title: &'static str, rank: u32) -> Self {
        Self {
            is_number: true,
            ..Self::text(title, rank)
        }
    }

    /// A text that may be cut down to this width.
    pub(crate) const fn cut(title: &'static str, rank: u32, least: usize) -> Self {
        Self {
            least: Some(least),
            ..Self::text(title, rank)
        }
    }
}

/// A row's texts, fit to be shown, one for each column, and perhaps a colour for one of them.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) texts: Vec<String>,
    pub(crate) colour: Option<(usize, Color)>,
}

/// The text of the table. `width` is that of the terminal; without one nothing is cut.
pub(crate) fn render(columns: &[Column], lines: &[Line], width: Option<u16>) -> String {
    let widest = |index: usize| {
        let texts = lines.iter().map(|line| line.texts[index].chars().count());
        texts.max().unwrap_or(0).max(columns[index].title.len())
    };
    let widths: Vec<usize> = (0..columns.len()).map(widest).collect();
    let shown = match width {
        Some(width) => fitting(columns, &widths, width.into()),
        None => (0..columns.len()).collect(),
    };
    let mut table: Table = output::table();
    table.set_header(output::row(
        shown
            .iter()
            .map(|&index| cell(columns[index].title, columns[index])),
    ));
    let is_coloured = output::is_coloured();
    for line in lines {
        table.add_row(output::row(shown.iter().map(|&index| {
            let cell = cell(&line.texts[index], columns[index]);
            match line.colour {
                Some((at, colour)) if at == index && is_coloured => cell.fg(colour),
                _ => cell,
            }
        })));
    }
    for (column, &index) in table.column_iter_mut().zip(&shown) {
        if columns[index].least.is_none() {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    output::render(table)
}

fn cell(text: &str, column: Column) -> Cell {
    match column.is_number {
        true => output::number(text),
        false => Cell::new(text),
    }
}

/// The columns that fit into the width, in their order.
fn fitting(columns: &[Column], widths: &[usize], width: usize) -> Vec<usize> {
    let mut shown: Vec<usize> = (0..columns.len()).collect();
    let needed = |shown: &[usize]| -> usize {
        let each = shown.iter().map(|&index| match columns[index].least {
            Some(least) => widths[index].min(least),
            None => widths[index],
        });
        each.sum::<usize>() + 2 * shown.len().saturating_sub(1)
    };
    while needed(&shown) > width && shown.len() > 1 {
        let least = shown
            .iter()
            .enumerate()
            .min_by_key(|&(_, &index)| columns[index].rank)
            .map(|(at, _)| at);
        shown.remove(least.expect("there is more than one"));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 4] = [
        Column::text("TYPE", 1),
        Column::cut("KEY", 9, 8),
        Column::number("SIZE", 3),
        Column::text("STATE", 4),
    ];

    #[test]
    fn the_least_important_columns_go_first() {
        let widths = [7, 30, 8, 7];
        let fit = |width| fitting(&COLUMNS, &widths, width);
        assert_eq!(fit(80), [0, 1, 2, 3]);
        assert_eq!(fit(7 + 8 + 8 + 7 + 6), [0, 1, 2, 3]);
        assert_eq!(fit(7 + 8 + 8 + 7 + 5), [1, 2, 3]);
        assert_eq!(fit(20), [1, 3]);
        assert_eq!(fit(1), [1]);
    }

    #[test]
    fn everything_is_there_without_a_terminal() {
        let line = Line {
            texts: ["posix", "posix:/a-long-name", "64 KiB", "live"]
                .map(str::to_owned)
                .to_vec(),
            colour: None,
        };
        let text = render(&COLUMNS, &[line], None);
        assert_eq!(
            text,
            "TYPE   KEY                   SIZE  STATE\nposix  posix:/a-long-name  64 KiB  live\n"
        );
    }
}
