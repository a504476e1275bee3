//! `kind = "dav"`: where a server keeps what, and how usher gets in.

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use reqwest::Url;

use super::place;
use crate::secret::SecretRef;

/// Where something of a person's is: `calendars/{account}/`, below the server's URL. The account is one whole segment of
/// the path, so that nothing in its name gets out of its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    before: Vec<String>,
    after: Vec<String>,
}

/// What the account's place is written as.
const ACCOUNT: &str = "{account}";

impl TryFrom<&str> for Template {
    type Error = String;

    fn try_from(text: &str) -> Result<Self, String> {
        let segments: Vec<&str> = text.strip_suffix('/').unwrap_or(text).split('/').collect();
        if text.starts_with('/') || text.contains("://") {
            return Err(format!("`{text}`: it counts from `url`; write it without what `url` says already"));
        }
        if let Some(bad) = segments.iter().find(|segment| place::wrong_with_segment(segment).is_some()) {
            return Err(format!("`{text}`: `{bad}` is no part of a path"));
        }
        let mut halves = segments.split(|segment| *segment == ACCOUNT);
        match (halves.next(), halves.next(), halves.next()) {
            (Some(before), Some(after), None) if segments.iter().all(|s| *s == ACCOUNT || !s.contains(['{', '}'])) => {
                let owned = |half: &[&str]| half.iter().map(|segment| (*segment).to_owned()).collect();
                Ok(Self { before: owned(before), after: owned(after) })
            }
            _ => Err(format!("`{text}`: it has `{ACCOUNT}` once, between slashes, as `calendars/{ACCOUNT}/` has")),
        }
    }
}

impl Template {
    /// Where it is of this account, whose name is fit for a path.
    pub(super) fn fill(&self, base: &Url, account: &str) -> Url {
        let all = self.before.iter().map(String::as_str).chain([account]);
        place::below(base, all.chain(self.after.iter().map(String::as_str)))
    }

    /// Whether a home is right where the accounts are listed, and not further down.
    pub(super) fn is_right_above(&self) -> bool {
        self.after.is_empty()
    }

    /// What all accounts are right below.
    pub(super) fn above(&self, base: &Url) -> Url {
        place::below(base, self.before.iter().map(String::as_str))
    }
}

/// A server's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DavSettings {
    /// What everything is below; see [`system_url`](crate::connectors::http::system_url).
    pub url: Url,
    /// Addresses within the house that may be connected to; without them, only addresses of the internet.
    pub networks: Vec<IpNet>,
    /// A file with further certificates (PEM) of authorities to trust.
    pub ca: Option<PathBuf>,
    /// How long the server may take to begin an answer, and to go on with it, 1 to 60 s; default 15 s.
    pub timeout: Duration,
    /// Whom usher signs in as (RFC 7617): somebody who sees other people's collections.
    pub user: String,
    /// Where that user's password is kept.
    pub password: SecretRef,
    /// Accounts are called by what comes before `@` in an address of this domain; without it, by the whole address.
    pub domain: Option<String>,
    /// Where a person's calendars are (RFC 4791 §6.2.1).
    pub calendars: Option<Template>,
    /// Where a person's address books are (RFC 6352 §7.1.1).
    pub contacts: Option<Template>,
    /// Where a person's files are (RFC 4918).
    pub files: Option<Template>,
}

impl DavSettings {
    /// The default of `timeout`.
    pub const TIMEOUT: Duration = Duration::from_secs(15);

    /// All that is configured of a person's, with the word for it.
    pub(super) fn homes(&self) -> impl Iterator<Item = (&'static str, &Template)> {
        let all = [("calendars", &self.calendars), ("contacts", &self.contacts), ("files", &self.files)];
        all.into_iter().filter_map(|(word, home)| home.as_ref().map(|home| (word, home)))
    }

    /// What the account of an address is called here; `None` where the address is of another domain.
    pub(super) fn account_of(&self, address: &str) -> Option<String> {
        let Some(domain) = &self.domain else { return Some(address.to_owned()) };
        let (name, of) = address.rsplit_once('@')?;
        of.eq_ignore_ascii_case(domain).then(|| name.to_owned())
    }

    /// The address of an account, as far as its name says it.
    pub(super) fn address_of(&self, account: &str) -> Option<String> {
        match &self.domain {
            Some(domain) => Some(format!("{account}@{domain}")),
            None => account.contains('@').then(|| account.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_one_segment_of_a_path() {
        let base: Url = "https://dav.example.org/remote.php/dav/".parse().unwrap();
        let template = Template::try_from("calendars/{account}/").unwrap();
        let filled = |account: &str| template.fill(&base, account).to_string();
        assert_eq!(filled("jdoe"), "https://dav.example.org/remote.php/dav/calendars/jdoe/");
        assert_eq!(filled("j doe?#%2e"), "https://dav.example.org/remote.php/dav/calendars/j%20doe%3F%23%252e/");
        assert_eq!(template.above(&base).as_str(), "https://dav.example.org/remote.php/dav/calendars/");
        let template = Template::try_from("SOGo/dav/{account}/Calendar").unwrap();
        assert_eq!(template.fill(&base, "x").path(), "/remote.php/dav/SOGo/dav/x/Calendar/");
        assert_eq!(Template::try_from("{account}/").unwrap().above(&base), base);
    }

    #[test]
    fn a_template_says_what_is_wrong_with_it() {
        for (text, named) in [
            ("/calendars/{account}/", "counts from `url`"),
            ("https://x/{account}/", "counts from `url`"),
            ("calendars/", "once, between slashes"),
            ("~{account}/", "once, between slashes"),
            ("{account}/{account}/", "once, between slashes"),
            ("{login}/{account}/", "once, between slashes"),
            ("../{account}/", "no part of a path"),
            ("a//{account}/", "no part of a path"),
            ("", "no part of a path"),
        ] {
            let why = Template::try_from(text).unwrap_err();
            assert!(why.contains(named), "{text}: {why}");
        }
    }
}
