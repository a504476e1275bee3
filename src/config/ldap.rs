//! `kind = "ldap"`: judged whole.

use super::judge::Judge;
use super::keys::SYSTEMS;
use super::problem::suggestion;
use super::raw::RawLdap;
use crate::connectors::ldap::{LdapSettings, Mark, Profile, Security, domain_of, filter_mistake, wrong_with};

impl Judge<'_> {
    /// A directory; `None` where something is missing that has no default.
    pub(super) fn ldap(&mut self, name: &str, raw: &RawLdap) -> Option<LdapSettings> {
        let key = |name_of: &str| format!("{SYSTEMS}.{name}.{name_of}");
        let before = self.problems.len();
        let profile = self.profile(&key("profile"), raw.profile.as_deref());
        let (url, security) = self.ldap_url(name, raw)?;
        let base = self.needed(name, "base", raw.base.as_deref(), "what everything usher looks at is below");
        let user = self.needed(name, "user", raw.user.as_deref(), "whom usher signs in as");
        if raw.password.is_none() && !self.has_been_named(name) {
            self.wrong(&key("password"), "it is missing: `{ env = \"NAME\" }` or `{ file = \"PATH\" }`");
        }
        let names = [
            ("base", &base),
            ("people", &raw.people),
            ("groups", &raw.groups),
            ("deleted", &raw.deleted),
            ("policy", &raw.policy),
            ("administrators", &raw.administrators),
            ("placeholder", &raw.placeholder),
        ];
        for (name_of, dn) in names {
            if let Some((dn, why)) = dn.as_deref().and_then(|dn| Some((dn, wrong_with(dn)?))) {
                self.wrong(&key(name_of), format!("`{dn}`: {why}"));
            }
        }
        let filter = self.filter(&key("filter"), raw.filter.as_deref(), profile);
        let attribute = |written: &Option<String>, default: &str| written.clone().unwrap_or_else(|| default.to_owned());
        let hidden = self.mark(&key("hidden"), raw.hidden.as_deref());
        let page = self.page(&key("page"), raw.page, LdapSettings::PAGE);
        let timeout = self.length(&key("timeout"), raw.timeout.as_deref(), 1..=60, LdapSettings::TIMEOUT);
        for (name_of, attribute) in [("login", &raw.login), ("employee_number", &raw.employee_number)] {
            self.attribute(&key(name_of), attribute.as_deref());
        }
        self.lldap(name, raw, profile, security);
        if self.problems.len() > before {
            return None;
        }
        let base = base?;
        // lldap keeps everybody where nobody can change it.
        let below = |place: &str| match profile {
            Profile::Lldap => format!("ou={place},{base}"),
            _ => base.clone(),
        };
        let administrators = match profile {
            Profile::Lldap => Some(format!("cn=lldap_admin,{}", below("groups"))),
            _ => None,
        };
        Some(LdapSettings {
            profile,
            security,
            ca: raw.ca.as_deref().map(|ca| self.path(ca)),
            url,
            user: user?,
            password: raw.password.clone()?,
            people: raw.people.clone().unwrap_or_else(|| below("people")),
            groups: raw.groups.clone().unwrap_or_else(|| below("groups")),
            deleted: raw.deleted.clone(),
            filter,
            login: attribute(&raw.login, profile.login()),
            employee_number: attribute(&raw.employee_number, "employeeNumber"),
            hidden,
            policy: raw.policy.clone(),
            administrators: raw.administrators.clone().or(administrators),
            placeholder: raw.placeholder.clone(),
            domain: raw.domain.clone().unwrap_or_else(|| domain_of(&base)),
            base,
            page,
            timeout,
        })
    }

    /// What lldap does not have, so that nobody relies on it.
    fn lldap(&mut self, name: &str, raw: &RawLdap, profile: Profile, security: Security) {
        if profile != Profile::Lldap {
            return;
        }
        let key = |name_of: &str| format!("{SYSTEMS}.{name}.{name_of}");
        if security == Security::StartTls {
            self.wrong(&key("url"), "lldap has no STARTTLS: write `ldaps://` (`LLDAP_LDAPS_OPTIONS__ENABLED`)");
        }
        let without = [
            ("deleted", &raw.deleted, "lldap moves nobody"),
            ("hidden", &raw.hidden, "lldap changes no attributes by LDAP"),
            ("policy", &raw.policy, "lldap has no password policies"),
            ("placeholder", &raw.placeholder, "lldap changes no groups by LDAP"),
        ];
        for (name_of, written, why) in without {
            if written.is_some() {
                self.wrong(&key(name_of), format!("{why}: leave it out"));
            }
        }
    }

    fn profile(&mut self, key: &str, word: Option<&str>) -> Profile {
        let known = Profile::ALL.map(Profile::as_str);
        let Some(word) = word else {
            self.wrong(key, format!("it is missing: which kind of server is it, `{}`?", known.join("` or `")));
            return Profile::OpenLdap;
        };
        Profile::ALL.into_iter().find(|profile| profile.as_str() == word).unwrap_or_else(|| {
            let help = suggestion(word, &known);
            self.wrong(key, format!("`{word}` is no kind of directory; {help}"));
            Profile::OpenLdap
        })
    }

    /// Text that has no default.
    pub(super) fn needed(&mut self, name: &str, key: &str, text: Option<&str>, what: &str) -> Option<String> {
        let text = text.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
        if text.is_none() && !self.has_been_named(name) {
            self.wrong(&format!("{SYSTEMS}.{name}.{key}"), format!("it is missing: {what}"));
        }
        text
    }

    /// Where it is, and how the line is secured. A password never goes over a network in the clear.
    fn ldap_url(&mut self, name: &str, raw: &RawLdap) -> Option<(String, Security)> {
        let key = |name_of: &str| format!("{SYSTEMS}.{name}.{name_of}");
        let url = self.needed(name, "url", raw.url.as_deref(), "where the directory is, `ldaps://ldap.example.org`")?;
        let place =
            url.split_once("://").map(|(scheme, rest)| (scheme.to_ascii_lowercase(), rest.trim_end_matches('/')));
        let (scheme, host) = match &place {
            Some((scheme, host)) if matches!(scheme.as_str(), "ldap" | "ldaps") && is_host(host) => (scheme, *host),
            _ => {
                self.wrong(&key("url"), format!("`{url}` is no address as `ldaps://ldap.example.org:636` is one"));
                return None;
            }
        };
        let usual = if scheme == "ldaps" { Security::Tls } else { Security::StartTls };
        let security = match raw.tls.as_deref() {
            None => usual,
            Some(word) => match Security::ALL.into_iter().find(|security| security.as_str() == word) {
                Some(security) => security,
                None => {
                    let help = suggestion(word, &Security::ALL.map(Security::as_str));
                    self.wrong(&key("tls"), format!("`{word}` is unknown; {help}"));
                    usual
                }
            },
        };
        if (security == Security::Tls) != (scheme == "ldaps") {
            let why = "`ldaps://` goes with `tls`, and `ldap://` with `starttls`, or with `none` on this machine";
            self.wrong(&key("tls"), why);
        }
        if security == Security::None && !is_here(host) {
            self.wrong(
                &key("tls"),
                "with `none` passwords would go over the line in the clear; write `starttls`, or `ldaps://` in `url`",
            );
        }
        Some((format!("{scheme}://{host}"), security))
    }

    fn filter(&mut self, key: &str, written: Option<&str>, profile: Profile) -> String {
        let filter = written.unwrap_or(profile.filter()).trim().to_owned();
        if filter_mistake(&filter) {
            self.wrong(key, format!("`{filter}` is no filter as `(objectClass=inetOrgPerson)` is one"));
        }
        filter
    }

    fn mark(&mut self, key: &str, written: Option<&str>) -> Option<Mark> {
        let written = written?;
        let (attribute, value) = written.split_once('=').unwrap_or((written, ""));
        let (attribute, value) = (attribute.trim().to_owned(), value.trim().to_owned());
        if !is_attribute(&attribute) || value.is_empty() {
            self.wrong(key, format!("`{written}` is not ATTRIBUTE=VALUE, as `msExchHideFromAddressLists=TRUE` is"));
            return None;
        }
        Some(Mark { attribute, value })
    }

    fn attribute(&mut self, key: &str, written: Option<&str>) {
        if let Some(written) = written.filter(|written| !is_attribute(written)) {
            self.wrong(key, format!("`{written}` is no name of an attribute"));
        }
    }

    /// How many are read at once.
    pub(super) fn page<N: TryFrom<i64> + Copy>(&mut self, key: &str, written: Option<i64>, default: N) -> N {
        let Some(written) = written else { return default };
        match N::try_from(written).ok().filter(|_| (1..=1000).contains(&written)) {
            Some(page) => page,
            None => {
                self.wrong(key, "it is not between 1 and 1000");
                default
            }
        }
    }
}

