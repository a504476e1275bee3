//! Tables and tones: how answers look.

use std::collections::BTreeSet;

use anstyle::{AnsiColor, Style};
use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, CellAlignment, Color, ColumnConstraint, ContentArrangement};

/// Between two columns.
const GAP: u16 = 2;

/// What the widest column needs at least.
const READABLE: u16 = 24;

/// How much a reader's device can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Plain aligned text, every row on one line.
    Piped,
    /// A terminal without colour.
    Plain,
    /// A terminal.
    Coloured,
}

/// What a text means, which is what its colour says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Nothing special.
    #[default]
    Plain,
    /// As it should be.
    Good,
    /// Waits for somebody, or may go wrong.
    Warn,
    /// Has gone wrong.
    Bad,
    /// Less important.
    Faint,
    /// More important.
    Strong,
}

impl Tone {
    /// `text` in this tone.
    pub(super) fn paint(self, text: &str, look: Look) -> String {
        let style = match self {
            Self::Good => Style::new().fg_color(Some(AnsiColor::Green.into())),
            Self::Warn => Style::new().fg_color(Some(AnsiColor::Yellow.into())),
            Self::Bad => Style::new().fg_color(Some(AnsiColor::Red.into())).bold(),
            Self::Faint => Style::new().dimmed(),
            Self::Strong => Style::new().bold(),
            Self::Plain => return text.to_owned(),
        };
        if look == Look::Coloured { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    fn dress(self, cell: comfy_table::Cell) -> comfy_table::Cell {
        match self {
            Self::Plain => cell,
            Self::Good => cell.fg(Color::Green),
            Self::Warn => cell.fg(Color::Yellow),
            Self::Bad => cell.fg(Color::Red).add_attribute(Attribute::Bold),
            Self::Faint => cell.add_attribute(Attribute::Dim),
            Self::Strong => cell.add_attribute(Attribute::Bold),
        }
    }
}

/// One cell of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    text: String,
    tone: Tone,
    number: bool,
}

impl Cell {
    /// A text in its tone.
    pub fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: printable(&text.into()), tone, number: false }
    }

    /// A number, which stands to the right.
    pub fn number(number: impl std::fmt::Display) -> Self {
        Self { text: number.to_string(), tone: Tone::Plain, number: true }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::toned(text, Tone::Plain)
    }
}

/// What HR or a system wrote must not steer the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A table with its headings.
#[derive(Clone, Debug, Default)]
pub struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// An empty one.
    pub fn new(headings: impl IntoIterator<Item = &'static str>) -> Self {
        Self { headings: headings.into_iter().collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The columns that are not broken on a screen of this width: narrow ones first, as long as what is left can be
    /// read. Names and times in pieces are worse than prose on one line more.
    fn kept_whole(&self, screen: u16) -> BTreeSet<usize> {
        let mut columns: Vec<usize> = (0..self.headings.len()).collect();
        columns.sort_by_key(|index| self.width(*index));
        let widest = columns.pop();
        let mut left = screen.saturating_sub(widest.map_or(0, |widest| READABLE.min(self.width(widest) + GAP)));
        let mut kept = BTreeSet::new();
        for index in columns {
            let width = self.width(index) + GAP;
            if width > left {
                break;
            }
            left -= width;
            kept.insert(index);
        }
        kept
    }

    /// How wide the widest cell of a column is.
    fn width(&self, column: usize) -> u16 {
        let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.text.chars().count());
        let heading = self.headings.get(column).map(|heading| heading.chars().count());
        u16::try_from(cells.chain(heading).max().unwrap_or(0)).unwrap_or(u16::MAX - GAP)
    }

    /// The whole table as text, every line ended.
    pub(super) fn render(&self, look: Look) -> String {
        let mut table = comfy_table::Table::new();
        table.load_style(NOTHING);
        table.set_content_arrangement(match look {
            Look::Piped => ContentArrangement::Disabled,
            Look::Plain | Look::Coloured => ContentArrangement::Dynamic,
        });
        match look {
            Look::Coloured => table.enforce_styling(),
            Look::Piped | Look::Plain => table.force_no_tty(),
        };
        table.set_header(
            self.headings.iter().map(|heading| Tone::Strong.dress(comfy_table::Cell::new(heading.to_uppercase()))),
        );
        for row in &self.rows {
            table.add_row(row.iter().map(|cell| {
                let dressed = cell.tone.dress(comfy_table::Cell::new(&cell.text));
                if cell.number { dressed.set_alignment(CellAlignment::Right) } else { dressed }
            }));
        }
        let kept = if look == Look::Piped { BTreeSet::new() } else { self.kept_whole(table.width().unwrap_or(80)) };
        for (index, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, GAP));
            if kept.contains(&index) {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(["run", "state", "steps"]);
        table.row(["run_1".into(), Cell::toned("done", Tone::Good), Cell::number(7)]);
        table.row(["run_23\u{1b}[31m\n".into(), Cell::toned("failed", Tone::Bad), Cell::number(12)]);
        table
    }

    #[test]
    fn piped_tables_are_plain_aligned_text() {
        let expected = "RUN             STATE   STEPS\nrun_1           done        7\nrun_23 [31m     failed     12\n";
        let text = table().render(Look::Piped);
        assert!(!text.contains('\u{1b}'), "{text:?}");
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(&text), words(expected));
        let starts: Vec<_> = text.lines().map(|line| line.find(['S', 'd', 'f'])).collect();
        assert!(starts.iter().all(|at| *at == starts[0]), "{text}");
    }

    #[test]
    fn on_a_narrow_screen_prose_is_broken_and_names_are_not() {
        let mut table = Table::new(["step", "when", "what we know"]);
        let prose = "acknowledged: the system says that it is done, and it cannot be read back ".repeat(2);
        table.row(["revoke-app-passwords@directory".into(), "2027-01-29 18:00".into(), prose.into()]);
        assert_eq!(table.kept_whole(80), [0, 1].into());
        assert_eq!(table.kept_whole(60), [1].into(), "what is left must be readable");
        assert_eq!(table.kept_whole(10), BTreeSet::new());
    }

    #[test]
    fn colour_is_for_coloured_terminals() {
        assert!(table().render(Look::Coloured).contains("\u{1b}["));
        assert_eq!(Tone::Bad.paint("x", Look::Plain), "x");
        assert!(Tone::Bad.paint("x", Look::Coloured).contains("\u{1b}["));
    }
}
