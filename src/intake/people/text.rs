//! From bytes to text: UTF-8 with or without a byte-order mark, UTF-16 with one, else Windows-1252 as spreadsheets
//! write it.

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

use super::problem::CsvProblem;

/// The text and the name of its encoding.
pub(super) fn decode(bytes: &[u8]) -> Result<(String, &'static str), CsvProblem> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(CsvProblem::file("the file is empty"));
    }
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        return strictly(encoding, &bytes[mark..]);
    }
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        let line = bytes[..at].iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
        let message = "the file is binary, not CSV (it has NUL bytes); export it as CSV, not as a workbook";
        return Err(CsvProblem::line(line, message));
    }
    if bytes.starts_with(b"PK\x03\x04") {
        return Err(CsvProblem::file("the file is a workbook or ZIP archive, not CSV; export it as CSV"));
    }
    strictly(UTF_8, bytes).or_else(|_| strictly(WINDOWS_1252, bytes))
}

fn strictly(encoding: &'static Encoding, bytes: &[u8]) -> Result<(String, &'static str), CsvProblem> {
    let text = encoding.decode_without_bom_handling_and_without_replacement(bytes);
    let text =
        text.ok_or_else(|| CsvProblem::file(format!("the file is damaged: it is not valid {}", encoding.name())))?;
    match text.find(|c: char| c.is_control() && !matches!(c, '\t' | '\r' | '\n')) {
        Some(at) => {
            let line = text[..at].matches('\n').count() as u64 + 1;
            Err(CsvProblem::line(line, "the file is binary, not CSV (it has control characters)"))
        }
        None => Ok((text.into_owned(), encoding.name())),
    }
}
