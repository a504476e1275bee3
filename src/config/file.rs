//! One configuration file: checked key by key against what is known, its relative paths made absolute.

use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use super::keys::{self, Key, Kind};
use super::problem::{Problem, suggestion};
use crate::secret::SecretRef;

/// A read file.
#[derive(Debug)]
pub(super) struct ReadFile {
    /// Its settings, with absolute paths.
    pub(super) table: Table,
    /// `section.key` and the place that sets it.
    pub(super) places: Vec<(String, String)>,
    /// What is wrong in it.
    pub(super) problems: Vec<Problem>,
}

/// Reads `text`, the content of the file at `path`, which messages call `shown`.
pub(super) fn read(path: &Path, shown: &Path, text: &str) -> ReadFile {
    let mut reader = Reader {
        shown,
        text,
        folder: path.parent().map(Path::to_owned).unwrap_or_default(),
        file: ReadFile { table: Table::new(), places: Vec::new(), problems: Vec::new() },
    };
    match DeTable::parse(text) {
        Ok(root) => {
            for (name, value) in root.get_ref() {
                reader.section(name, value);
            }
        }
        Err(error) => {
            let place = reader.place(error.span().map_or(0, |span| span.start));
            reader.file.problems.push(Problem::new(place, format!("this is not TOML: {}", error.message())));
        }
    }
    // The parser hands keys out by name; people read from the top.
    reader.file.problems.sort_by_key(|problem| line_of(&problem.place));
    reader.file
}

fn line_of(place: &str) -> usize {
    place.rsplit_once(':').and_then(|(_, line)| line.parse().ok()).unwrap_or(0)
}

type Entry<'a> = Spanned<DeValue<'a>>;
type Name<'a> = Spanned<std::borrow::Cow<'a, str>>;

struct Reader<'a> {
    shown: &'a Path,
    text: &'a str,
    folder: PathBuf,
    file: ReadFile,
}

