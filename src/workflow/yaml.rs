//! YAML into a tree that knows where everything stands.
//!
//! Only what workflow files need: mappings, lists and scalars. Anchors, aliases, tags, several documents, deep nesting
//! and large files are refused before anything is built from them, so a file cannot grow in memory.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, StrInput};
use serde_json::Value;

use super::codes::Code;
use super::diagnostic::Pos;
use super::syntax;

/// Deepest nesting.
pub const MAX_DEPTH: usize = 32;
/// Largest file, in bytes.
pub const MAX_BYTES: usize = 256 * 1024;

/// A value and its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it is.
    pub value: Yaml,
    /// Where it starts.
    pub pos: Pos,
}

/// What a node can be.
#[derive(Clone, Debug)]
pub enum Yaml {
    /// Text, number, boolean or null.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in file order, without duplicates.
    Map(Vec<Entry>),
}

/// A scalar as written.
#[derive(Clone, Debug)]
pub struct Scalar {
    /// Its text, unquoted.
    pub text: String,
    /// Written without quotes: may be a number, a boolean or null.
    pub plain: bool,
}

/// One key of a mapping with its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub key_pos: Pos,
    /// The value.
    pub value: Node,
}

/// Why a text is not a tree we accept.
#[derive(Clone, Debug)]
pub struct YamlError {
    /// Where.
    pub pos: Pos,
    /// The kind of mistake.
    pub code: Code,
    /// What is wrong.
    pub message: String,
    /// The way out.
    pub help: Option<String>,
}

impl YamlError {
    /// A mistake with its way out.
    pub(super) fn new(pos: Pos, code: Code, message: impl Into<String>, help: &str) -> Self {
        Self { pos, code, message: message.into(), help: Some(help.to_owned()) }
    }
}

impl Scalar {
    /// The value by YAML 1.2: only `true` and `false` are booleans, `yes`, `no` and `on` are text.
    pub fn json(&self) -> Value {
        if !self.plain {
            return Value::String(self.text.clone());
        }
        match self.text.as_str() {
            "" | "~" | "null" | "Null" | "NULL" => Value::Null,
            "true" | "True" | "TRUE" => Value::Bool(true),
            "false" | "False" | "FALSE" => Value::Bool(false),
            text => number(text).unwrap_or_else(|| Value::String(text.to_owned())),
        }
    }
}

fn number(text: &str) -> Option<Value> {
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.')) {
        return None;
    }
    text.parse::<i64>()
        .map(Value::from)
        .ok()
        .or_else(|| text.parse::<f64>().ok().and_then(serde_json::Number::from_f64).map(Value::Number))
}

impl Node {
    /// Whether nothing was written.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Yaml::Scalar(scalar) if scalar.json().is_null())
    }

    /// Whether it is `false`.
    pub fn is_false(&self) -> bool {
        matches!(&self.value, Yaml::Scalar(scalar) if scalar.json() == Value::Bool(false))
    }

    /// The value of `key`, where this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Yaml::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value),
            _ => None,
        }
    }

    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Yaml::Scalar(scalar) => match scalar.json() {
                Value::Null => "nothing",
                Value::Bool(_) => "a boolean",
                Value::Number(_) => "a number",
                _ => "text",
            },
            Yaml::List(_) => "a list",
            Yaml::Map(_) => "a mapping",
        }
    }
}

/// Reads `text`. Beside the tree come mistakes that do not stop the reading (duplicate keys: the first one counts).
///
/// # Errors
/// When the text is too large, is no YAML, or uses what is refused here.
pub fn load(text: &str) -> Result<(Node, Vec<YamlError>), YamlError> {
    if text.len() > MAX_BYTES {
        let message = format!("the file is too large: a workflow has at most {} KiB", MAX_BYTES / 1024);
        return Err(YamlError::new(start_of_file(), Code::TooLarge, message, "split it into several workflows"));
    }
    syntax::look(text)?;
    let mut loader = Loader { parser: Parser::new_from_str(text), text, found: Vec::new() };
    let root = loader.document()?;
    Ok((root, loader.found))
}

const fn start_of_file() -> Pos {
    Pos { line: 1, column: 1, width: 1 }
}

