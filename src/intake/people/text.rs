//! From bytes to text: UTF-8 with or without a byte-order mark, UTF-16 with one, else Windows-1252 as spreadsheets
//! write it. A piece at a time; lines end in `\n` alone from here on.

use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8, WINDOWS_1252};
use sha2::{Digest, Sha256};

use super::problem::CsvProblem;
use super::source::{Source, unreadable};

const PIECE: usize = 64 * 1024;

/// The longest row: more than that is no list of people, and would have to be held whole.
const LONGEST_ROW: usize = 1024 * 1024;

/// How a file is written.
#[derive(Clone, Debug)]
pub(super) struct Writing {
    pub(super) encoding: &'static Encoding,
    /// Bytes of the byte-order mark.
    mark: usize,
    /// SHA-256 of the whole file.
    pub(super) digest: String,
}

/// Reads all of `source` once or twice, and finds how it is written.
pub(super) fn examine(source: &Source) -> Result<Writing, CsvProblem> {
    let bytes = look_at_bytes(source)?;
    if let Some((encoding, mark)) = Encoding::for_bom(&bytes.first) {
        let writing = Writing { encoding, mark, digest: bytes.digest };
        return scan(source, &writing)?.map(|()| writing);
    }
    if bytes.first.starts_with(b"PK\x03\x04") {
        return Err(CsvProblem::file("the file is a workbook or ZIP archive, not CSV; export it as CSV"));
    }
    if let Some(line) = bytes.nul {
        let message = "the file is binary, not CSV (it has NUL bytes); export it as CSV, not as a workbook";
        return Err(CsvProblem::line(line, message));
    }
    let unicode = Writing { encoding: UTF_8, mark: 0, digest: bytes.digest };
    match scan(source, &unicode) {
        Ok(found) => found.map(|()| unicode),
        Err(_) => {
            let western = Writing { encoding: WINDOWS_1252, ..unicode };
            scan(source, &western)?.map(|()| western)
        }
    }
}

struct Bytes {
    first: Vec<u8>,
    nul: Option<u64>,
    digest: String,
}

fn look_at_bytes(source: &Source) -> Result<Bytes, CsvProblem> {
    let mut reader = source.open()?;
    let (mut digest, mut piece) = (Sha256::new(), vec![0; PIECE]);
    let (mut first, mut nul, mut line, mut blank) = (Vec::new(), None, 1_u64, true);
    loop {
        let read = reader.read(&mut piece).map_err(|error| unreadable(&error))?;
        let bytes = &piece[..read];
        if read == 0 {
            break;
        }
        first.extend_from_slice(&bytes[..read.min(4_usize.saturating_sub(first.len()))]);
        digest.update(bytes);
        blank &= bytes.iter().all(u8::is_ascii_whitespace);
        if let (None, Some(at)) = (nul, bytes.iter().position(|byte| *byte == 0)) {
            nul = Some(line + newlines(&bytes[..at]));
        }
        line += newlines(bytes);
    }
    if blank {
        return Err(CsvProblem::file("the file is empty"));
    }
    Ok(Bytes { first, nul, digest: hex::encode(digest.finalize()) })
}

fn newlines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// Looks at all of the text. The outer error says that it is not of this encoding.
fn scan(source: &Source, writing: &Writing) -> Result<Result<(), CsvProblem>, CsvProblem> {
    let mut text = Decoded::new(source, writing)?;
    let mut piece = vec![0; PIECE];
    let (mut line, mut opened, mut before, mut length) = (1_u64, None, 0_u8, 0_usize);
    let mut found = Ok(());
    loop {
        let read = text.read(&mut piece).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => {
                CsvProblem::file(format!("the file is damaged: it is not valid {}", writing.encoding.name()))
            }
            _ => unreadable(&error),
        })?;
        if read == 0 {
            break;
        }
        for byte in &piece[..read] {
            let control = (byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n'))
                // U+0080 to U+009F.
                || (before == 0xc2 && *byte < 0xa0);
            if control && found.is_ok() {
                found = Err(CsvProblem::line(line, "the file is binary, not CSV (it has control characters)"));
            }
            length += 1;
            match byte {
                b'"' => opened = if opened.is_some() { None } else { Some(line) },
                b'\n' => {
                    line += 1;
                    length = if opened.is_none() { 0 } else { length };
                }
                _ => {}
            }
            if length > LONGEST_ROW && opened.is_none() && found.is_ok() {
                found = Err(CsvProblem::line(line, "the row is longer than 1 MiB; is this a list of people?"));
            }
            before = *byte;
        }
    }
    if let (Ok(()), Some(line)) = (&found, opened) {
        let message = "the quotation mark that opens here is never closed; is the file cut off?";
        found = Err(CsvProblem::line(line, message));
    }
    Ok(found)
}