impl Reader<'_> {
    /// `usher.toml:12`
    fn place(&self, offset: usize) -> String {
        let before = self.text.get(..offset).unwrap_or_default();
        format!("{}:{}", self.shown.display(), before.matches('\n').count() + 1)
    }

    fn problem(&mut self, offset: usize, message: String, help: String) {
        let place = self.place(offset);
        self.file.problems.push(Problem::new(place, message).help(help));
    }

    fn section(&mut self, name: &Name<'_>, value: &Entry<'_>) {
        let section = name.get_ref().as_ref();
        let known = keys::section_names();
        if !known.contains(&section) {
            let what = if value.get_ref().is_table() { "section" } else { "key" };
            let help = owner_of(section).unwrap_or_else(|| suggestion(section, &known));
            return self.problem(name.span().start, format!("unknown {what} `{section}`"), help);
        }
        let Some(table) = value.get_ref().as_table() else {
            let help = format!("write [{section}] on a line of its own, its keys below");
            return self.problem(name.span().start, format!("`{section}` is a section, not a value"), help);
        };
        let read = match keys::section_keys(section) {
            Some(keys) => self.keys(section, keys, table),
            None => self.named(section, table),
        };
        self.file.table.insert(section.to_owned(), Value::Table(read));
    }

    /// `[systems.NAME]`, `[departments.NAME]`: sections with names of their own.
    fn named(&mut self, section: &str, tables: &DeTable<'_>) -> Table {
        let mut read = Table::new();
        for (name, value) in tables {
            let path = format!("{section}.{}", name.get_ref());
            let Some(table) = value.get_ref().as_table() else {
                let help = format!("write [{path}] on a line of its own, its keys below");
                self.problem(name.span().start, format!("`{path}` is a section, not a value"), help);
                continue;
            };
            let kind = table.get("kind").and_then(|kind| kind.get_ref().as_str());
            let known = keys::named_keys(section).map_or_else(|| keys::system_keys(kind), <[Key]>::to_vec);
            let own = self.keys(&path, &known, table);
            self.file.places.push((path, self.place(name.span().start)));
            read.insert(name.get_ref().to_string(), Value::Table(own));
        }
        read
    }

    fn keys(&mut self, section: &str, known: &[Key], table: &DeTable<'_>) -> Table {
        let mut read = Table::new();
        for (name, value) in table {
            let key = name.get_ref().as_ref();
            let path = format!("{section}.{key}");
            let Some((_, kind)) = known.iter().find(|(candidate, _)| *candidate == key) else {
                let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
                let help = suggestion(key, &names);
                self.problem(name.span().start, format!("unknown key `{key}` in [{section}]"), help);
                continue;
            };
            self.file.places.push((path.clone(), self.place(name.span().start)));
            if *kind == Kind::Tree {
                self.locate(&path, value.get_ref());
            }
            match self.value(*kind, value.get_ref()) {
                Ok(value) => {
                    read.insert(key.to_owned(), value);
                }
                Err(message) => {
                    let place = self.place(value.span().start);
                    self.file.problems.push(Problem::new(place, format!("`{path}`: {message}")));
                }
            }
        }
        read
    }

    /// Where each key within a declaration stands.
    fn locate(&mut self, path: &str, value: &DeValue<'_>) {
        for (name, value) in value.as_table().into_iter().flatten() {
            let path = format!("{path}.{}", name.get_ref());
            self.file.places.push((path.clone(), self.place(name.span().start)));
            self.locate(&path, value.get_ref());
        }
    }

    fn value(&self, kind: Kind, value: &DeValue<'_>) -> Result<Value, String> {
        let wrong = || format!("{} is expected, not {}", kind.describe(), value.type_str());
        let text = || value.as_str().ok_or_else(wrong);
        Ok(match kind {
            Kind::Text => Value::String(text()?.to_owned()),
            Kind::Path => Value::String(self.absolute(text()?)),
            Kind::Database => Value::String(self.database(text()?)),
            Kind::Number => Value::Integer(value.as_integer().and_then(whole).ok_or_else(wrong)?),
            Kind::Texts => {
                let items = value.as_array().ok_or_else(wrong)?.iter();
                let texts = items.map(|item| item.get_ref().as_str().map(|text| Value::String(text.to_owned())));
                Value::Array(texts.collect::<Option<_>>().ok_or_else(wrong)?)
            }
            Kind::Named => {
                let entries = value.as_table().ok_or_else(wrong)?.iter();
                let texts = entries.map(|(name, text)| {
                    text.get_ref().as_str().map(|text| (name.get_ref().to_string(), Value::String(text.to_owned())))
                });
                Value::Table(texts.collect::<Option<_>>().ok_or_else(wrong)?)
            }
            Kind::Secret => self.secret(value)?,
            Kind::Secrets => {
                let entries = value.as_table().ok_or_else(wrong)?.iter();
                let secrets = entries.map(|(name, secret)| {
                    let why = |why| format!("`{}`: {why}", name.get_ref());
                    Ok((name.get_ref().to_string(), self.secret(secret.get_ref()).map_err(why)?))
                });
                Value::Table(secrets.collect::<Result<_, String>>()?)
            }
            Kind::Tree => {
                value.as_table().ok_or_else(wrong)?;
                tree(value)?
            }
        })
    }

    fn secret(&self, value: &DeValue<'_>) -> Result<Value, String> {
        let table = value.as_table().filter(|table| table.len() == 1).ok_or(SecretRef::NO_LITERALS)?;
        let entry = table.iter().find_map(|(kind, name)| Some((kind.get_ref().as_ref(), name.get_ref().as_str()?)));
        let (kind, name) = match entry {
            Some(("file", path)) => ("file", self.absolute(path)),
            Some((kind @ ("env" | "stored"), name)) => (kind, name.to_owned()),
            _ => return Err(SecretRef::NO_LITERALS.to_owned()),
        };
        Ok(Value::Table(Table::from_iter([(kind.to_owned(), Value::String(name))])))
    }

    fn absolute(&self, path: &str) -> String {
        self.folder.join(path).to_string_lossy().into_owned()
    }

    fn database(&self, url: &str) -> String {
        match url.strip_prefix("sqlite:") {
            Some(path) => format!("sqlite:{}", self.absolute(path.strip_prefix("//").unwrap_or(path))),
            None => url.to_owned(),
        }
    }
}

/// The same value, without the places of its parts.
fn tree(value: &DeValue<'_>) -> Result<Value, String> {
    Ok(match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => Value::Integer(whole(number).ok_or_else(|| format!("{number} is too large"))?),
        DeValue::Float(number) => {
            Value::Float(number.as_str().parse().map_err(|_| format!("{} is no number", number.as_str()))?)
        }
        DeValue::Boolean(truth) => Value::Boolean(*truth),
        DeValue::Datetime(at) => return Err(format!("{at} is a date; write it in quotes")),
        DeValue::Array(items) => Value::Array(items.iter().map(|item| tree(item.get_ref())).collect::<Result<_, _>>()?),
        DeValue::Table(fields) => {
            let fields = fields.iter().map(|(name, value)| Ok((name.get_ref().to_string(), tree(value.get_ref())?)));
            Value::Table(fields.collect::<Result<_, String>>()?)
        }
    })
}

fn whole(number: &toml::de::DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// For a key without its section: where it belongs.
fn owner_of(key: &str) -> Option<String> {
    let owner = keys::SECTIONS.iter().find(|(_, keys)| keys.iter().any(|(name, _)| *name == key));
    owner.map(|(section, _)| format!("`{key}` belongs into [{section}]"))
}
