//! `kind = "dovecot"`: judged whole.

use super::judge::Judge;
use super::keys::SYSTEMS;
use super::ldap::{is_here, is_host};
use super::problem::suggestion;
use super::raw::RawDovecot;
use crate::connectors::dovecot::{DovecotSettings, Master, Server};
use crate::outbound::Security;

/// The ports of IMAP with TLS, of IMAP, and of ManageSieve (RFC 8314, RFC 9051, RFC 5804).
const PORTS: [(&str, u16); 3] = [("imaps", 993), ("imap", 143), ("sieve", 4190)];

impl Judge<'_> {
    /// A mail host; `None` where something is missing that has no default.
    pub(super) fn dovecot(&mut self, name: &str, raw: &RawDovecot) -> Option<DovecotSettings> {
        let key = |name_of: &str| format!("{SYSTEMS}.{name}.{name_of}");
        let before = self.problems.len();
        let url = self.doveadm_url(name, raw)?;
        if raw.api_key.is_none() && !self.has_been_named(name) {
            self.wrong(&key("api_key"), "it is missing: where `doveadm_api_key` is kept, `{ file = \"PATH\" }`");
        }
        let in_the_clear = self.in_the_clear(&key("tls"), raw.tls.as_deref());
        let imap = self.server(&key("imap"), raw.imap.as_deref(), &["imaps", "imap"], in_the_clear);
        let sieve = self.server(&key("sieve"), raw.sieve.as_deref(), &["sieve"], in_the_clear);
        let master = self.master(name, raw);
        if master.is_none() && (imap.is_some() || sieve.is_some()) {
            self.wrong(&key("user"), "it is missing: the master user that usher signs in as, with its `password`");
        }
        if raw.last_login.as_deref().is_some_and(|uri| !uri.contains(':')) {
            self.wrong(&key("last_login"), "it is no dictionary, as `file:/var/lib/dovecot/last-login` is one");
        }
        let accounts = self.mail_accounts(name, raw);
        let timeout = self.length(&key("timeout"), raw.timeout.as_deref(), 1..=60, DovecotSettings::TIMEOUT);
        if self.problems.len() > before {
            return None;
        }
        let path = |written: &Option<String>| written.as_deref().map(|path| self.path(path));
        Some(DovecotSettings {
            url,
            api_key: raw.api_key.clone()?,
            ca: path(&raw.ca),
            imap,
            sieve,
            master,
            accounts,
            deny_file: path(&raw.deny_file),
            last_login: raw.last_login.clone(),
            timeout,
        })
    }

    /// Where doveadm answers. Its key never goes over a network in the clear.
    fn doveadm_url(&mut self, name: &str, raw: &RawDovecot) -> Option<String> {
        let key = format!("{SYSTEMS}.{name}.url");
        let what = "where doveadm's HTTP interface is, `https://mail.example.org:8443`";
        let url = self.needed(name, "url", raw.url.as_deref(), what)?;
        let parts = url.split_once("://").map(|(scheme, rest)| (scheme, rest.trim_end_matches('/')));
        match parts {
            Some(("https", host)) if is_host(host) => Some(format!("https://{host}")),
            Some(("http", host)) if is_host(host) && is_here(host) => Some(format!("http://{host}")),
            Some(("http", host)) if is_host(host) => {
                self.wrong(&key, "the key would go over the line in the clear; write `https://`");
                None
            }
            _ => {
                self.wrong(&key, format!("`{url}` is no address as `https://mail.example.org:8443` is one"));
                None
            }
        }
    }

    fn in_the_clear(&mut self, key: &str, written: Option<&str>) -> bool {
        match written {
            None => false,
            Some("none") => true,
            Some(word) => {
                let help = suggestion(word, &["none"]);
                self.wrong(key, format!("`{word}` is unknown; {help}, or leave it out: the address says how"));
                false
            }
        }
    }

    /// `SCHEME://HOST[:PORT]`. A password goes in the clear to this machine only.
    fn server(&mut self, key: &str, written: Option<&str>, schemes: &[&str], in_the_clear: bool) -> Option<Server> {
        let written = written?.trim();
        let known = written.split_once("://").filter(|(scheme, host)| schemes.contains(scheme) && is_host(host));
        let Some((scheme, host)) = known else {
            let example = schemes.first().map_or("", |scheme| scheme);
            self.wrong(key, format!("`{written}` is no address as `{example}://mail.example.org` is one"));
            return None;
        };
        let security = match scheme {
            "imaps" => Security::Tls,
            _ if in_the_clear => Security::None,
            _ => Security::StartTls,
        };
        if security == Security::None && !is_here(host) {
            self.wrong(key, "with `tls = \"none\"` passwords would go over the line in the clear");
        }
        let usual = PORTS.iter().find(|(name, _)| *name == scheme).map_or(0, |(_, port)| *port);
        let bare = |name: &str| name.trim_start_matches('[').trim_end_matches(']').to_owned();
        Some(match host.rsplit_once(':') {
            Some((name, port)) if !port.contains(']') => {
                Server { host: bare(name), port: port.parse().unwrap_or(usual), security }
            }
            _ => Server { host: bare(host), port: usual, security },
        })
    }

    fn master(&mut self, name: &str, raw: &RawDovecot) -> Option<Master> {
        match (&raw.user, &raw.password) {
            (Some(user), Some(password)) => Some(Master { user: user.clone(), password: password.clone() }),
            (None, None) => None,
            (user, _) => {
                let missing = if user.is_some() { "password" } else { "user" };
                self.wrong(
                    &format!("{SYSTEMS}.{name}.{missing}"),
                    "it is missing: the master user and its password go together",
                );
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::config::tests::judged;
    use crate::config::{Config, SystemKind};
    use crate::connectors::dovecot::DovecotSettings;
    use crate::outbound::Security;

    const WHOLE: &str = "[systems.mailhost]\nkind = \"dovecot\"\nurl = \"https://mail.example.org:8443\"\n\
        api_key = { env = \"DOVEADM_KEY\" }\nimap = \"imaps://mail.example.org\"\nsieve = \"sieve://mail.example.org\"\n\
        user = \"usher\"\npassword = { env = \"MASTER\" }\npasswd_file = \"/etc/dovecot/users\"\n";

    fn settings(config: &Config) -> &DovecotSettings {
        match &config.systems["mailhost"].kind {
            SystemKind::Dovecot(settings) => settings,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_mail_host_has_defaults_that_work() {
        let (config, problems) = judged(WHOLE);
        assert_eq!(problems, [""; 0]);
        let found = settings(&config);
        let imap = found.imap.as_ref().expect("imap");
        assert_eq!((imap.host.as_str(), imap.port, imap.security), ("mail.example.org", 993, Security::Tls));
        let sieve = found.sieve.as_ref().expect("sieve");
        assert_eq!((sieve.host.as_str(), sieve.port, sieve.security), ("mail.example.org", 4190, Security::StartTls));
        let text = WHOLE.replace("imaps://mail.example.org", "imap://[::1]:10143") + "tls = \"none\"\n";
        let (config, problems) = judged(&text.replace("sieve://mail.example.org", "sieve://127.0.0.1:4191"));
        assert_eq!(problems, [""; 0]);
        let imap = settings(&config).imap.as_ref().expect("imap");
        assert_eq!((imap.host.as_str(), imap.port, imap.security), ("::1", 10143, Security::None));
    }

    #[test]
    fn every_key_of_a_mail_host_is_read() {
        for (key, kind) in super::super::keys::SYSTEM_KINDS.iter().find(|(kind, _)| *kind == "dovecot").unwrap().1 {
            let value = match kind {
                super::super::keys::Kind::Secret => json!({ "env": "X" }),
                super::super::keys::Kind::Named => json!({ "x": "y" }),
                _ => json!("x"),
            };
            let read: Result<super::RawDovecot, _> = serde_json::from_value(json!({ *key: value }));
            assert!(read.is_ok(), "{key}: {read:?}");
        }
        assert!(serde_json::from_value::<super::RawDovecot>(json!({ "bas": "x" })).is_err());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (from, to, named) in [
            ("url = \"https://mail.example.org:8443\"\n", "", "`systems.mailhost.url`: it is missing"),
            ("https://mail.example.org:8443", "http://mail.example.org", "in the clear"),
            ("https://mail.example.org:8443", "mail.example.org", "is no address"),
            ("api_key = { env = \"DOVEADM_KEY\" }\n", "", "`systems.mailhost.api_key`: it is missing"),
            ("{ env = \"DOVEADM_KEY\" }", "\"s3cret\"", "never written into the configuration"),
            ("imaps://mail", "https://mail", "`systems.mailhost.imap`"),
            ("sieve://mail", "sieves://mail", "`systems.mailhost.sieve`"),
            ("user = \"usher\"\n", "", "go together"),
            ("user = \"usher\"\npassword = { env = \"MASTER\" }\n", "", "the master user that usher signs in as"),
        ] {
            let (_, problems) = judged(&WHOLE.replace(from, to));
            assert!(problems.iter().any(|problem| problem.contains(named)), "{to}: {problems:?}");
        }
        for (more, named) in [
            ("tls = \"none\"", "passwords would go over the line in the clear"),
            ("tls = \"ssl\"", "`ssl` is unknown"),
            ("last_login = \"/var/lib/x\"", "it is no dictionary"),
            ("timeout = \"1 hour\"", "`systems.mailhost.timeout`"),
            ("directory = \"nowhere\"", "`nowhere` is no system of kind `ldap`"),
            ("directory = \"mailhost\"", "are kept in one place"),
            ("base = \"dc=x\"", "unknown key `base`"),
        ] {
            let (_, problems) = judged(&format!("{WHOLE}{more}\n"));
            assert!(problems.iter().any(|problem| problem.contains(named)), "{more}: {problems:?}");
        }
    }
}
