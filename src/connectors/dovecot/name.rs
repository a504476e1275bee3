//! Names of accounts: what Dovecot signs people in as. A name goes into files, masks and access lists, so it is parsed
//! once, here, and whatever could mean something there is no name.

use std::fmt;

use crate::connectors::ActionError;

/// The longest name: the longest address there is (RFC 5321, 4.5.3.1.3).
const LONGEST: usize = 254;

/// A name that means nothing but itself, wherever it is written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct UserName(String);

impl UserName {
    /// Letters, digits and `.-_@+=`: what Dovecot takes by default (`auth_username_chars`), and two that addresses have
    /// besides. No wildcard, no separator, no blank, nothing that leads out of a folder.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let signs = text.chars().all(|sign| sign.is_ascii_alphanumeric() || ".-_@+=".contains(sign));
        let begins = text.starts_with(|sign: char| sign.is_ascii_alphanumeric() || sign == '_');
        let well = signs && begins && text.len() <= LONGEST && !text.contains("..") && !text.ends_with('.');
        (well && !text.contains("@.")).then(|| Self(text.to_owned()))
    }

    /// The account that a call is about.
    ///
    /// # Errors
    /// A final failure where there is none, or it is no name.
    pub(super) fn of_account(account: Option<&str>, system: &str) -> Result<Self, ActionError> {
        let Some(id) = account else { return Err(ActionError::fail("the call names no account")) };
        Self::parse(id).ok_or_else(|| ActionError::fail(format!("`{}` is no account of {system}", id.escape_debug())))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An address that mail may be sent on to: one `@`, and nothing that would end a header, a list or a text (a part of RFC
/// 5321, 4.1.2, and UTF-8 by RFC 6531).
pub(super) fn is_address(text: &str) -> bool {
    let fits = |sign: char| !sign.is_whitespace() && !sign.is_control() && !"\"\\<>()[],;:".contains(sign);
    match text.split_once('@') {
        Some((local, domain)) => {
            let whole = !local.is_empty() && domain.contains(|sign: char| sign.is_alphanumeric());
            whole && !domain.contains('@') && text.len() <= LONGEST && text.chars().all(fits)
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_dovecot_takes_and_nothing_else() {
        for name in ["ada", "ada@example.org", "a.b-c_d@x.y", "_svc", "ada+tag@example.org", "0815"] {
            assert_eq!(UserName::parse(name).map(|name| name.to_string()).as_deref(), Some(name));
        }
        let long = "a".repeat(255);
        for name in [
            "",
            "*",
            "a*",
            "?",
            "..",
            "../x",
            "a/b",
            "a..b",
            "a@..",
            "a@.b",
            ".a",
            "a.",
            "a b",
            "a:b",
            "a\r\nb",
            "a\0b",
            "-f",
            "#a",
            "a#b",
            "a\"b",
            "a%u",
            "名前",
            "a\u{202e}",
            "a,b",
            "a=b c",
            "user=x y",
            &long,
        ] {
            assert_eq!(UserName::parse(name), None, "{name:?}");
        }
    }

    #[test]
    fn addresses_end_nothing() {
        for address in ["boss@example.org", "a.b+c@x.example", "jörg@exämple.org", "o'neil@example.org"] {
            assert!(is_address(address), "{address}");
        }
        for address in [
            "boss",
            "@x",
            "a@",
            "a@b@c",
            "a b@c.d",
            "a@b\r\nBcc: c@d",
            "\"a\"@b.c",
            "a@b\";discard;\"",
            "<a@b>",
            "a@b,c@d",
            "a@b\0",
        ] {
            assert!(!is_address(address), "{address:?}");
        }
    }
}
