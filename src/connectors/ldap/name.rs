//! Filters (RFC 4515) and distinguished names (RFC 4514), made of parts that somebody else has chosen.

use ldap3::{dn_escape, ldap_escape};

/// `(ATTRIBUTE=VALUE)`, whatever signs the value has.
pub(super) fn equals(attribute: &str, value: &str) -> String {
    format!("({attribute}={})", ldap_escape(value))
}

/// The same for a value that is no text: each byte is written out.
pub(super) fn equals_bytes(attribute: &str, value: &[u8]) -> String {
    let value: String = value.iter().map(|byte| format!("\\{byte:02x}")).collect();
    format!("({attribute}={value})")
}

/// The name of an entry below `parent`.
pub(super) fn below(attribute: &str, value: &str, parent: &str) -> String {
    format!("{attribute}={},{parent}", dn_escape(value))
}

/// The first part of a name, and what it is below. A comma that is escaped belongs to the value.
pub(super) fn split(dn: &str) -> (&str, &str) {
    let mut escaped = false;
    for (at, sign) in dn.char_indices() {
        match sign {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' => return (dn[..at].trim(), dn[at + 1..].trim()),
            _ => {}
        }
    }
    (dn.trim(), "")
}

/// `eng` of `cn=eng,ou=groups,dc=example`, without the escapes (RFC 4514, 2.4).
pub(super) fn value_of(dn: &str) -> String {
    let first = split(dn).0;
    let mut rest = first.split_once('=').map_or(first, |(_, value)| value).as_bytes();
    let mut value = Vec::with_capacity(rest.len());
    while let Some((sign, more)) = rest.split_first() {
        let code = more.get(..2).filter(|_| *sign == b'\\').and_then(|code| hex::decode(code).ok());
        rest = match (code, more.split_first()) {
            (Some(code), _) => {
                value.extend(code);
                &more[2..]
            }
            (None, Some((escaped, more))) if *sign == b'\\' => {
                value.push(*escaped);
                more
            }
            _ => {
                value.push(*sign);
                more
            }
        };
    }
    String::from_utf8(value).unwrap_or_else(|_| first.to_owned())
}

/// Whether two names are the same as written: without regard to case, and to blanks around commas.
pub(super) fn same(one: &str, other: &str) -> bool {
    plain(one) == plain(other)
}

/// Whether `dn` is `base` or below it.
pub(super) fn is_below(dn: &str, base: &str) -> bool {
    let (dn, base) = (plain(dn), plain(base));
    dn == base || dn.strip_suffix(&base).is_some_and(|rest| rest.ends_with(',') && !rest.ends_with("\\,"))
}

/// A name in one spelling, for comparison only.
pub(super) fn plain(dn: &str) -> String {
    let mut parts = Vec::new();
    let mut rest = dn;
    while !rest.is_empty() {
        let (first, above) = split(rest);
        let (attribute, value) = first.split_once('=').unwrap_or((first, ""));
        parts.push(format!("{}={}", attribute.trim().to_lowercase(), value.trim().to_lowercase()));
        rest = above;
    }
    parts.join(",")
}

/// `corp.example.org` of `DC=corp,DC=example,DC=org`.
pub fn domain_of(base: &str) -> String {
    let plain = plain(base);
    let parts = plain.split(',').filter_map(|part| part.strip_prefix("dc="));
    parts.collect::<Vec<_>>().join(".")
}

/// `DC=corp,DC=example` of `OU=Staff,DC=corp,DC=example`: what a domain's own entry is called.
pub(super) fn domain_root(base: &str) -> String {
    let mut rest = base.trim();
    while !rest.is_empty() && !rest.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("dc=")) {
        rest = split(rest).1;
    }
    rest.to_owned()
}

/// Whether a text is no filter (RFC 4515).
pub fn filter_mistake(filter: &str) -> bool {
    !(filter.starts_with('(') && filter.ends_with(')')) || ldap3::parse_filter(filter).is_err()
}

/// Why something is no name of an entry, as far as that shows without asking the directory.
pub fn wrong_with(dn: &str) -> Option<&'static str> {
    let mut rest = dn.trim();
    if rest.is_empty() {
        return Some("it is empty");
    }
    while !rest.is_empty() {
        let (first, above) = split(rest);
        if first.split_once('=').is_none_or(|(attribute, value)| attribute.trim().is_empty() || value.trim().is_empty())
        {
            return Some("it is no name as `ou=people,dc=example,dc=org` is one");
        }
        rest = above;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_leave_its_filter() {
        assert_eq!(equals("uid", "ada"), "(uid=ada)");
        assert_eq!(equals("uid", "*)(uid=*"), "(uid=\\2a\\29\\28uid=\\2a)");
        assert_eq!(equals("cn", "a\\b\0"), "(cn=a\\5cb\\00)");
        assert_eq!(equals_bytes("objectGUID", &[0x2a, 0xff]), "(objectGUID=\\2a\\ff)");
    }

    #[test]
    fn a_value_cannot_leave_its_part_of_a_name() {
        let people = "ou=people,dc=example,dc=org";
        let dn = below("uid", "eve,ou=admins", people);
        assert_eq!(dn, "uid=eve\\2cou\\3dadmins,ou=people,dc=example,dc=org");
        assert_eq!(split(&dn), ("uid=eve\\2cou\\3dadmins", people));
        assert_eq!(split("cn=Keller\\, Ada,ou=x"), ("cn=Keller\\, Ada", "ou=x"));
        for value in ["eng", "Sales, EMEA", "a\\b", " x# ", "Zürich"] {
            assert_eq!(value_of(&below("cn", value, people)), value);
        }
        assert_eq!(value_of("cn=Sales\\, EMEA,ou=x"), "Sales, EMEA");
        assert_eq!(below("cn", " #+\"<>;\\ ", "dc=x").matches('\\').count(), 8, "every sign that means something");
    }

    #[test]
    fn names_are_compared_as_they_are_meant() {
        assert!(same("UID=ada, OU=People,dc=example,dc=org", "uid=ada,ou=people,DC=example,DC=org"));
        assert!(!same("uid=ada,ou=people", "uid=adam,ou=people"));
        assert!(is_below("cn=a,ou=gone,dc=x", "OU=gone, DC=x") && is_below("ou=gone,dc=x", "ou=gone,dc=x"));
        assert!(!is_below("cn=a,ou=begone,dc=x", "ou=gone,dc=x"), "a part of a word is not below");
        assert!(!is_below("cn=a\\,ou=gone,dc=x", "ou=gone,dc=x"), "nor is what is one value");
        assert_eq!(domain_of("OU=Staff,DC=corp,DC=Example,DC=org"), "corp.example.org");
        assert_eq!(domain_root("OU=Staff, DC=corp,DC=example"), "DC=corp,DC=example");
        assert_eq!(wrong_with("ou=people,dc=example"), None);
        assert!(wrong_with("people").is_some() && wrong_with("ou=,dc=x").is_some() && wrong_with(" ").is_some());
    }
}
