//! `kind = "scim"`: judged whole.

use std::collections::{BTreeMap, BTreeSet};

use super::judge::Judge;
use super::keys::SYSTEMS;
use super::problem::suggestion;
use super::raw::RawScim;
use crate::connectors::http::{LineSettings, system_url};
use crate::connectors::scim::{Dialect, Lack, Login, NumberIn, ScimSettings};
use crate::secret::SecretRef;

impl Judge<'_> {
    /// A service provider; `None` where something is missing that has no default.
    pub(super) fn scim(&mut self, name: &str, raw: &RawScim) -> Option<ScimSettings> {
        let section = format!("{SYSTEMS}.{name}");
        let key = |name_of: &str| format!("{section}.{name_of}");
        let before = self.problems.len();
        let place = "what every request is below, `https://app.example.org/scim/v2`";
        let url = match self.needed(name, "url", raw.url.as_deref(), place).map(|url| system_url(&url)) {
            Some(Err(why)) => {
                self.wrong(&key("url"), why);
                None
            }
            Some(Ok(url)) => Some(url),
            None => None,
        };
        let credentials = self.scim_login(name, raw);
        let dialect = self.word(&key("dialect"), raw.dialect.as_deref(), &Dialect::ALL, Dialect::as_str);
        let number =
            self.word(&key("employee_number"), raw.employee_number.as_deref(), &NumberIn::ALL, NumberIn::as_str);
        let mut lacks = BTreeSet::new();
        for word in raw.lacks.iter().flatten() {
            lacks.extend(self.word(&key("lacks"), Some(word), &Lack::ALL, Lack::as_str));
        }
        let page = self.page(&key("page"), raw.page, ScimSettings::PAGE);
        let timeout = self.length(&key("timeout"), raw.timeout.as_deref(), 1..=60, LineSettings::TIMEOUT);
        let networks = self.networks(&key("networks"), raw.networks.as_deref().unwrap_or_default());
        let answer_limit = self.limit(&section, raw.answer_limit, ScimSettings::ANSWER_LIMIT);
        if self.problems.len() > before {
            return None;
        }
        let (login, secret, reference) = credentials?;
        Some(ScimSettings {
            line: LineSettings {
                url: url?,
                networks,
                ca: raw.ca.as_deref().map(|ca| self.path(ca)),
                timeout,
                answer_limit,
                headers: BTreeMap::new(),
                secrets: BTreeMap::from([(secret.to_owned(), reference)]),
            },
            login,
            dialect,
            number: number.unwrap_or(NumberIn::Enterprise),
            lacks,
            administrators: raw.administrators.clone(),
            page,
        })
    }

    /// A token, or a name and a password.
    fn scim_login(&mut self, name: &str, raw: &RawScim) -> Option<(Login, &'static str, SecretRef)> {
        let section = format!("{SYSTEMS}.{name}");
        match (&raw.token, &raw.user, &raw.password) {
            (Some(token), None, None) => Some((Login::Bearer, ScimSettings::TOKEN, token.clone())),
            // The name ends at the first colon (RFC 7617, 2).
            (None, Some(user), Some(_)) if user.contains(':') => {
                self.wrong(&format!("{section}.user"), "a name to sign in with has no `:`");
                None
            }
            (None, Some(user), Some(password)) => {
                Some((Login::Basic(user.clone()), ScimSettings::PASSWORD, password.clone()))
            }
            (Some(_), ..) => {
                self.wrong(&section, "either `token`, or `user` and `password`: leave one of them out");
                None
            }
            _ => {
                if !self.has_been_named(name) {
                    self.wrong(
                        &section,
                        "how does usher get in? `token = { file = \"PATH\" }`, or `user` and `password`",
                    );
                }
                None
            }
        }
    }

    /// One of a closed set of words.
    fn word<T: Copy, const N: usize>(
        &mut self,
        key: &str,
        written: Option<&str>,
        all: &[T; N],
        word: fn(T) -> &'static str,
    ) -> Option<T> {
        let written = written?;
        let found = all.iter().copied().find(|each| word(*each) == written);
        if found.is_none() {
            let help = suggestion(written, &all.map(word));
            self.wrong(key, format!("`{written}` is unknown; {help}"));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use crate::config::tests::judged;
    use crate::config::{Config, SystemKind};
    use crate::connectors::scim::{Dialect, Lack, Login, NumberIn, ScimSettings};

    const WHOLE: &str = "[systems.app]\nkind = \"scim\"\nurl = \"https://app.example.org/scim/v2\"\n\
        token = { env = \"SCIM_TOKEN\" }\n";

    fn settings(config: &Config) -> &ScimSettings {
        match &config.systems["app"].kind {
            SystemKind::Scim(settings) => settings,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_provider_has_defaults_that_work() {
        let (config, problems) = judged(WHOLE);
        assert_eq!(problems, [""; 0]);
        let found = settings(&config);
        assert_eq!((&found.login, found.dialect, found.number), (&Login::Bearer, None, NumberIn::Enterprise));
        assert_eq!((found.page, found.line.timeout), (200, Duration::from_secs(6)));
        assert_eq!(found.line.url.as_str(), "https://app.example.org/scim/v2/");
        let more = "dialect = \"entra\"\nlacks = [\"password\", \"roles\"]\nemployee_number = \"externalId\"\n";
        let basic = "user = \"usher\"\npassword = { file = \"p\" }\n";
        let (config, problems) =
            judged(&format!("{}{basic}{more}", WHOLE.replace("token = { env = \"SCIM_TOKEN\" }\n", "")));
        assert_eq!(problems, [""; 0]);
        let found = settings(&config);
        assert_eq!((&found.login, found.dialect), (&Login::Basic("usher".to_owned()), Some(Dialect::Entra)));
        assert_eq!(found.lacks, [Lack::Password, Lack::Roles].into());
    }

    #[test]
    fn every_key_of_a_provider_is_read() {
        for (key, kind) in super::super::keys::SYSTEM_KINDS.iter().find(|(kind, _)| *kind == "scim").unwrap().1 {
            let value = match kind {
                super::super::keys::Kind::Secret => json!({ "env": "X" }),
                super::super::keys::Kind::Number => json!(1),
                super::super::keys::Kind::Texts => json!(["x"]),
                _ => json!("x"),
            };
            let read: Result<super::RawScim, _> = serde_json::from_value(json!({ *key: value }));
            assert!(read.is_ok(), "{key}: {read:?}");
        }
        assert!(serde_json::from_value::<super::RawScim>(json!({ "tokn": "x" })).is_err());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (from, to, named) in [
            ("url = \"https://app.example.org/scim/v2\"\n", "", "`systems.app.url`: it is missing"),
            ("https://app", "http://app", "over plain http anybody on the way reads credentials along"),
            ("https://app", "https://usher:x@app", "it holds a login"),
            ("token = { env = \"SCIM_TOKEN\" }\n", "", "how does usher get in?"),
            ("{ env = \"SCIM_TOKEN\" }", "\"s3cret\"", "never written into the configuration"),
        ] {
            let (_, problems) = judged(&WHOLE.replace(from, to));
            assert!(problems.iter().any(|problem| problem.contains(named)), "{to}: {problems:?}");
        }
        for (more, named) in [
            ("user = \"usher\"\npassword = { env = \"P\" }", "leave one of them out"),
            ("dialect = \"okto\"", "did you mean `okta`"),
            ("employee_number = \"number\"", "`number` is unknown"),
            ("lacks = [\"passwords\"]", "did you mean `password`"),
            ("page = 5000", "between 1 and 1000"),
            ("timeout = \"1 hour\"", "`systems.app.timeout`"),
            ("networks = [\"x\"]", "`x` is no network"),
            ("base = \"dc=x\"", "unknown key `base`"),
        ] {
            let (_, problems) = judged(&format!("{WHOLE}{more}\n"));
            assert!(problems.iter().any(|problem| problem.contains(named)), "{more}: {problems:?}");
        }
    }
}
