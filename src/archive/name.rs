//! What archives are called: made from the system, the account's immutable id and the step's key, fit for every place.

use std::fmt;

use sha2::{Digest, Sha256};

/// How much of a name is kept of what it is made from.
const LONGEST: usize = 60;

/// The name of an archive: `SYSTEM/ACCOUNT/STEP-0123456789abcdef`. The same system, account and key give the same name,
/// and others another one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArchiveName(String);

impl ArchiveName {
    /// The name of what the step `key` (`run_12/archive/mailhost`) archives of `account` on `system`.
    pub fn of(system: &str, account: &str, key: &str) -> Self {
        let mut mark = Sha256::new();
        for part in [system, account, key] {
            mark.update((part.len() as u64).to_be_bytes());
            mark.update(part.as_bytes());
        }
        let mark = hex::encode(mark.finalize());
        let step = key.strip_suffix(&format!("/{system}")).unwrap_or(key);
        Self(format!("{}/{}/{}-{}", fit(system), fit(account), fit(step), mark.get(..16).unwrap_or(&mark)))
    }

    /// As text: parts of a path, made of letters, digits, `.`, `_` and `-` only.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ArchiveName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One part of a path that every place takes: nothing else is in it, it does not begin with a dot, and it is not empty.
pub(super) fn fit(text: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let fit: String = text.chars().take(LONGEST).map(|c| if fits(c) { c } else { '-' }).collect();
    match fit.trim_start_matches('.') {
        "" => "-".to_owned(),
        fit => fit.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_fit_for_every_place() {
        let name = ArchiveName::of("mailhost", "ada@example.org", "run_12/archive/mailhost");
        let (path, mark) = name.as_str().rsplit_once('-').unwrap();
        assert_eq!(path, "mailhost/ada-example.org/run_12-archive");
        assert_eq!(mark.len(), 16);
        for account in ["../../etc/passwd", "..", ".", "", "a/b", "a\\b", "a\0b", "\u{fc}ml\u{e4}ut", &"x".repeat(500)]
        {
            let name = ArchiveName::of("m", account, "../run/../../x");
            let parts: Vec<&str> = name.as_str().split('/').collect();
            assert_eq!(parts.len(), 3, "{name}");
            for part in parts {
                assert!(!part.starts_with('.') && !part.is_empty() && part.len() < 90, "{name}");
                assert!(part.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)), "{name}");
            }
        }
    }

    #[test]
    fn what_differs_has_another_name() {
        let names = [
            ("m", "a b", "k"),
            ("m", "a-b", "k"),
            ("m", "A-b", "k"),
            ("m", "a-b", "k2"),
            ("m-a", "b", "k"),
            ("m", "", "a-bk"),
            ("m", "a", "-bk"),
        ];
        let marks: std::collections::BTreeSet<String> = names
            .iter()
            .map(|(system, account, key)| {
                ArchiveName::of(system, account, key).as_str().rsplit_once('-').unwrap().1.to_owned()
            })
            .collect();
        assert_eq!(marks.len(), names.len());
        assert_eq!(ArchiveName::of("m", "a", "k"), ArchiveName::of("m", "a", "k"));
    }
}
