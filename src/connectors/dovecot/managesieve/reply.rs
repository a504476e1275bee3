//! What a ManageSieve server says (RFC 5804, 4): lines of words, texts in quotation marks, and literals of a length that is
//! told first.

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

/// The longest line that is read, in bytes.
const LONGEST_LINE: usize = 64 * 1024;

/// The longest literal that is read, in bytes: scripts are far below that.
const LONGEST_LITERAL: usize = 4 * 1024 * 1024;

/// One part of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A word: `OK`, `ACTIVE`, `(QUOTA/MAXSIZE)`.
    Word(String),
    /// A text.
    Text(String),
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) how: How,
    /// The code, without its brackets: `NONEXISTENT`, `TRYLATER`, `QUOTA/MAXSIZE`.
    pub(super) code: String,
    /// For people.
    pub(super) words: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Ok,
    No,
    Bye,
}

/// The lines before the end, and the end.
pub(super) type Reply = (Vec<Vec<Part>>, Ending);

/// Reads until a command has ended.
pub(super) async fn read(from: &mut (impl AsyncBufRead + Unpin)) -> std::io::Result<Reply> {
    let mut lines = Vec::new();
    loop {
        let line = line(from).await?;
        match ending(&line) {
            Some(ending) => return Ok((lines, ending)),
            None if lines.len() >= 10_000 => return Err(nonsense("its answer has no end")),
            None => lines.push(line),
        }
    }
}

fn ending(line: &[Part]) -> Option<Ending> {
    let Some(Part::Word(word)) = line.first() else { return None };
    let how = match word.to_ascii_uppercase().as_str() {
        "OK" => How::Ok,
        "NO" => How::No,
        "BYE" => How::Bye,
        _ => return None,
    };
    let mut ending = Ending { how, code: String::new(), words: String::new() };
    for part in line.iter().skip(1) {
        match part {
            Part::Word(code) => ending.code = code.trim_matches(['(', ')']).to_ascii_uppercase(),
            Part::Text(words) => ending.words.clone_from(words),
        }
    }
    Some(ending)
}

fn nonsense(why: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, why.to_owned())
}

/// One line; a literal in it goes on behind its own line's end.
async fn line(from: &mut (impl AsyncBufRead + Unpin)) -> std::io::Result<Vec<Part>> {
    let mut parts = Vec::new();
    loop {
        let mut bytes = Vec::new();
        (&mut *from).take(LONGEST_LINE as u64).read_until(b'\n', &mut bytes).await?;
        if !bytes.ends_with(b"\n") {
            let cut = if bytes.len() >= LONGEST_LINE { "its line has no end" } else { "the connection was closed" };
            return Err(nonsense(cut));
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| nonsense("its line is not UTF-8"))?;
        let (more, literal) =
            split(text.trim_end_matches(['\r', '\n'])).ok_or_else(|| nonsense("its line makes no sense"))?;
        parts.extend(more);
        let Some(length) = literal else { return Ok(parts) };
        if length > LONGEST_LITERAL {
            return Err(nonsense("its text is too long"));
        }
        let mut text = vec![0; length];
        from.read_exact(&mut text).await?;
        parts.push(Part::Text(String::from_utf8(text).map_err(|_| nonsense("its text is not UTF-8"))?));
    }
}

/// The parts of a line, and the length of the literal that it ends with.
fn split(line: &str) -> Option<(Vec<Part>, Option<usize>)> {
    let mut parts = Vec::new();
    let mut rest = line.trim_start_matches(' ');
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (text, behind) = unquote(quoted)?;
            parts.push(Part::Text(text));
            rest = behind;
        } else if let Some(length) = rest.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            let length = length.strip_suffix('+').unwrap_or(length);
            return Some((parts, Some(length.parse().ok()?)));
        } else {
            // A code in brackets may hold blanks and a text: it is one word.
            let end = if rest.starts_with('(') { rest.find(')')? + 1 } else { rest.find(' ').unwrap_or(rest.len()) };
            let (word, behind) = rest.split_at(end);
            parts.push(Part::Word(word.to_owned()));
            rest = behind;
        }
        rest = rest.trim_start_matches(' ');
    }
    Some((parts, None))
}

/// A text up to its closing mark, and what is behind it.
fn unquote(quoted: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut signs = quoted.char_indices();
    while let Some((at, sign)) = signs.next() {
        match sign {
            '"' => return Some((text, &quoted[at + 1..])),
            '\\' => text.push(signs.next()?.1),
            sign => text.push(sign),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(mut bytes: &[u8]) -> std::io::Result<Reply> {
        read(&mut bytes).await
    }

    fn text(text: &str) -> Part {
        Part::Text(text.to_owned())
    }

    #[tokio::test]
    async fn replies_are_read_with_quotes_literals_and_codes() {
        let (lines, ending) =
            all(b"\"a \\\"b\\\\\" ACTIVE\r\n{5}\r\nx\r\ny \r\n\"\xc3\xa9\"\r\nOK (WARNINGS) \"done\"\r\n")
                .await
                .unwrap();
        assert_eq!(lines[0], [text("a \"b\\"), Part::Word("ACTIVE".to_owned())]);
        assert_eq!((&lines[1], &lines[2]), (&vec![text("x\r\ny ")], &vec![text("é")]));
        assert_eq!(ending, Ending { how: How::Ok, code: "WARNINGS".to_owned(), words: "done".to_owned() });
        let (_, ending) = all(b"NO {10}\r\nno\r\nthing!\r\n").await.unwrap();
        assert_eq!((ending.how, ending.words.as_str()), (How::No, "no\r\nthing!"));
        let (_, ending) = all(b"BYE (REFERRAL \"sieve://x\") \"go\"\r\n").await.unwrap();
        assert_eq!((ending.how, ending.words.as_str()), (How::Bye, "go"));
    }

    #[tokio::test]
    async fn what_is_no_reply_is_refused() {
        for bytes in [
            &b"OK \"x\r\n"[..],
            b"\"x\" ",
            b"",
            b"{99999999999}\r\n",
            b"{-1}\r\n",
            b"{3}\r\nab",
            b"\xff\r\n",
            b"{5000000}\r\n",
        ] {
            assert!(all(bytes).await.is_err(), "{bytes:?}");
        }
        let endless = vec![b'a'; LONGEST_LINE + 10];
        assert!(all(&endless).await.is_err());
    }
}
