//! `{first}.{last}`: a naming convention as people write it.

use std::fmt;

use super::{LONGEST_LOCAL_PART, spelling};

/// A naming convention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    written: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    First,
    FirstLetter,
    Last,
    LastLetter,
}

/// What may stand in braces. `given` and `family` are other words for `first` and `last`.
const WORDS: [(&str, Part); 6] = [
    ("first", Part::First),
    ("given", Part::First),
    ("f", Part::FirstLetter),
    ("last", Part::Last),
    ("family", Part::Last),
    ("l", Part::LastLetter),
];

/// Why a text is no convention.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// A brace without its partner.
    #[error("`{0}` has a brace without its partner; write for example `{{first}}.{{last}}`")]
    Brace(String),
    /// Something else in braces.
    #[error(
        "`{{{0}}}` is no part of a name; there are `{{first}}`, `{{last}}`, and their first letters `{{f}}`, `{{l}}`"
    )]
    Unknown(String),
    /// Signs that an address should not have.
    #[error("`{0}` cannot stand in an address here; between the braces go small letters, digits, `.`, `-` and `_`")]
    Sign(char),
    /// Everybody would be called the same.
    #[error("`{0}` names nobody: it needs at least one of `{{first}}`, `{{last}}`, `{{f}}`, `{{l}}`")]
    Nobody(String),
}

impl Default for Pattern {
    /// `{first}.{last}`
    fn default() -> Self {
        let parts = vec![Part::First, Part::Text(".".to_owned()), Part::Last];
        Self { written: "{first}.{last}".to_owned(), parts }
    }
}

impl Pattern {
    /// Reads a convention.
    ///
    /// # Errors
    /// [`PatternError`].
    pub fn parse(written: &str) -> Result<Self, PatternError> {
        let unpaired = || PatternError::Brace(written.to_owned());
        let (mut parts, mut rest) = (Vec::new(), written.trim());
        while !rest.is_empty() {
            let (text, from) = rest.split_at(rest.find('{').unwrap_or(rest.len()));
            if text.contains('}') {
                return Err(unpaired());
            }
            if let Some(sign) = text.chars().find(|sign| !fits(*sign)) {
                return Err(PatternError::Sign(sign));
            }
            if !text.is_empty() {
                parts.push(Part::Text(text.to_owned()));
            }
            let Some(braced) = from.strip_prefix('{') else { break };
            let (word, behind) = braced.split_once('}').ok_or_else(unpaired)?;
            let known = WORDS.iter().find(|(known, _)| *known == word.trim());
            parts.push(known.map(|(_, part)| part.clone()).ok_or_else(|| PatternError::Unknown(word.to_owned()))?);
            rest = behind;
        }
        if parts.iter().all(|part| matches!(part, Part::Text(_))) {
            return Err(PatternError::Nobody(written.to_owned()));
        }
        Ok(Self { written: written.trim().to_owned(), parts })
    }

    /// The local part for these names; empty when nothing is left of them. A name that is missing takes the signs
    /// beside it along: somebody who is only called Sukarno is `sukarno`, not `.sukarno`.
    pub(super) fn spell(&self, given: &str, family: &str, language: Option<&str>) -> String {
        let first = spelling::first(given, language);
        let last = spelling::joined(family, language);
        if first.is_empty() && last.is_empty() {
            return String::new();
        }
        let letter = |name: &str| name.chars().take(1).collect::<String>();
        let mut spelt = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => text.chars().for_each(|sign| join(&mut spelt, sign)),
                Part::First => {
                    spelt.push_str(if first.is_empty() { instead(&last, self.has(&Part::Last)) } else { &first })
                }
                Part::Last => {
                    spelt.push_str(if last.is_empty() { instead(&first, self.has(&Part::First)) } else { &last })
                }
                Part::FirstLetter => spelt.push_str(&letter(&first)),
                Part::LastLetter => spelt.push_str(&letter(&last)),
            }
        }
        let fits = spelt.get(..spelt.len().min(LONGEST_LOCAL_PART)).unwrap_or(&spelt);
        fits.trim_matches(['.', '-', '_']).to_owned()
    }

    fn has(&self, part: &Part) -> bool {
        self.parts.contains(part)
    }
}

/// Where one name is missing, the other stands in, unless the convention names it anyway.
fn instead(other: &str, named_anyway: bool) -> &str {
    if named_anyway { "" } else { other }
}

/// No sign at the beginning, and none beside another.
fn join(spelt: &mut String, sign: char) {
    let sign_before = spelt.ends_with(['.', '-', '_']);
    if sign.is_ascii_alphanumeric() || !(spelt.is_empty() || sign_before) {
        spelt.push(sign);
    }
}

const fn fits(sign: char) -> bool {
    sign.is_ascii_lowercase() || sign.is_ascii_digit() || matches!(sign, '.' | '-' | '_')
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}
