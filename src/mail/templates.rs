//! Templates by name and language: those that come with usher, and files that take their place.
//!
//! A template is one text file, `NAME.LANGUAGE.txt`: its first line is `Subject: …`, then an empty line, then the words.
//! Both parts of the mail are made from it ([`super::formatting`]). `footer.LANGUAGE.txt` stands below every mail, and
//! `layout.html` is the page around the HTML part.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::civil::Date;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, Error, Output, State, UndefinedBehavior};

use super::formatting::{self, BRACKET};
use super::language::Language;
use super::samples::{Facts, samples};
use super::{Addressee, LetterError};
use crate::workflow::{Diagnostic, Severity};

macro_rules! shipped {
    ($($name:literal)*) => {
        /// The names of the templates that come with usher.
        pub const NAMES: &[&str] = &[$($name,)*];

        const SHIPPED: &[(&str, &str)] = &[$(
            (concat!($name, ".en"), include_str!(concat!("texts/", $name, ".en.txt"))),
            (concat!($name, ".fr"), include_str!(concat!("texts/", $name, ".fr.txt"))),
            (concat!($name, ".de"), include_str!(concat!("texts/", $name, ".de.txt"))),
            (concat!($name, ".it"), include_str!(concat!("texts/", $name, ".it.txt"))),
        )*];
    };
}

shipped! {
    "manager-before-last-day" "manager-on-last-day" "manager-after-last-day" "welcome" "setup-link" "password-reset"
    "credentials-sealed" "product-blocked" "product-unblocked" "mail-maintenance" "mail-maintenance-ended"
    "secure-your-account" "account-ready" "role-changed" "promoted-to-administrator" "tasks-waiting" "alert" "test"
}

const FOOTERS: [(&str, &str); 4] = [
    ("footer.en", include_str!("texts/footer.en.txt")),
    ("footer.fr", include_str!("texts/footer.fr.txt")),
    ("footer.de", include_str!("texts/footer.de.txt")),
    ("footer.it", include_str!("texts/footer.it.txt")),
];

const LAYOUT: &str = "layout.html";

/// Whether `notify.email` may name this template; `folder` is the configured one.
pub fn is_known(name: &str, folder: Option<&Path>) -> bool {
    let own = |language: Language| folder.is_some_and(|folder| folder.join(file_name(name, language)).is_file());
    NAMES.contains(&name) || Language::ALL.into_iter().any(own)
}

fn file_name(name: &str, language: Language) -> String {
    format!("{name}.{}.txt", language.as_str())
}

/// All templates, read once.
#[derive(Debug)]
pub struct Templates {
    plain: Environment<'static>,
    rich: Environment<'static>,
}

impl Templates {
    /// Those that come with usher, and those of `folder` in their place; what is wrong with the latter is left out and
    /// named.
    pub fn read(folder: Option<&Path>) -> (Self, Vec<Diagnostic>) {
        let mut texts: BTreeMap<String, (String, String)> = BTreeMap::new();
        for (key, text) in SHIPPED.iter().chain(&FOOTERS) {
            texts.insert((*key).to_owned(), (format!("{key}.txt"), (*text).to_owned()));
        }
        texts.insert(LAYOUT.to_owned(), (LAYOUT.to_owned(), include_str!("texts/layout.html").to_owned()));
        let mut mistakes = Vec::new();
        let mut templates = Self { plain: environment(AutoEscape::None), rich: environment(AutoEscape::Html) };
        for (key, (file, text)) in texts {
            mistakes.extend(templates.add(&key, &file, &text));
        }
        let own = folder.map(|folder| own_files(folder, &mut mistakes));
        for (key, file, text) in own.into_iter().flatten() {
            let mut own = Self { plain: environment(AutoEscape::None), rich: environment(AutoEscape::Html) };
            let wrong = own.add(&key, &file, &text);
            if wrong.is_empty() {
                templates.add(&key, &file, &text);
            }
            mistakes.extend(wrong);
        }
        (templates, mistakes)
    }

