//! What a YAML parser means by its messages, in the words of whoever wrote the file, at the place where it is mended.

use super::codes::Code;
use super::diagnostic::Pos;
use super::yaml::YamlError;

/// What makes a text no YAML that anybody should write, whatever the parser thinks of it: no text at all, or an
/// indentation that cannot be seen.
pub(super) fn look(text: &str) -> Result<(), YamlError> {
    for (index, line) in text.lines().enumerate() {
        if let Some(found) = foreign(line, index + 1) {
            return Err(found);
        }
    }
    Ok(())
}

fn foreign(line: &str, number: usize) -> Option<YamlError> {
    let at = |column: usize| Pos { line: number, column: column + 1, width: 1 };
    let strange = |c: char| c == '\u{fffd}' || (c.is_control() && c != '\t' && c != '\r');
    if let Some(column) = line.chars().position(strange) {
        let message = "this is no text in UTF-8";
        let help = "save the file as UTF-8; a workflow is a text file";
        return Some(YamlError::new(at(column), Code::NotText, message, help));
    }
    let indent = |c: &char| c.is_whitespace();
    let column = line.chars().take_while(indent).position(|c| c != ' ' && c != '\r')?;
    // An empty line, and one within brackets, may begin as it likes for the parser; people cannot see the difference.
    let rest = line.trim();
    if rest.is_empty() || rest.starts_with('#') {
        return None;
    }
    let what = if line.chars().nth(column) == Some('\t') { "a tab" } else { "a blank that is no plain one (U+00A0)" };
    let message = format!("{what} stands in the indentation");
    Some(YamlError::new(
        at(column),
        Code::Indentation,
        message,
        "replace it with blanks: YAML indents with blanks only",
    ))
}

/// The parser's message at `pos`, in plain words.
pub(super) fn explain(text: &str, pos: Pos, info: &str) -> YamlError {
    let lines: Vec<&str> = text.lines().collect();
    let line = lines.get(pos.line.saturating_sub(1)).copied().unwrap_or_default();
    let above = (1..pos.line).rev().find(|number| {
        let line = lines.get(number - 1).map(|line| line.trim()).unwrap_or_default();
        !line.is_empty() && !line.starts_with('#')
    });
    let whole = |number: usize| {
        let line = lines.get(number - 1).copied().unwrap_or_default();
        let indent = line.len() - line.trim_start().len();
        Pos { line: number, column: indent + 1, width: line.trim().chars().count().max(1) }
    };
    if let Some(found) = signs(line, pos, info) {
        return found;
    }
    let (key, values) = (info.contains("simple key expect"), info.contains("mapping values are not allowed"));
    let no_colon = above.filter(|number| lines.get(number - 1).is_some_and(|line| !has_colon(line)));
    if let Some(number) = no_colon.filter(|_| key || values).or_else(|| key.then_some(pos.line)) {
        return missing_colon(lines.get(number - 1).copied().unwrap_or_default(), whole(number));
    }
    if values {
        return colons(line, pos, above.map(|number| lines[number - 1]));
    }
    if info.contains("block collection") || info.contains("block mapping") || info.contains("indent") {
        let help = "keys of one step (or one section) begin in the same column";
        return YamlError::new(whole(pos.line), Code::Indentation, "this line does not line up with those above", help);
    }
    let help = "check the indentation, the colons and the quotes of this line and the one above";
    YamlError::new(pos, Code::Syntax, format!("this is not valid YAML: {info}"), help)
}

/// Quotes and signs that mean something to YAML.
fn signs(line: &str, pos: Pos, info: &str) -> Option<YamlError> {
    if let Some(column) = line.chars().position(|c| "“”„‘’".contains(c)) {
        let pos = Pos { column: column + 1, ..pos };
        return Some(YamlError::new(
            pos,
            Code::Syntax,
            "this quote is a typographic one",
            "write plain quotes: \" or '",
        ));
    }
    if info.contains("anchor or alias") {
        let message = "text that starts with `*` or `&` needs quotes";
        return Some(YamlError::new(pos, Code::Syntax, message, "write for example `cron: \"*/10 6 * * *\"`"));
    }
    if info.contains("quoted scalar") || info.contains("quoted string") || info.contains("end of stream") {
        let help = "close it with the same sign in the same line, or put quotes around the whole value";
        return Some(YamlError::new(
            pos,
            Code::Syntax,
            "a quote is opened here or in a line above and not closed",
            help,
        ));
    }
    None
}

