//! `kind = "dav"`: judged whole.

use serde::Deserialize;

use super::judge::Judge;
use super::keys::SYSTEMS;
use crate::connectors::dav::{DavSettings, Template};
use crate::connectors::http::system_url;
use crate::secret::SecretRef;

/// `kind = "dav"`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawDav {
    url: Option<String>,
    networks: Vec<String>,
    ca: Option<String>,
    timeout: Option<String>,
    user: Option<String>,
    password: Option<SecretRef>,
    domain: Option<String>,
    calendars: Option<String>,
    contacts: Option<String>,
    files: Option<String>,
}

impl Judge<'_> {
    /// A server of calendars, address books or files; `None` where something is missing that has no default.
    pub(super) fn dav(&mut self, name: &str, raw: &RawDav) -> Option<DavSettings> {
        let key = |name_of: &str| format!("{SYSTEMS}.{name}.{name_of}");
        let before = self.problems.len();
        let url = self.needed(name, "url", raw.url.as_deref(), "where the server is, `https://dav.example.org/`");
        let url = url.map(|url| system_url(&url)).transpose().unwrap_or_else(|why| {
            // What says so for `http` speaks of its headers.
            let why =
                if why.contains("a login") { "it holds a login; write `user` and `password`".into() } else { why };
            self.wrong(&key("url"), why);
            None
        });
        let user = self.needed(name, "user", raw.user.as_deref(), "whom usher signs in as");
        if raw.password.is_none() && !self.has_been_named(name) {
            self.wrong(&key("password"), "it is missing: `{ env = \"NAME\" }` or `{ file = \"PATH\" }`");
        }
        if user.as_deref().is_some_and(|user| user.contains(':')) {
            self.wrong(&key("user"), "a name with `:` cannot sign in (RFC 7617)");
        }
        let domain = raw.domain.as_deref().map(str::trim);
        if domain.is_some_and(|domain| domain.is_empty() || domain.contains(['@', '/', ' '])) {
            self.wrong(&key("domain"), "it is no domain, as `example.org` is one");
        }
        let homes = [("calendars", &raw.calendars), ("contacts", &raw.contacts), ("files", &raw.files)];
        if homes.iter().all(|(_, home)| home.is_none()) && !self.has_been_named(name) {
            let what = "it says neither where `calendars`, nor where `contacts`, nor where `files` are";
            self.wrong(&format!("{SYSTEMS}.{name}"), format!("{what}: `files = \"files/{{account}}/\"`"));
        }
        let [calendars, contacts, files] = homes.map(|(name_of, home)| self.template(&key(name_of), home.as_deref()));
        let networks = self.networks(&key("networks"), &raw.networks);
        let timeout = self.length(&key("timeout"), raw.timeout.as_deref(), 1..=60, DavSettings::TIMEOUT);
        if self.problems.len() > before {
            return None;
        }
        Some(DavSettings {
            url: url?,
            networks,
            ca: raw.ca.as_deref().map(|ca| self.path(ca)),
            timeout,
            user: user?,
            password: raw.password.clone()?,
            domain: domain.map(str::to_owned),
            calendars,
            contacts,
            files,
        })
    }

    fn template(&mut self, key: &str, written: Option<&str>) -> Option<Template> {
        match Template::try_from(written?) {
            Ok(template) => Some(template),
            Err(why) => {
                self.wrong(key, why);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use crate::config::SystemKind;
    use crate::config::keys::{Kind, SYSTEM_KINDS};
    use crate::config::tests::judged;

    const WHOLE: &str = "[systems.cloud]\nkind = \"dav\"\nurl = \"https://dav.example.org\"\nuser = \"usher\"\n\
        password = { env = \"DAV_PASSWORD\" }\ndomain = \"example.org\"\ncalendars = \"{account}/\"\n";

    #[test]
    fn a_server_has_defaults_that_work() {
        let (config, problems) = judged(WHOLE);
        assert_eq!(problems, [""; 0]);
        let SystemKind::Dav(settings) = &config.systems["cloud"].kind else { panic!() };
        assert_eq!((settings.url.as_str(), settings.timeout), ("https://dav.example.org/", Duration::from_secs(15)));
        assert!(settings.calendars.is_some() && settings.contacts.is_none() && settings.files.is_none());
    }

    #[test]
    fn every_key_of_a_server_is_read() {
        for (key, kind) in SYSTEM_KINDS.iter().find(|(kind, _)| *kind == "dav").unwrap().1 {
            let value = match kind {
                Kind::Secret => json!({ "env": "X" }),
                Kind::Texts => json!(["x"]),
                _ => json!("x"),
            };
            let read: Result<super::RawDav, _> = serde_json::from_value(json!({ *key: value }));
            assert!(read.is_ok(), "{key}: {read:?}");
        }
        assert!(serde_json::from_value::<super::RawDav>(json!({ "ur": "x" })).is_err());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (from, to, named) in [
            ("url = \"https://dav.example.org\"\n", "", "`systems.cloud.url`: it is missing"),
            ("https://dav", "http://dav", "over plain http"),
            ("https://dav", "https://x:y@dav", "write `user` and `password`"),
            ("user = \"usher\"\n", "", "`systems.cloud.user`: it is missing"),
            ("\"usher\"", "\"us:her\"", "a name with `:`"),
            ("password = { env = \"DAV_PASSWORD\" }\n", "", "`systems.cloud.password`: it is missing"),
            ("\"example.org\"", "\"@example.org\"", "is no domain"),
            ("calendars = \"{account}/\"\n", "", "says neither where `calendars`"),
            ("{account}/", "/{account}/", "`systems.cloud.calendars`: `/{account}/`: it counts from `url`"),
            ("{account}/", "work/", "once, between slashes"),
            ("calendars =", "networks = [\"here\"]\ncalendars =", "`here` is no network"),
            ("calendars =", "timeout = \"1 hour\"\ncalendars =", "`systems.cloud.timeout`"),
        ] {
            let (_, problems) = judged(&WHOLE.replace(from, to));
            assert!(problems.iter().any(|problem| problem.contains(named)), "{to}: {problems:?}");
        }
    }
}