    /// Takes a template in, unless something is wrong with it.
    fn add(&mut self, key: &str, file: &str, text: &str) -> Vec<Diagnostic> {
        let at = |error: &Error| mistake(file, text, error.line().unwrap_or(1), words(error));
        for environment in [&mut self.plain, &mut self.rich] {
            if let Err(error) = environment.add_template_owned(key.to_owned(), text.to_owned()) {
                return vec![at(&error)];
            }
        }
        let name = key.rsplit_once('.').map_or(key, |(name, _)| name);
        if key == LAYOUT || name == "footer" {
            return self.try_around(key).err().iter().map(at).collect();
        }
        if !text.starts_with("Subject: ") {
            let help = "write `Subject: …`, then an empty line, then the words";
            let mut wrong = mistake(file, text, 1, "the first line is not the subject".to_owned());
            wrong.help(help);
            return vec![wrong];
        }
        self.unknown_names(key, name, file, text)
            .into_iter()
            .chain(self.try_out(key, name).err().iter().map(at))
            .collect()
    }

    /// Names that no fact has, also in what the samples do not reach.
    fn unknown_names(&self, key: &str, name: &str, file: &str, text: &str) -> Vec<Diagnostic> {
        let [full, _] = samples();
        let known = full.values(name, Language::En, &Addressee::unknown("x@example.org"));
        let used = self.plain.get_template(key).map(|it| it.undeclared_variables(true)).unwrap_or_default();
        let mut used: Vec<String> = used.into_iter().collect();
        used.sort();
        let own_input = |path: &str| path.starts_with("inputs.");
        let unknown = used.into_iter().filter(|path| !own_input(path) && !leads_somewhere(&known, path));
        unknown
            .map(|path| {
                let line = text.lines().position(|line| line.contains(&path)).map_or(1, |at| at + 1);
                let mut wrong = mistake(file, text, line, format!("`{path}` is not known in this template"));
                wrong.help("docs/MAIL.md lists what each template knows");
                wrong
            })
            .collect()
    }

    fn try_out(&self, key: &str, name: &str) -> Result<(), Error> {
        for facts in samples() {
            let values = facts.values(name, Language::En, &Addressee::unknown("x@example.org"));
            for environment in [&self.plain, &self.rich] {
                match environment.get_template(key)?.render(Value::from(Serde(&values))) {
                    // An input of the workflow that the samples do not have.
                    Err(error)
                        if error.kind() == minijinja::ErrorKind::UndefinedError && names_inputs(environment, key) => {}
                    outcome => drop(outcome?),
                }
            }
        }
        Ok(())
    }

    fn try_around(&self, key: &str) -> Result<(), Error> {
        let values =
            minijinja::context! { language => "en", subject => "Subject", body => "<p>Body</p>", footer => "x" };
        self.rich.get_template(key)?.render(values).map(drop)
    }

    /// Subject, plain part and HTML part of the template called `name`.
    ///
    /// # Errors
    /// When there is no such template, or something in it is not known; in words.
    pub(super) fn fill(
        &self,
        name: &str,
        language: Language,
        to: &Addressee,
        facts: &Facts,
    ) -> Result<(String, String, String), LetterError> {
        let (key, language) = self.spoken(name, language)?;
        let values = facts.values(name, language, to);
        let failed = |error: Error| LetterError(format!("the mail template `{name}`: {}", words(&error)));
        let render =
            |environment: &Environment<'_>| environment.get_template(&key)?.render(Value::from(Serde(&values)));
        let (subject, text) = parted(&render(&self.plain).map_err(failed)?);
        let (_, rich) = parted(&render(&self.rich).map_err(failed)?);
        let (text, html) = self.around(language, &subject, &text, &rich)?;
        Ok((subject, text, html))
    }

    /// Words that somebody wrote into a workflow file, as both parts.
    ///
    /// # Errors
    /// When the layout fails.
    pub(super) fn lay_out(
        &self,
        language: Language,
        subject: &str,
        text: &str,
    ) -> Result<(String, String), LetterError> {
        let escaped: String = text.chars().map(escaped).collect();
        self.around(language, subject, text, &escaped)
    }

    fn around(
        &self,
        language: Language,
        subject: &str,
        text: &str,
        rich: &str,
    ) -> Result<(String, String), LetterError> {
        let failed = |error: Error| LetterError(format!("the mail layout: {}", words(&error)));
        let values = minijinja::context! { language => language.as_str() };
        let footer = self.plain.get_template(&format!("footer.{}", language.as_str())).map_err(failed)?;
        let footer = footer.render(values).map_err(failed)?.trim().to_owned();
        let body = formatting::html(rich);
        let page = minijinja::context! { language => language.as_str(), subject, body, footer => footer.as_str() };
        let html = self.rich.get_template(LAYOUT).and_then(|layout| layout.render(page)).map_err(failed)?;
        Ok((format!("{}\n-- \n{footer}\n", formatting::plain(text)), html))
    }