struct Loader<'t> {
    text: &'t str,
    parser: Parser<'t, StrInput<'t>>,
    found: Vec<YamlError>,
}

impl<'t> Loader<'t> {
    fn document(&mut self) -> Result<Node, YamlError> {
        loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(_) | Event::Nothing, _) => {}
                (Event::StreamEnd, _) => {
                    let help = "a workflow starts with `workflow: NAME`";
                    return Err(YamlError::new(start_of_file(), Code::Empty, "the file is empty", help));
                }
                (event, pos) => {
                    let root = self.node(event, pos, 0)?;
                    self.end()?;
                    return Ok(root);
                }
            }
        }
    }

    fn end(&mut self) -> Result<(), YamlError> {
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(()),
                (Event::DocumentStart(_), pos) => {
                    let help = "write each workflow into its own file";
                    return Err(YamlError::new(pos, Code::Documents, "a second document starts here", help));
                }
                _ => {}
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'t>, Pos), YamlError> {
        match self.parser.next_event() {
            None => Ok((Event::StreamEnd, start_of_file())),
            Some(Ok((event, span))) => {
                let same_line = span.start.line() == span.end.line();
                let width = if same_line { span.end.col().saturating_sub(span.start.col()) } else { 1 };
                let pos = Pos { line: span.start.line().max(1), column: span.start.col() + 1, width: width.max(1) };
                Ok((event, pos))
            }
            Some(Err(error)) => Err(not_yaml(self.text, &error)),
        }
    }

    fn node(&mut self, event: Event<'t>, pos: Pos, depth: usize) -> Result<Node, YamlError> {
        if depth > MAX_DEPTH {
            let message = format!("nested more than {MAX_DEPTH} levels deep");
            return Err(YamlError::new(pos, Code::TooDeep, message, "no key of a workflow needs that"));
        }
        let value = match event {
            Event::Scalar(text, style, anchor, tag) => {
                refuse(pos, anchor, tag.is_some())?;
                Yaml::Scalar(Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain })
            }
            Event::SequenceStart(anchor, tag) => {
                refuse(pos, anchor, tag.is_some())?;
                Yaml::List(self.list(depth)?)
            }
            Event::MappingStart(anchor, tag) => {
                refuse(pos, anchor, tag.is_some())?;
                Yaml::Map(self.map(depth)?)
            }
            Event::Alias(_) => return Err(references(pos)),
            _ => return Err(YamlError::new(pos, Code::Syntax, "a value was expected here", "check the indentation")),
        };
        Ok(Node { value, pos })
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, YamlError> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, pos) => items.push(self.node(event, pos, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Vec<Entry>, YamlError> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut lines: BTreeMap<String, usize> = BTreeMap::new();
        loop {
            let (event, key_pos) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(entries);
            }
            let Yaml::Scalar(Scalar { text: key, .. }) = self.node(event, key_pos, depth + 1)?.value else {
                let help = "put a text value that contains `{{ }}` into quotes";
                return Err(YamlError::new(key_pos, Code::Syntax, "a list or mapping cannot be a key", help));
            };
            let (event, pos) = self.next()?;
            let mut value = self.node(event, pos, depth + 1)?;
            if value.is_null() {
                value.pos = key_pos;
            }
            match lines.get(&key) {
                Some(line) => self.found.push(YamlError {
                    pos: key_pos,
                    code: Code::DuplicateKey,
                    message: format!("`{key}` appears twice"),
                    help: Some(format!("it stands in line {line} already; keep one of them")),
                }),
                None => {
                    lines.insert(key.clone(), key_pos.line);
                    entries.push(Entry { key, key_pos, value });
                }
            }
        }
    }
}

fn refuse(pos: Pos, anchor: usize, tagged: bool) -> Result<(), YamlError> {
    if anchor != 0 {
        return Err(references(pos));
    }
    if tagged {
        let help = "write the plain value; its type follows from the key";
        return Err(YamlError::new(pos, Code::Tag, "YAML tags (`!…`) are not accepted", help));
    }
    Ok(())
}

