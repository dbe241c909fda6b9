//! Columns of text, aligned with spaces.

use crate::cli::ui::printable;

/// Lays rows out in columns, `gap` spaces apart; the last column is not padded unless `pad_last`.
///
/// Each cell is made printable first, so that a name cannot steer the terminal.
pub fn columns(rows: &[Vec<String>], gap: usize, pad_last: bool) -> String {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| printable(cell)).collect()).collect();
    let widths = widths(&rows);
    let mut text = String::new();
    for row in &rows {
        for (index, (cell, width)) in row.iter().zip(&widths).enumerate() {
            text.push_str(cell);
            if pad_last || index + 1 < row.len() {
                let missing = width.saturating_sub(cell.chars().count()) + gap;
                text.extend(std::iter::repeat_n(' ', missing));
            }
        }
        text.push('\n');
    }
    text
}

/// Aligns cells that end with a tab as Go's `text/tabwriter` does with docker's settings: a column
/// is three wider than its widest cell and at least ten wide, and ends where a line has no such
/// cell.
pub fn tab_stops(text: &str) -> String {
    let mut lines: Vec<(String, Vec<&str>)> =
        text.split('\n').map(|line| (String::new(), line.split('\t').collect())).collect();
    align(&mut lines, 0);
    let last = |(aligned, cells): &(String, Vec<&str>)| {
        format!("{aligned}{}", cells.last().copied().unwrap_or_default())
    };
    lines.iter().map(last).collect::<Vec<_>>().join("\n")
}

/// Aligns one column and those behind it, block by block.
fn align(lines: &mut [(String, Vec<&str>)], column: usize) {
    let has_cell = |(_, cells): &(String, Vec<&str>)| cells.len() > column + 1;
    for block in lines.chunk_by_mut(|a, b| has_cell(a) == has_cell(b)) {
        if !block.first().is_some_and(has_cell) {
            continue;
        }
        let cells = block.iter().filter_map(|(_, cells)| cells.get(column));
        let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or_default();
        let width = (widest + 3).max(10);
        for (aligned, cells) in &mut *block {
            let cell = cells.get(column).copied().unwrap_or_default();
            aligned.push_str(cell);
            aligned.extend(std::iter::repeat_n(' ', width - cell.chars().count()));
        }
        align(block, column + 1);
    }
}

fn widths(rows: &[Vec<String>]) -> Vec<usize> {
    let mut widths = Vec::new();
    for row in rows {
        for (index, cell) in row.iter().enumerate() {
            let width = cell.chars().count();
            match widths.get_mut(index) {
                Some(widest) => *widest = width.max(*widest),
                None => widths.push(width),
            }
        }
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> Vec<String> {
        cells.iter().map(|cell| (*cell).to_owned()).collect()
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [row(&["ROLE", "ID"]), row(&["root", "1"]), row(&["targets", "22"])];
        assert_eq!(columns(&rows, 2, false), "ROLE     ID\nroot     1\ntargets  22\n");
    }

    #[test]
    fn a_cell_cannot_steer_the_terminal() {
        assert_eq!(columns(&[row(&["a\x1b[31m\nb"])], 1, false), "a\\u{1b}[31m\\nb\n");
    }
}
