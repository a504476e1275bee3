//! The languages that mails are written in, and how each writes a day.

use jiff::civil::Date;

/// A language of the templates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    /// English.
    En,
    /// French.
    Fr,
    /// German.
    De,
    /// Italian.
    It,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::En, Self::Fr, Self::De, Self::It];

    /// The word in file names and in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Fr => "fr",
            Self::De => "de",
            Self::It => "it",
        }
    }

    /// The language of a BCP 47 tag (`fr-CH`), if it is one of them.
    pub fn of_tag(tag: &str) -> Option<Self> {
        let first = tag.split(['-', '_']).next().unwrap_or_default().to_lowercase();
        Self::ALL.into_iter().find(|language| language.as_str() == first)
    }

    /// `Friday 29 January 2027`, as people write it in this language.
    pub fn day(self, date: Date) -> String {
        let (days, months) = self.names();
        let day = days[usize::from(date.weekday().to_monday_zero_offset().unsigned_abs() % 7)];
        let month = months[usize::from(date.month().unsigned_abs().clamp(1, 12)) - 1];
        match self {
            Self::De => format!("{day}, {}. {month} {}", date.day(), date.year()),
            Self::Fr if date.day() == 1 => format!("{day} 1er {month} {}", date.year()),
            _ => format!("{day} {} {month} {}", date.day(), date.year()),
        }
    }

    #[rustfmt::skip]
    const fn names(self) -> ([&'static str; 7], [&'static str; 12]) {
        match self {
            Self::En => (
                ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
                ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
                    "November", "December"],
            ),
            Self::Fr => (
                ["lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"],
                ["janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre",
                    "novembre", "décembre"],
            ),
            Self::De => (
                ["Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"],
                ["Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober",
                    "November", "Dezember"],
            ),
            Self::It => (
                ["lunedì", "martedì", "mercoledì", "giovedì", "venerdì", "sabato", "domenica"],
                ["gennaio", "febbraio", "marzo", "aprile", "maggio", "giugno", "luglio", "agosto", "settembre",
                    "ottobre", "novembre", "dicembre"],
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_language_writes_its_days() {
        let (friday, first) = ("2027-01-29".parse().unwrap(), "2027-03-01".parse().unwrap());
        assert_eq!(Language::En.day(friday), "Friday 29 January 2027");
        assert_eq!(Language::De.day(friday), "Freitag, 29. Januar 2027");
        assert_eq!(Language::Fr.day(first), "lundi 1er mars 2027");
        assert_eq!(Language::It.day(first), "lunedì 1 marzo 2027");
    }

    #[test]
    fn tags_name_a_language() {
        assert_eq!(Language::of_tag("fr-CH"), Some(Language::Fr));
        assert_eq!(Language::of_tag("DE_at"), Some(Language::De));
        assert_eq!(Language::of_tag("fi"), None);
    }
}
