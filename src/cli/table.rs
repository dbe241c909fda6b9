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
