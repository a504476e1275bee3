//! `[passwords]`, and what a system has of its own.

use std::collections::BTreeMap;

use super::judge::Judge;
use super::keys::SYSTEMS;
use super::problem::suggestion;
use crate::engine::Passwords;
use crate::secret::{PasswordPolicy, SignClass};

const LENGTH: i64 = 24;
const CLASSES: [SignClass; 3] = [SignClass::Lower, SignClass::Upper, SignClass::Digit];

impl Judge<'_> {
    pub(super) fn passwords(&mut self) -> Passwords {
        let merged = self.merged;
        let raw = &merged.raw.passwords;
        let keys = ("passwords.length".to_owned(), "passwords.classes".to_owned());
        let everywhere = self.password_policy(&keys, raw.length, raw.classes.as_deref()).unwrap_or_default();
        let mut on = BTreeMap::new();
        for (name, system) in &merged.raw.systems {
            if system.password_length.is_none() && system.password_classes.is_none() {
                continue;
            }
            let key = |key: &str| format!("{SYSTEMS}.{name}.{key}");
            let keys = (key("password_length"), key("password_classes"));
            // What it does not say is as everywhere.
            let length = system.password_length.or(raw.length);
            let classes = system.password_classes.as_deref().or(raw.classes.as_deref());
            on.extend(self.password_policy(&keys, length, classes).map(|policy| (name.clone(), policy)));
        }
        Passwords { everywhere, on }
    }

    fn password_policy(
        &mut self,
        keys: &(String, String),
        length: Option<i64>,
        words: Option<&[String]>,
    ) -> Option<PasswordPolicy> {
        let mut classes = Vec::new();
        for word in words.unwrap_or_default() {
            match SignClass::ALL.into_iter().find(|class| class.as_str() == word) {
                Some(class) => classes.push(class),
                None => {
                    let help = suggestion(word, &SignClass::ALL.map(SignClass::as_str));
                    self.wrong(&keys.1, format!("`{word}` is no class of signs; {help}"));
                    return None;
                }
            }
        }
        let classes = if words.is_some() { classes } else { CLASSES.to_vec() };
        let length = length.unwrap_or(LENGTH);
        let Some(length) = usize::try_from(length).ok().filter(|length| PasswordPolicy::LENGTHS.contains(length))
        else {
            let (least, most) = (PasswordPolicy::LENGTHS.start(), PasswordPolicy::LENGTHS.end());
            self.wrong(&keys.0, format!("{length} is not between {least} and {most}"));
            return None;
        };
        let policy = PasswordPolicy::new(length, &classes);
        if policy.is_none() {
            self.wrong(&keys.1, "passwords of digits alone, or of nothing, are guessed; name letters too");
        }
        policy
    }
}

#[cfg(test)]
mod tests {
    use crate::config::tests::judged;
    use crate::secret::{PasswordPolicy, SignClass};

    #[test]
    fn a_system_may_differ_and_takes_over_what_it_does_not_say() {
        let system = "[systems.a]\nkind = \"sandbox\"\ncompany = \"x\"\n";
        let text =
            format!("[passwords]\nlength = 20\nclasses = [\"lower\", \"other\"]\n{system}password_length = 14\n");
        let (config, problems) = judged(&text);
        assert_eq!(problems, [""; 0]);
        let classes = [SignClass::Lower, SignClass::Other];
        assert_eq!(Some(config.passwords.everywhere), PasswordPolicy::new(20, &classes));
        assert_eq!(config.passwords.on.get("a").cloned(), PasswordPolicy::new(14, &classes));
        assert_eq!(judged("").0.passwords.everywhere, PasswordPolicy::default());
    }

    #[test]
    fn weak_policies_are_refused_and_named() {
        for (text, words) in [
            ("length = 8", "8 is not between 12 and 128"),
            ("length = -1", "-1 is not between"),
            ("classes = [\"uper\"]", "did you mean `upper`"),
            ("classes = [\"digit\"]", "are guessed"),
            ("classes = []", "are guessed"),
        ] {
            let problems = judged(&format!("[passwords]\n{text}\n")).1;
            assert!(problems.len() == 1 && problems[0].contains(words), "{text}: {problems:?}");
        }
    }
}