/// `HOST` or `HOST:PORT`, without a path or a user.
pub(super) fn is_host(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !name.ends_with(':') && !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    };
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let named = match bare {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !name.is_empty() && name.chars().all(|sign| sign.is_ascii_alphanumeric() || ".-_".contains(sign)),
    };
    named && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

pub(super) fn is_here(host: &str) -> bool {
    let name = host.strip_prefix("[::1]").map_or_else(|| host.split(':').next().unwrap_or_default(), |_| "::1");
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// RFC 4512, 1.4: a letter, then letters, digits and hyphens.
fn is_attribute(name: &str) -> bool {
    name.starts_with(|sign: char| sign.is_ascii_alphabetic())
        && name.chars().all(|sign| sign.is_ascii_alphanumeric() || sign == '-')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::config::tests::judged;
    use crate::config::{Config, SystemKind};
    use crate::connectors::ldap::{LdapSettings, Profile, Security};

    const WHOLE: &str = "[systems.dir]\nkind = \"ldap\"\nprofile = \"openldap\"\nurl = \"ldaps://ldap.example.org\"\n\
        base = \"dc=example,dc=org\"\nuser = \"uid=usher,dc=example,dc=org\"\npassword = { env = \"LDAP_PASSWORD\" }\n";

    fn settings(config: &Config) -> &LdapSettings {
        match &config.systems["dir"].kind {
            SystemKind::Ldap(settings) => settings,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_directory_has_defaults_that_work() {
        let (config, problems) = judged(WHOLE);
        assert_eq!(problems, [""; 0]);
        let found = settings(&config);
        assert_eq!((found.profile, found.security, found.page), (Profile::OpenLdap, Security::Tls, 500));
        assert_eq!((found.people.as_str(), found.groups.as_str()), ("dc=example,dc=org", "dc=example,dc=org"));
        assert_eq!((found.login.as_str(), found.domain.as_str()), ("uid", "example.org"));
        let (config, problems) = judged(&WHOLE.replace("openldap", "active_directory").replace("ldaps:", "ldap:"));
        assert_eq!(problems, [""; 0]);
        assert_eq!(
            (settings(&config).security, settings(&config).login.as_str()),
            (Security::StartTls, "sAMAccountName")
        );
    }

    #[test]
    fn what_lldap_does_not_have_is_refused_and_what_it_always_has_needs_no_words() {
        let whole = WHOLE.replace("openldap", "lldap");
        let (config, problems) = judged(&whole);
        assert_eq!(problems, [""; 0]);
        let found = settings(&config);
        assert_eq!((found.profile, found.people.as_str()), (Profile::Lldap, "ou=people,dc=example,dc=org"));
        assert_eq!(found.groups, "ou=groups,dc=example,dc=org");
        assert_eq!(found.administrators.as_deref(), Some("cn=lldap_admin,ou=groups,dc=example,dc=org"));
        let (_, problems) = judged(&whole.replace("ldaps:", "ldap:"));
        assert!(problems.iter().any(|problem| problem.contains("no STARTTLS")), "{problems:?}");
        for (key, value) in [
            ("deleted", "ou=gone,dc=example,dc=org"),
            ("hidden", "a=b"),
            ("policy", "cn=p,dc=example,dc=org"),
            ("placeholder", "cn=p,dc=example,dc=org"),
        ] {
            let more = format!("{key} = \"{value}\"\n");
            let (_, problems) = judged(&format!("{whole}{more}"));
            assert!(problems.iter().any(|problem| problem.contains(&format!("`systems.dir.{key}`"))), "{problems:?}");
            assert_eq!(judged(&format!("{WHOLE}{more}")).1, [""; 0], "others have {key}");
        }
    }

    #[test]
    fn every_key_of_a_directory_is_read() {
        for (key, kind) in super::super::keys::SYSTEM_KINDS.iter().find(|(kind, _)| *kind == "ldap").unwrap().1 {
            let value = match kind {
                super::super::keys::Kind::Secret => json!({ "env": "X" }),
                super::super::keys::Kind::Number => json!(1),
                _ => json!("x"),
            };
            let read: Result<super::RawLdap, _> = serde_json::from_value(json!({ *key: value }));
            assert!(read.is_ok(), "{key}: {read:?}");
        }
        assert!(serde_json::from_value::<super::RawLdap>(json!({ "bas": "x" })).is_err());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (from, to, named) in [
            ("profile = \"openldap\"\n", "", "`systems.dir.profile`: it is missing"),
            ("\"openldap\"", "\"opendlap\"", "did you mean `openldap`"),
            ("url = \"ldaps://ldap.example.org\"\n", "", "`systems.dir.url`: it is missing"),
            ("ldaps://ldap", "https://ldap", "is no address"),
            ("example.org\"\nbase", "example.org/dc=x\"\nbase", "is no address"),
            ("base = \"dc=example,dc=org\"\n", "", "`systems.dir.base`: it is missing"),
            ("base = \"dc=example,dc=org\"", "base = \"example.org\"", "is no name as"),
            ("user = \"uid=usher,dc=example,dc=org\"\n", "", "`systems.dir.user`: it is missing"),
            ("password = { env = \"LDAP_PASSWORD\" }", "", "`systems.dir.password`: it is missing"),
            ("{ env = \"LDAP_PASSWORD\" }", "\"s3cret\"", "never written into the configuration"),
        ] {
            let (_, problems) = judged(&WHOLE.replace(from, to));
            assert!(problems.iter().any(|problem| problem.contains(named)), "{to}: {problems:?}");
        }
        for (more, named) in [
            ("tls = \"none\"", "`ldaps://` goes with `tls`"),
            ("tls = \"ssl\"", "`systems.dir.tls`: `ssl` is unknown"),
            ("filter = \"objectClass=*)\"", "is no filter"),
            ("hidden = \"secret\"", "is not ATTRIBUTE=VALUE"),
            ("hidden = \"a)(b=x\"", "is not ATTRIBUTE=VALUE"),
            ("login = \"u*d\"", "is no name of an attribute"),
            ("page = 5000", "between 1 and 1000"),
            ("timeout = \"1 hour\"", "`systems.dir.timeout`"),
            ("deleted = \"gone\"", "`systems.dir.deleted`: `gone`"),
            ("company = \"x.toml\"", "unknown key `company`"),
        ] {
            let (_, problems) = judged(&format!("{WHOLE}{more}\n"));
            assert!(problems.iter().any(|problem| problem.contains(named)), "{more}: {problems:?}");
        }
    }

    #[test]
    fn passwords_go_in_the_clear_to_this_machine_only() {
        for (url, well) in [
            ("ldap://127.0.0.1:3890", true),
            ("ldap://localhost", true),
            ("ldap://[::1]:389", true),
            ("ldap://ldap.example.org", false),
            ("ldap://127.0.0.1.example.org", false),
            ("ldap://localhost.example.org", false),
        ] {
            let text = format!("{}tls = \"none\"\n", WHOLE.replace("ldaps://ldap.example.org", url));
            let (_, problems) = judged(&text);
            assert_eq!(problems.is_empty(), well, "{url}: {problems:?}");
        }
    }
}