/// A line that should be a key with its value.
fn missing_colon(line: &str, pos: Pos) -> YamlError {
    let written = line.trim().replacen(':', " ", 1);
    let (name, value) = written.split_once(' ').unwrap_or((&written, "…"));
    let help = format!("a key stands before a colon and a blank: `{name}: {}`", value.trim());
    YamlError::new(pos, Code::Syntax, "a colon with a blank behind it is missing in this line", &help)
}

/// A second colon in a line, or a line that is indented below a value.
fn colons(line: &str, pos: Pos, above: Option<&str>) -> YamlError {
    let before: String = line.chars().take(pos.column.saturating_sub(1)).collect();
    if let Some((key, value)) = before.trim().split_once(": ") {
        let rest: String = line.chars().skip(pos.column.saturating_sub(1)).collect();
        let key = key.trim_start_matches("- ");
        let help = format!("put the value into quotes: `{key}: \"{}{}\"`", value.trim(), rest.trim_end());
        return YamlError::new(pos, Code::Syntax, "a value with a colon and a blank in it needs quotes", &help);
    }
    let indent = |line: &str| line.len() - line.trim_start().len();
    let deeper = above.is_some_and(|above| indent(line) > indent(above));
    let start = Pos { column: indent(line) + 1, width: line.trim().chars().count().max(1), ..pos };
    let message = if deeper {
        "this line is indented more than the one above, which has a value already"
    } else {
        "this line does not line up with those above"
    };
    YamlError::new(start, Code::Indentation, message, "keys of one step (or one section) begin in the same column")
}

fn has_colon(line: &str) -> bool {
    line.contains(": ") || line.trim_end().ends_with(':') || line.trim().starts_with("- ")
}

#[cfg(test)]
mod tests {
    use super::super::yaml::load;
    use super::*;

    /// What is said of a text, with line and column.
    fn said(text: &str) -> (Code, usize, usize, String) {
        let error = load(text).map(|(root, _)| root).expect_err("refused");
        (
            error.code,
            error.pos.line,
            error.pos.column,
            format!("{} | {}", error.message, error.help.unwrap_or_default()),
        )
    }

    #[track_caller]
    fn says(text: &str, code: Code, line: usize, words: &str) {
        let (found, at, _, message) = said(text);
        assert_eq!((found, at), (code, line), "{message}");
        assert!(message.contains(words), "{message}");
    }

    #[test]
    fn tabs_and_foreign_blanks_are_found_where_they_stand() {
        says("steps:\n  - id: a\n\taction: x\n", Code::Indentation, 3, "a tab stands in the indentation");
        says("inputs:\n  \tx: 1\n", Code::Indentation, 2, "replace it with blanks");
        says("a: 1\n\u{a0}b: 2\n", Code::Indentation, 2, "U+00A0");
        assert!(load("a: \"x\ty\"\n\t\n\t# note\nb: 2\n").is_ok(), "a tab elsewhere does no harm");
    }

    #[test]
    fn bytes_that_are_no_text_are_not_taken_for_text() {
        says("a: D\u{fffd}part\n", Code::NotText, 1, "save the file as UTF-8");
        says("w\0o\0r\0k\0", Code::NotText, 1, "no text in UTF-8");
        assert!(load("a: Départ\r\nb: 2\r\n").is_ok());
    }

    #[test]
    fn lines_that_do_not_line_up_are_named() {
        says("steps:\n  - id: a\n    action: x\n   systems: all\n", Code::Indentation, 4, "does not line up");
        says("a: 1\n  b: 2\n", Code::Indentation, 2, "indented more than the one above");
    }

    #[test]
    fn colons_that_are_missing_or_too_many_are_named_with_the_way_to_write_them() {
        says("systems all\nat: x\n", Code::Syntax, 1, "`systems: all`");
        says("workflow: a\nfor:person\non: x\n", Code::Syntax, 2, "`for: person`");
        says("title: A leaver: the file\n", Code::Syntax, 1, "`title: \"A leaver: the file\"`");
    }

    #[test]
    fn quotes_and_stars_are_explained() {
        says("a: { b: \u{201c}{{ x }}\u{201d} }\n", Code::Syntax, 1, "typographic");
        says("a: { b: \"gone, c: \"x\" }\n", Code::Syntax, 1, "not closed");
        says("a: 'gone\nb: x\n", Code::Syntax, 1, "not closed");
        says("cron: * 6 * * *\n", Code::Syntax, 1, "needs quotes");
    }
}
