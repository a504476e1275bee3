//! The key of people whom HR gives no number.

/// What stands in for an employee number where a file has no column for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFrom {
    /// The work address, in lower case: `ada@example.org`.
    Email,
    /// The name, its words in lower case with points between: `ada.lovelace`.
    Name,
}

impl KeyFrom {
    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Name => "name",
        }
    }

    /// The rule called `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Email, Self::Name].into_iter().find(|rule| rule.as_str() == name)
    }
}

/// The key made of names: letters and digits of any script in lower case, everything else a point. The same names
/// give the same key, whatever blanks and hyphens a file has between them.
pub(super) fn of_names<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut key = String::new();
    for name in names {
        key.push('.');
        for c in name.chars().flat_map(char::to_lowercase) {
            match c.is_alphanumeric() {
                true => key.push(c),
                false if !key.ends_with('.') => key.push('.'),
                false => {}
            }
        }
        key.truncate(key.trim_end_matches('.').len());
    }
    key.trim_start_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_makes_one_key_however_it_is_written() {
        assert_eq!(of_names(["Ada", "Lovelace"]), "ada.lovelace");
        assert_eq!(of_names([" Ada  Maria", "Müller - Weiß "]), "ada.maria.müller.weiß");
        assert_eq!(of_names(["", "O'Hara"]), "o.hara");
        assert_eq!(of_names(["-", ""]), "");
    }
}