    /// The key of a template in this language, else in English, else in any it has.
    fn spoken(&self, name: &str, language: Language) -> Result<(String, Language), LetterError> {
        let wanted = [language, Language::En].into_iter().chain(Language::ALL);
        let key = |language: Language| format!("{name}.{}", language.as_str());
        let found = wanted.into_iter().find(|language| self.plain.get_template(&key(*language)).is_ok());
        let missing = || LetterError(format!("there is no mail template called `{name}`"));
        found.map(|language| (key(language), language)).ok_or_else(missing)
    }
}

/// Key, file and text of the templates in a folder. Other files are nobody's business.
fn own_files(folder: &Path, mistakes: &mut Vec<Diagnostic>) -> Vec<(String, String, String)> {
    let shown = |path: &Path| path.display().to_string();
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            mistakes.push(mistake(&shown(folder), "", 1, format!("the folder of mail templates: {error}")));
            return Vec::new();
        }
    };
    let mut found = Vec::new();
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        let Some(file) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let key = file.strip_suffix(".txt").unwrap_or(file);
        let spoken = key.rsplit_once('.').is_some_and(|(_, tag)| Language::ALL.iter().any(|it| it.as_str() == tag));
        if file != LAYOUT && !(file.ends_with(".txt") && spoken) {
            continue;
        }
        match std::fs::read_to_string(&path) {
            Ok(text) => found.push((key.to_owned(), shown(&path), text)),
            Err(error) => mistakes.push(mistake(&shown(&path), "", 1, format!("it cannot be read: {error}"))),
        }
    }
    found.sort();
    found
}

fn environment(escape: AutoEscape) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(500_000));
    // A line that holds only a tag leaves no line behind.
    if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
        environment.set_syntax(syntax);
    }
    environment.set_auto_escape_callback(move |_| escape.clone());
    environment.set_formatter(write_value);
    environment.add_filter("day", day);
    environment
}

/// Nothing for null; everything else on one line, and never a button.
fn write_value(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    if value.is_none() {
        return Ok(());
    }
    match value.as_str().filter(|_| !value.is_safe()) {
        Some(text) => {
            let flat: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            minijinja::escape_formatter(out, state, &Value::from(flat.replace('[', &BRACKET.to_string())))
        }
        None => minijinja::escape_formatter(out, state, value),
    }
}

/// `2027-01-29` as people write it in the mail's language; anything else stays as it is.
fn day(state: &State<'_, '_>, value: Value) -> Value {
    let language = state.lookup("language").and_then(|tag| tag.as_str().and_then(Language::of_tag));
    let date = value.as_str().and_then(|text| text.parse::<Date>().ok());
    date.map_or(value, |date| Value::from(language.unwrap_or(Language::En).day(date)))
}

fn escaped(c: char) -> String {
    match c {
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '&' => "&amp;".to_owned(),
        '"' => "&quot;".to_owned(),
        other => other.to_string(),
    }
}

/// The subject and the rest.
fn parted(text: &str) -> (String, String) {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let subject = first.strip_prefix("Subject:").unwrap_or(first).trim().replace(BRACKET, "[");
    (subject, rest.to_owned())
}

fn leads_somewhere(known: &serde_json::Value, path: &str) -> bool {
    let mut at = known;
    for name in path.split('.') {
        match at.get(name) {
            Some(next) => at = next,
            // Below null and plain values nothing can be said.
            None => return !at.is_object(),
        }
    }
    true
}

fn names_inputs(environment: &Environment<'_>, key: &str) -> bool {
    environment
        .get_template(key)
        .is_ok_and(|it| it.undeclared_variables(true).iter().any(|path| path.starts_with("inputs.")))
}

fn words(error: &Error) -> String {
    error.detail().map_or_else(|| error.kind().to_string(), |detail| format!("{}: {detail}", error.kind()))
}

fn mistake(file: &str, text: &str, line: usize, message: String) -> Diagnostic {
    let source_line = text.lines().nth(line.saturating_sub(1)).unwrap_or_default().to_owned();
    Diagnostic {
        file: file.to_owned(),
        line,
        column: 1,
        width: source_line.chars().count().max(1),
        severity: Severity::Error,
        code: crate::workflow::Code::MailTemplate,
        message,
        source_line,
        suggestion: None,
    }
}
