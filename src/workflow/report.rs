//! The list of findings while a file is read, and the small readers that add to it.
//!
//! Nothing here stops at the first mistake: a reader notes what is wrong and gives `None`, and reading goes on.

use super::codes::Code;
use super::diagnostic::{Diagnostic, Pos, Severity};
use super::yaml::{Entry, Node, Yaml};

/// Most findings of one file; the rest is not worth reading before these are mended.
const MAX_FINDINGS: usize = 100;

/// The findings of one file so far.
#[derive(Debug)]
pub(super) struct Report<'t> {
    file: &'t str,
    lines: Vec<&'t str>,
    found: Vec<Diagnostic>,
}

impl<'t> Report<'t> {
    /// Starts a list for `file`, whose text is `text`.
    pub(super) fn new(file: &'t str, text: &'t str) -> Self {
        Self { file, lines: text.lines().collect(), found: Vec::new() }
    }

    /// Notes a mistake.
    pub(super) fn error(&mut self, pos: Pos, code: Code, message: impl Into<String>) -> &mut Diagnostic {
        self.add(pos, Severity::Error, code, message.into())
    }

    /// Notes a warning.
    pub(super) fn warning(&mut self, pos: Pos, code: Code, message: impl Into<String>) -> &mut Diagnostic {
        self.add(pos, Severity::Warning, code, message.into())
    }

    fn add(&mut self, pos: Pos, severity: Severity, code: Code, message: String) -> &mut Diagnostic {
        self.found.truncate(MAX_FINDINGS);
        let kept = self.found.len() < MAX_FINDINGS;
        let (file, Pos { line, column, width }) = (self.file.to_owned(), self.within(pos));
        let source_line = self.lines.get(line - 1).filter(|_| kept).copied().unwrap_or_default().to_owned();
        let index = self.found.len();
        let suggestion = None;
        self.found.push(Diagnostic { file, line, column, width, severity, code, message, source_line, suggestion });
        &mut self.found[index]
    }

    /// The place as an editor has it: what lies behind the text, where something is missing, is its end.
    fn within(&self, pos: Pos) -> Pos {
        let end = |line: usize| self.lines.get(line - 1).map_or(1, |text| text.chars().count() + 1);
        let last = self.lines.len().max(1);
        match pos {
            Pos { line: 0, .. } => Pos { line: 1, column: 1, width: 1 },
            Pos { line, .. } if line > last => Pos { line: last, column: end(last), width: 1 },
            Pos { line, column, width } => Pos { line, column: column.clamp(1, end(line)), width },
        }
    }

    /// Notes a name that is not known: `unknown action `x`, did you mean `y`?`
    pub(super) fn unknown(&mut self, pos: Pos, code: Code, what: &str, name: &str, known: &[&str]) {
        self.suggest(pos, code, format!("unknown {what} `{name}`"), name, known);
    }

    fn suggest(&mut self, pos: Pos, code: Code, message: String, name: &str, known: &[&str]) {
        match nearest(name, known) {
            Some(near) => self
                .error(pos, code, format!("{message}, did you mean `{near}`?"))
                .help(format!("replace it with `{near}`")),
            None if known.is_empty() => self.error(pos, code, message).help("none is declared in this file"),
            None => self.error(pos, code, message).help(format!("known are: {}", known.join(", "))),
        };
    }

    /// The place of `needle` on the line of `pos`, from there on; `pos` itself where it is not found.
    pub(super) fn locate(&self, pos: Pos, needle: &str) -> Pos {
        let line = self.lines.get(pos.line.saturating_sub(1)).copied().unwrap_or_default();
        let start = line.char_indices().nth(pos.column.saturating_sub(1)).map_or(line.len(), |(byte, _)| byte);
        match line[start..].find(needle) {
            Some(offset) => {
                let column = pos.column + line[start..start + offset].chars().count();
                Pos { column, width: needle.chars().count(), ..pos }
            }
            None => pos,
        }
    }

    /// Whether there is a mistake among the findings.
    pub(super) fn has_errors(&self) -> bool {
        self.found.iter().any(|finding| finding.severity == Severity::Error)
    }

    /// The findings in file order.
    pub(super) fn finish(mut self) -> Vec<Diagnostic> {
        self.found.truncate(MAX_FINDINGS);
        self.found.sort_by_key(|finding| (finding.line, finding.column));
        self.found
    }

