//! A mistake or a warning in a workflow file, and how it is shown.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde::Serialize;

use super::codes::Code;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used, but probably does not say what is meant.
    Warning,
}

/// A place in a file. Lines and columns count from 1, columns and widths in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pos {
    /// Line.
    pub line: usize,
    /// Column of the first character.
    pub column: usize,
    /// Characters to underline.
    pub width: usize,
}

/// One finding in one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// The file, as it was named to the parser.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1, in characters.
    pub column: usize,
    /// How many characters are meant.
    pub width: usize,
    /// How much it matters.
    pub severity: Severity,
    /// A stable name for the kind of finding, `unknown-action`.
    pub code: Code,
    /// What is wrong.
    pub message: String,
    /// The line as written.
    pub source_line: String,
    /// The way out.
    pub suggestion: Option<String>,
}

impl Diagnostic {
    /// Adds the way out.
    pub fn help(&mut self, suggestion: impl Into<String>) -> &mut Self {
        self.suggestion = Some(suggestion.into());
        self
    }

    /// The finding as people read it: what, where, the line with a caret, and help. Ends with a line break.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let start = byte_of(&self.source_line, self.column.saturating_sub(1));
        let end = byte_of(&self.source_line, self.column.saturating_sub(1) + self.width.max(1)).max(start);
        let mut group = level.primary_title(self.message.as_str()).id(self.code.as_str()).element(
            Snippet::source(self.source_line.as_str())
                .line_start(self.line)
                .path(self.file.as_str())
                .annotation(AnnotationKind::Primary.span(start..end)),
        );
        if let Some(help) = &self.suggestion {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        format!("{}\n", renderer.render(&[group]))
    }
}

/// All findings, one after the other with an empty line between.
pub fn render(diagnostics: &[Diagnostic], colour: bool) -> String {
    diagnostics.iter().map(|diagnostic| diagnostic.render(colour)).collect::<Vec<_>>().join("\n")
}

fn byte_of(line: &str, character: usize) -> usize {
    line.char_indices().nth(character).map_or(line.len(), |(byte, _)| byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding() -> Diagnostic {
        Diagnostic {
            file: "workflows/departure.yaml".into(),
            line: 7,
            column: 13,
            width: 15,
            severity: Severity::Error,
            code: Code::UnknownAction,
            message: "unknown action `account.disabel`".into(),
            source_line: "    action: account.disabel".into(),
            suggestion: Some("replace it with `account.disable`".into()),
        }
    }

    #[test]
    fn shows_the_file_the_line_a_caret_and_help() {
        let text = finding().render(false);
        assert!(text.contains("error[unknown-action]: unknown action `account.disabel`"), "{text}");
        assert!(text.contains("workflows/departure.yaml:7:13"), "{text}");
        assert!(text.contains("7 |     action: account.disabel"), "{text}");
        assert!(text.contains("^^^^^^^^^^^^^^^"), "{text}");
        assert!(text.contains("help: replace it with `account.disable`"), "{text}");
    }

    #[test]
    fn colours_only_when_asked() {
        assert!(!finding().render(false).contains('\u{1b}'));
        assert!(finding().render(true).contains('\u{1b}'));
    }

    #[test]
    fn survives_places_beyond_the_end_of_the_line_and_letters_of_several_bytes() {
        let mut far = finding();
        far.column = 400;
        assert!(far.render(false).contains("departure.yaml:7"));
        far.source_line = "título: ñandú".into();
        far.column = 9;
        assert!(far.render(false).contains("ñandú"));
    }
}
