//! `[calendars.NAME]`, `[policy]`, `[policies.NAME]`: working days and what the law allows, for workflows to name.

use std::collections::BTreeMap;

use jiff::civil::{Date, Weekday};

use super::judge::Judge;
use super::problem::suggestion;
use super::raw::{RawCalendar, RawPolicy};
use crate::run::{Holidays, Policy, RedirectRule, Rules};
use crate::workflow::Span;

const WEEKDAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
    ("sunday", Weekday::Sunday),
];

impl Judge<'_> {
    /// Calendars and policies. `holidays` are those of `[time]`.
    pub(super) fn house_rules(&mut self, holidays: &std::collections::BTreeSet<Date>) -> Rules {
        let raw = &self.merged.raw;
        let (calendars, policies) = (&raw.calendars, &raw.policies);
        Rules {
            holidays: Holidays::on(holidays.iter().copied()),
            calendars: calendars.iter().map(|(name, raw)| (name.clone(), self.calendar(name, raw))).collect(),
            policy: self.policy("policy", &raw.policy),
            policies: policies
                .iter()
                .map(|(name, raw)| {
                    self.fits("policies", name);
                    (name.clone(), self.policy(&format!("policies.{name}"), raw))
                })
                .collect::<BTreeMap<_, _>>(),
            ..Rules::default()
        }
    }

    fn calendar(&mut self, name: &str, raw: &RawCalendar) -> Holidays {
        self.fits("calendars", name);
        let days = self.days(&format!("calendars.{name}.days"), raw.days.as_deref().unwrap_or_default());
        let holidays = Holidays::on(days);
        let Some(words) = &raw.weekend else { return holidays };
        let mut weekend = Vec::new();
        for word in words {
            match WEEKDAYS.iter().find(|(known, _)| *known == word.trim().to_lowercase()) {
                Some((_, day)) => weekend.push(*day),
                None => {
                    let help = suggestion(word, &WEEKDAYS.map(|(known, _)| known));
                    self.wrong(&format!("calendars.{name}.weekend"), format!("`{word}` is no day of the week; {help}"));
                }
            }
        }
        if WEEKDAYS.iter().all(|(_, day)| weekend.contains(day)) {
            self.wrong(&format!("calendars.{name}.weekend"), "a week without a working day never ends a business day");
            return holidays;
        }
        holidays.with_weekend(weekend)
    }

    /// Dates of a list, each mistake noted.
    pub(super) fn days(&mut self, key: &str, texts: &[String]) -> Vec<Date> {
        let mut days = Vec::new();
        for text in texts {
            match text.trim().parse() {
                Ok(day) => days.push(day),
                Err(_) => self.wrong(key, format!("`{text}` is no date; write it as `2027-01-01`")),
            }
        }
        days
    }

    fn policy(&mut self, section: &str, raw: &RawPolicy) -> Policy {
        let redirect = match raw.redirect.as_deref() {
            None => RedirectRule::default(),
            Some(word) => RedirectRule::ALL.into_iter().find(|rule| rule.as_str() == word).unwrap_or_else(|| {
                let help = suggestion(word, &RedirectRule::ALL.map(RedirectRule::as_str));
                self.wrong(&format!("{section}.redirect"), format!("`{word}` is no rule for redirects; {help}"));
                // What cannot be read allows nothing.
                RedirectRule::Forbidden
            }),
        };
        let auto_reply_max = raw.auto_reply_max.as_deref().and_then(|text| match Span::parse(text) {
            Ok(span) if !span.is_zero() => Some(span),
            Ok(_) => {
                self.wrong(&format!("{section}.auto_reply_max"), format!("`{text}` has no length"));
                None
            }
            Err(error) => {
                self.wrong(&format!("{section}.auto_reply_max"), error);
                None
            }
        });
        Policy { name: section.to_owned(), redirect, auto_reply_max }
    }

    /// A name that workflows can write.
    fn fits(&mut self, section: &str, name: &str) {
        let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(letters) {
            self.wrong(
                &format!("{section}.{name}"),
                "a name that workflows use is lower-case words joined by hyphens, starting with a letter",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use crate::config::{Config, Surroundings};
    use crate::run::RedirectRule;

    fn inspect(text: &str, variables: &[(&str, &str)]) -> (Config, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("usher.toml"), text).unwrap();
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let around = Surroundings { folder: folder.path().to_owned(), variables: variables.collect(), root: false };
        let (config, problems) = Config::inspect(&[], None, &around);
        (config, problems.into_iter().map(|problem| problem.message).collect())
    }

    #[test]
    fn calendars_have_days_and_a_weekend_of_their_own() {
        let text = "[time]\nholidays = [\"2027-08-02\"]\n[calendars.geneva]\ndays = [\"2027-09-09\"]\n\
                    [calendars.dubai]\nweekend = [\"Friday\", \"saturday\"]\n";
        let (config, problems) = inspect(text, &[]);
        assert_eq!(problems, [""; 0]);
        let works = |name: Option<&str>, day| config.rules.calendar(name).unwrap().is_business_day(day);
        let (fast, sunday) = (date(2027, 9, 9), date(2027, 9, 12));
        assert!(works(None, fast) && !works(Some("geneva"), fast) && works(Some("dubai"), fast));
        assert!(!works(None, sunday) && !works(Some("geneva"), sunday) && works(Some("dubai"), sunday));
        assert!(!works(None, date(2027, 8, 2)) && works(Some("geneva"), date(2027, 8, 2)), "each its own days");
        assert!(config.rules.calendar(Some("genf")).is_none());
    }

    #[test]
    fn policies_say_what_is_allowed() {
        let text = "[policy]\nredirect = \"with_reason\"\n[policies.monaco]\nredirect = \"forbidden\"\nauto_reply_max = \"3 months\"\n";
        let (config, problems) = inspect(text, &[("USHER__POLICY__AUTO_REPLY_MAX", "90 days")]);
        assert_eq!(problems, [""; 0]);
        let standard = config.rules.policy(None).unwrap();
        assert_eq!(standard.to_string(), "[policy]: redirect with_reason, auto-reply at most 90 days");
        assert_eq!(config.rules.policy(Some("monaco")).unwrap().redirect, RedirectRule::Forbidden);
        assert_eq!(config.rules.policy(Some("monaco")).unwrap().name, "policies.monaco");
    }

    #[test]
    fn the_environment_sets_lists_and_named_sections() {
        let variables = [
            ("USHER__CALENDARS__GENEVA__DAYS", "2027-09-09,2027-12-31"),
            ("USHER__POLICIES__IT__REDIRECT", "forbidden"),
        ];
        let (config, problems) = inspect("", &variables);
        assert_eq!(problems, [""; 0]);
        assert!(!config.rules.calendar(Some("geneva")).unwrap().is_business_day(date(2027, 12, 31)));
        assert_eq!(config.rules.policy(Some("it")).unwrap().redirect, RedirectRule::Forbidden);
    }

    #[test]
    fn mistakes_are_named_and_forbid_rather_than_allow() {
        let (config, problems) = inspect("[policy]\nredirect = \"forbiden\"\nauto_reply_max = \"soon\"\n", &[]);
        assert!(problems[0].contains("`forbiden` is no rule") && problems[0].contains("forbidden"), "{problems:?}");
        assert!(problems[1].contains("not a span of time"), "{problems:?}");
        assert_eq!(config.rules.policy(None).unwrap().redirect, RedirectRule::Forbidden);
        let (_, problems) = inspect("[calendars.x]\ndays = [\"9.9.2027\"]\nweekend = [\"fryday\"]\nday = []\n", &[]);
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(problems.iter().any(|problem| problem.contains("unknown key `day` in [calendars.x]")), "{problems:?}");
        let week = "[\"monday\",\"tuesday\",\"wednesday\",\"thursday\",\"friday\",\"saturday\",\"sunday\"]";
        let (_, problems) = inspect(&format!("[calendars.x]\nweekend = {week}\n"), &[]);
        assert!(problems[0].contains("without a working day"), "{problems:?}");
    }
}