/// A source as UTF-8, every line ended by `\n`, the last one too.
pub(super) struct Decoded {
    source: Box<dyn Read + Send>,
    decoder: Decoder,
    raw: Vec<u8>,
    text: Vec<u8>,
    /// What of `text` has been handed out.
    given: usize,
    /// The last byte was a carriage return: a line feed behind it belongs to it.
    returned: bool,
    last: u8,
    ended: bool,
}

impl Decoded {
    pub(super) fn new(source: &Source, writing: &Writing) -> Result<Self, CsvProblem> {
        let mut source = source.open()?;
        let mut mark = vec![0; writing.mark];
        source.read_exact(&mut mark).map_err(|error| unreadable(&error))?;
        Ok(Self {
            source,
            decoder: writing.encoding.new_decoder_without_bom_handling(),
            raw: vec![0; PIECE],
            text: Vec::new(),
            given: 0,
            returned: false,
            last: b'\n',
            ended: false,
        })
    }

    fn fill(&mut self) -> io::Result<()> {
        let read = self.source.read(&mut self.raw)?;
        let room = self.decoder.max_utf8_buffer_length_without_replacement(read).unwrap_or(4 * PIECE);
        let mut decoded = vec![0; room];
        let (result, _, written) =
            self.decoder.decode_to_utf8_without_replacement(&self.raw[..read], &mut decoded, read == 0);
        if result != DecoderResult::InputEmpty {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.text.clear();
        self.given = 0;
        for byte in &decoded[..written] {
            match byte {
                b'\n' if self.returned => {}
                b'\r' => self.text.push(b'\n'),
                byte => self.text.push(*byte),
            }
            self.returned = *byte == b'\r';
        }
        self.last = self.text.last().copied().unwrap_or(self.last);
        self.ended = read == 0;
        if self.ended && self.last != b'\n' {
            self.text.push(b'\n');
        }
        Ok(())
    }
}

impl Read for Decoded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() && !self.ended {
            self.fill()?;
        }
        let count = buffer.len().min(self.text.len() - self.given);
        buffer[..count].copy_from_slice(&self.text[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A source that gives one byte at a time has the same text.
    #[test]
    fn line_ends_of_all_kinds_become_one() {
        let source = Source::Memory(b"a\r\nb\rc\n\r\nd"[..].into());
        let writing = examine(&source).unwrap();
        let mut text = String::new();
        Decoded::new(&source, &writing).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "a\nb\nc\n\nd\n");
    }

    #[test]
    fn letters_on_the_edge_of_a_piece_stay_whole() {
        for pad in [PIECE - 1, PIECE - 2, PIECE] {
            let text = format!("{}é\r\nü", "x".repeat(pad));
            let source = Source::Memory(text.as_bytes().into());
            let writing = examine(&source).unwrap();
            let mut read = String::new();
            Decoded::new(&source, &writing).unwrap().read_to_string(&mut read).unwrap();
            assert_eq!(read, format!("{}\n", text.replace('\r', "")));
        }
    }

    #[test]
    fn utf_16_and_endless_rows() {
        let wide: Vec<u8> =
            [0xff, 0xfe].into_iter().chain("Jürg\n".encode_utf16().flat_map(u16::to_le_bytes)).collect();
        let source = Source::Memory(wide.into());
        let writing = examine(&source).unwrap();
        let mut read = String::new();
        Decoded::new(&source, &writing).unwrap().read_to_string(&mut read).unwrap();
        assert_eq!((writing.encoding.name(), read.as_str()), ("UTF-16LE", "Jürg\n"));
        let endless = Source::Memory("x".repeat(LONGEST_ROW + 2).into_bytes().into());
        assert!(examine(&endless).unwrap_err().to_string().contains("longer than 1 MiB"));
    }
}
