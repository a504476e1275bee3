//! The only place that prints.
//!
//! Answers go to stdout, everything else to stderr. On a terminal tables are fitted to its width and coloured (unless
//! `NO_COLOR` says no); piped, they are plain aligned text. With `--json` stdout holds JSON and nothing else.

use std::io::{self, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::error::{CliError, Exit};
use super::progress::Progress;
use super::table::{Look, Table, Tone};

/// Where a command says what it found.
#[derive(Debug)]
pub struct Output {
    json: bool,
    answers: Look,
    asides: Look,
    sink: Sink,
}

#[derive(Debug)]
enum Sink {
    /// The process's own streams.
    Standard,
    /// Kept, for tests.
    Memory { answers: Vec<u8>, asides: Vec<u8> },
}

impl Output {
    /// The process's own streams.
    pub fn standard(json: bool) -> Self {
        let answers = look(io::stdout().is_terminal(), AutoStream::choice(&io::stdout()));
        let asides = look(io::stderr().is_terminal(), AutoStream::choice(&io::stderr()));
        Self { json, answers, asides, sink: Sink::Standard }
    }

    /// Keeps everything, as if piped.
    pub fn memory(json: bool) -> Self {
        let sink = Sink::Memory { answers: Vec::new(), asides: Vec::new() };
        Self { json, answers: Look::Piped, asides: Look::Piped, sink }
    }

    /// What was said so far into memory: answers, asides.
    pub fn said(&self) -> (String, String) {
        match &self.sink {
            Sink::Standard => Default::default(),
            Sink::Memory { answers, asides } => {
                (String::from_utf8_lossy(answers).into_owned(), String::from_utf8_lossy(asides).into_owned())
            }
        }
    }

    /// Whether answers are JSON.
    pub const fn is_json(&self) -> bool {
        self.json
    }

    /// Whether a person looks at the answers on a terminal (then they may move; a log must not).
    pub const fn is_terminal(&self) -> bool {
        !self.json && !matches!(self.answers, Look::Piped)
    }

    /// How wide the terminal is that a person looks at; none for a log.
    pub fn width(&self) -> Option<usize> {
        let table = comfy_table::Table::new();
        if self.is_terminal() { Some(table.width().map_or(80, usize::from)) } else { None }
    }

    /// Whether answers have colour.
    pub fn is_coloured(&self) -> bool {
        !self.json && self.answers == Look::Coloured
    }

    /// Says one line of an answer.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn line(&mut self, text: impl AsRef<str>) -> Result<(), CliError> {
        self.answer(&format!("{}\n", text.as_ref()))
    }

    /// Begins a page anew: on a terminal in the place of the one before, else behind an empty line.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn fresh_page(&mut self) -> Result<(), CliError> {
        // ECMA-48: cursor to the top left, erase the screen.
        self.answer(if self.is_terminal() { "\u{1b}[H\u{1b}[2J" } else { "\n" })
    }

    /// Says an answer as it is: a script, a page.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn answer(&mut self, text: &str) -> Result<(), CliError> {
        let written = match &mut self.sink {
            Sink::Standard => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
            }
            Sink::Memory { answers, .. } => answers.write_all(text.as_bytes()),
        };
        written.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => CliError::reader_gone(),
            _ => CliError::environment("output", format!("the output cannot be written: {error}")),
        })
    }

    /// The answers as a pipe, for lists that are written piece by piece.
    pub fn stream(&mut self) -> impl Write + '_ {
        match &mut self.sink {
            Sink::Standard => Box::new(io::BufWriter::new(io::stdout())) as Box<dyn Write + '_>,
            Sink::Memory { answers, .. } => Box::new(answers),
        }
    }

    /// Says a table.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn table(&mut self, table: &Table) -> Result<(), CliError> {
        self.answer(&table.render(self.answers))
    }

    /// Says one JSON document, on one line where things are followed (`compact`).
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn document(&mut self, document: &impl Serialize, compact: bool) -> Result<(), CliError> {
        let text = if compact { serde_json::to_string(document) } else { serde_json::to_string_pretty(document) };
        let text = text.map_err(|error| CliError::environment("output", format!("no JSON: {error}")))?;
        self.line(text)
    }

    /// `text` in its tone, where answers have colour.
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        tone.paint(text, self.answers)
    }

    /// A bar for something that takes a while; nothing where nobody looks.
    pub fn progress(&self, total: u64) -> Progress {
        let kept = matches!(self.sink, Sink::Memory { .. });
        Progress::new(total, !self.json && !kept && self.asides != Look::Piped)
    }

    /// Says something beside the answer, on stderr: progress, a next step.
    pub fn aside(&mut self, text: impl AsRef<str>) {
        let line = format!("{}\n", text.as_ref());
        match &mut self.sink {
            // Nobody is left to tell when stderr is gone.
            Sink::Standard => drop(io::stderr().lock().write_all(line.as_bytes())),
            Sink::Memory { asides, .. } => asides.extend_from_slice(line.as_bytes()),
        }
    }

    /// Says what went wrong and what to do; gives the exit code.
    pub fn error(&mut self, error: &CliError) -> Exit {
        if error.message.is_empty() {
            return error.exit;
        }
        if self.json {
            self.aside(error.document().to_string());
        } else {
            let label = Tone::Bad.paint("error:", self.asides);
            self.aside(format!("{label} {}", error.message));
            for line in &error.help {
                let label = Tone::Strong.paint("help:", self.asides);
                self.aside(format!("{label} {line}"));
            }
        }
        error.exit
    }
}

fn look(terminal: bool, colour: ColorChoice) -> Look {
    match colour {
        _ if !terminal => Look::Piped,
        ColorChoice::Never => Look::Plain,
        _ => Look::Coloured,
    }
}

/// RFC 3339 with the offset that `zone` has then: `2027-01-29T18:00:00+01:00`.
pub fn instant(at: Timestamp, zone: &TimeZone) -> String {
    at.display_with_offset(zone.to_offset(at)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_way_out() {
        let error = CliError::not_found("there is no person `4711`").help("`usher people list` shows everybody");
        let mut out = Output::memory(false);
        assert_eq!(out.error(&error), Exit::NotFound);
        let asides = "error: there is no person `4711`\nhelp: `usher people list` shows everybody\n";
        assert_eq!(out.said(), (String::new(), asides.to_owned()));
        let mut out = Output::memory(true);
        out.error(&error);
        let document: serde_json::Value = serde_json::from_str(&out.said().1).unwrap();
        assert_eq!(document["error"]["code"], "not_found");
        assert_eq!(document["error"]["help"][0], "`usher people list` shows everybody");
    }

    #[test]
    fn nobody_hears_of_a_reader_who_left() {
        let mut out = Output::memory(false);
        assert_eq!(out.error(&CliError::reader_gone()), Exit::Done);
        assert_eq!(out.said().1, "");
    }

    #[test]
    fn instants_have_their_offset() {
        let at: Timestamp = "2027-01-29T17:00:00Z".parse().unwrap();
        assert_eq!(instant(at, &TimeZone::get("Europe/Zurich").unwrap()), "2027-01-29T18:00:00+01:00");
        assert_eq!(instant(at, &TimeZone::UTC), "2027-01-29T17:00:00+00:00");
    }
}