    /// The entries of a mapping whose keys are all among `known`; others are noted.
    pub(super) fn fields<'n>(&mut self, node: &'n Node, what: &str, known: &[&str]) -> Option<Fields<'n>> {
        let Yaml::Map(entries) = &node.value else {
            self.error(node.pos, Code::WrongType, format!("{what} must be a mapping, not {}", node.kind()))
                .help(format!("its keys are: {}", known.join(", ")));
            return None;
        };
        for entry in entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let message = format!("unknown key `{}` in {what}", entry.key);
            self.suggest(entry.key_pos, Code::UnknownKey, message, &entry.key, known);
        }
        Some(Fields { entries, pos: node.pos })
    }

    /// Text that is not empty.
    pub(super) fn text<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        match &node.value {
            Yaml::Scalar(scalar) if !node.is_null() && !scalar.text.trim().is_empty() => Some(scalar.text.trim()),
            _ => {
                let found = if matches!(node.value, Yaml::Scalar(_)) { "empty" } else { node.kind() };
                self.error(node.pos, Code::WrongType, format!("{what} must be text, but it is {found}"))
                    .help("write a value behind the colon, or leave the key out");
                None
            }
        }
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, node: &Node, what: &str) -> Option<bool> {
        let value = match &node.value {
            Yaml::Scalar(scalar) => scalar.json().as_bool(),
            _ => None,
        };
        if value.is_none() {
            self.error(node.pos, Code::WrongType, format!("{what} must be `true` or `false`"))
                .help("write it without quotes; `yes`, `no`, `on` and `off` are text");
        }
        value
    }

    /// A list of texts; a single text is a list of one.
    pub(super) fn texts(&mut self, node: &Node, what: &str) -> Option<Vec<(String, Pos)>> {
        match &node.value {
            Yaml::List(items) => {
                Some(items.iter().filter_map(|item| Some((self.text(item, what)?.to_owned(), item.pos))).collect())
            }
            _ => self.text(node, what).map(|text| vec![(text.to_owned(), node.pos)]),
        }
    }

    /// One of a closed set of words.
    pub(super) fn word<T: Copy>(&mut self, node: &Node, what: &str, known: &[(&str, T)]) -> Option<T> {
        let text = self.text(node, what)?;
        let found = known.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
            self.unknown(node.pos, Code::UnknownWord, what, text, &words);
        }
        found
    }
}

/// The keys of one mapping.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'n> {
    /// The entries, in file order.
    pub(super) entries: &'n [Entry],
    /// Where the mapping starts.
    pub(super) pos: Pos,
}

impl<'n> Fields<'n> {
    /// The value of `key`.
    pub(super) fn get(&self, key: &str) -> Option<&'n Node> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// Where `key` stands; the mapping's own place where it does not.
    pub(super) fn key_pos(&self, key: &str) -> Pos {
        self.entries.iter().find(|entry| entry.key == key).map_or(self.pos, |entry| entry.key_pos)
    }

    /// Where the value of `key` stands; the mapping's own place where there is none.
    pub(super) fn value_pos(&self, key: &str) -> Pos {
        self.get(key).map_or(self.pos, |node| node.pos)
    }
}

/// The known name nearest to what was written, where one is near enough to be meant.
pub(super) fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let limit = (name.chars().count() / 3).max(1);
    known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), *candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
        .or_else(|| known.iter().copied().find(|known| known.rsplit('.').next() == Some(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_one_that_could_be_meant() {
        assert_eq!(nearest("account.disabel", &["account.delete", "account.disable"]), Some("account.disable"));
        assert_eq!(nearest("disable", &["account.disable"]), Some("account.disable"));
        assert_eq!(nearest("mial", &["files", "mail"]), Some("mail"));
        assert_eq!(nearest("zzz", &["mail", "files"]), None);
    }

    #[test]
    fn a_name_within_a_value_is_located() {
        let report = Report::new("x", "    at: last_dy + 3 days");
        let pos = report.locate(Pos { line: 1, column: 9, width: 16 }, "last_dy");
        assert_eq!((pos.column, pos.width), (9, 7));
        let pos = report.locate(Pos { line: 1, column: 9, width: 16 }, "3 days");
        assert_eq!((pos.column, pos.width), (19, 6));
    }
}
