//! Names of folders: on the wire (RFC 3501, 5.1.3), and in an archive.

use base64::Engine as _;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::{GeneralPurpose, general_purpose::NO_PAD};

/// The name in modified UTF-7: what is not printable ASCII is written in BASE64 between `&` and `-`. Nothing of it can end a
/// line, or begin another command.
pub(super) fn encoded(name: &str) -> String {
    let base = GeneralPurpose::new(&IMAP_MUTF7, NO_PAD);
    let mut out = String::new();
    let mut shifted: Vec<u8> = Vec::new();
    let back = |shifted: &mut Vec<u8>, out: &mut String| {
        if !shifted.is_empty() {
            out.push('&');
            out.push_str(&base.encode(std::mem::take(shifted)));
            out.push('-');
        }
    };
    for sign in name.chars() {
        match sign {
            ' '..='~' => {
                back(&mut shifted, &mut out);
                out.push(sign);
                if sign == '&' {
                    out.push('-');
                }
            }
            other => shifted.extend(other.encode_utf16(&mut [0; 2]).iter().flat_map(|unit| unit.to_be_bytes())),
        }
    }
    back(&mut shifted, &mut out);
    out
}

/// Where a folder's mails lie in an archive: `Maildir`, `Maildir/.Projects.2026`. The layout is Maildir++, as Dovecot itself
/// reads it: parts of a name are separated by dots. A dot or slash within a part is written in modified UTF-7.
pub(super) fn maildir(name: &str, separator: char) -> String {
    if name == "INBOX" {
        return "Maildir".to_owned();
    }
    let part = |part: &str| encoded(part).replace('.', "&AC4-").replace('/', "&AC8-");
    let parts: Vec<String> = name.split(separator).map(part).collect();
    format!("Maildir/.{}", parts.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_the_protocol_has_them() {
        for (name, wire) in [
            ("INBOX", "INBOX"),
            ("Entwürfe", "Entw&APw-rfe"),
            ("R&D", "R&-D"),
            // The example of RFC 3501, 5.1.3.
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
            ("a\r\nb LOGOUT", "a&AA0ACg-b LOGOUT"),
            ("\u{1f600}", "&2D3eAA-"),
            ("q\"u\\o", "q\"u\\o"),
        ] {
            assert_eq!(encoded(name), wire, "{name:?}");
            assert!(encoded(name).bytes().all(|byte| (0x20..0x7f).contains(&byte)));
        }
    }

    #[test]
    fn folders_of_an_archive_stay_within_it() {
        assert_eq!(maildir("INBOX", '/'), "Maildir");
        assert_eq!(maildir("Projects/2026", '/'), "Maildir/.Projects.2026");
        assert_eq!(maildir("v1.2/x", '/'), "Maildir/.v1&AC4-2.x");
        assert_eq!(maildir("a/b.c", '.'), "Maildir/.a&AC8-b.c");
        for name in ["../../etc", "..", "/etc/passwd", ".", "a/../b"] {
            let path = maildir(name, '/');
            assert!(path.starts_with("Maildir/.") && path.matches('/').count() == 1, "{path}");
        }
        assert_ne!(maildir("a.b", '/'), maildir("a/b", '/'));
    }
}