fn references(pos: Pos) -> YamlError {
    let message = "YAML anchors and aliases (`&…`, `*…`) are not accepted";
    YamlError::new(pos, Code::Alias, message, "write the value out; put text that starts with `*` or `&` into quotes")
}

fn not_yaml(text: &str, error: &ScanError) -> YamlError {
    let at = error.marker();
    syntax::explain(text, Pos { line: at.line().max(1), column: at.col() + 1, width: 1 }, error.info())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> YamlError {
        load(text).map(|(root, _)| root).expect_err("refused")
    }

    #[test]
    fn every_key_and_value_knows_its_place() {
        let (root, _) = load("workflow: x\nsteps:\n  - id: one\n    with: { to: \"a\" }\n").unwrap();
        let Yaml::Map(entries) = &root.value else { panic!("a mapping") };
        assert_eq!((entries[0].value.pos.line, entries[0].value.pos.column), (1, 11));
        let Yaml::List(steps) = &entries[1].value.value else { panic!("a list") };
        let Yaml::Map(step) = &steps[0].value else { panic!("a mapping") };
        assert_eq!((step[0].key_pos.line, step[0].key_pos.column), (3, 5));
        assert_eq!((step[0].value.pos.line, step[0].value.pos.column, step[0].value.pos.width), (3, 9, 3));
        let Yaml::Map(with) = &step[1].value.value else { panic!("a mapping") };
        assert_eq!((with[0].value.pos.line, with[0].value.pos.column), (4, 17));
    }

    #[test]
    fn a_billion_laughs_are_refused_at_the_first_anchor() {
        let mut bomb = "a0: &a0 [lol, lol]\n".to_owned();
        for i in 1..30 {
            bomb += &format!("a{i}: &a{i} [*a{0}, *a{0}, *a{0}]\n", i - 1);
        }
        let error = refused(&bomb);
        assert_eq!((error.code.as_str(), error.pos.line), ("alias", 1));
    }

    #[test]
    fn deep_nesting_is_refused() {
        assert_eq!(refused(&"[".repeat(200)).code, "too-deep");
        assert_eq!(refused(&format!("{}x", "- ".repeat(5_000))).code, "too-deep");
        let bearable = format!("{}x{}", "[".repeat(30), "]".repeat(30));
        assert!(load(&bearable).is_ok());
    }

    #[test]
    fn large_files_are_refused_unread() {
        let error = refused(&format!("a: {}", "x".repeat(MAX_BYTES)));
        assert_eq!(error.code, "too-large");
        assert!(error.message.contains("256"));
    }

    #[test]
    fn tags_second_documents_and_empty_files_are_refused() {
        assert_eq!(refused("a: !!python/object x").code, "tag");
        let second = refused("a: 1\n---\nb: 2\n");
        assert_eq!((second.code.as_str(), second.pos.line), ("documents", 2));
        assert_eq!(refused("").code, "empty");
        assert_eq!(refused("# only a comment\n").code, "empty");
    }

    #[test]
    fn a_duplicate_key_names_the_first_one() {
        let (_, found) = load("a: 1\nb: 2\na: 3\n").unwrap();
        assert_eq!((found[0].code.as_str(), found[0].pos.line), ("duplicate-key", 3));
        assert_eq!(found[0].message, "`a` appears twice");
        assert!(found[0].help.as_deref().unwrap().contains("line 1"));
    }

    #[test]
    fn unquoted_braces_say_what_to_do() {
        let error = refused("to: {{ person.manager }}");
        assert!(error.help.as_deref().unwrap().contains("quotes"), "{error:?}");
    }

    #[test]
    fn scalars_follow_yaml_1_2() {
        let read = |text: &str| Scalar { text: text.into(), plain: true }.json();
        assert_eq!(read("on"), Value::from("on"));
        assert_eq!(read("no"), Value::from("no"));
        assert_eq!(read("true"), Value::from(true));
        assert_eq!(read("42"), Value::from(42));
        assert_eq!(read("1.5"), Value::from(1.5));
        assert_eq!(read("18:00"), Value::from("18:00"));
        assert_eq!(read("~"), Value::Null);
        assert_eq!(Scalar { text: "true".into(), plain: false }.json(), Value::from("true"));
    }
}
