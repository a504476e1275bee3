//! A passwd-file of Dovecot's, as text: `NAME:PASSWORD:UID:GID:GECOS:HOME:SHELL:EXTRA FIELDS`. Dovecot looks neither at the
//! shell nor at the GECOS field, so the latter is where usher notes what it has to remember of an account.
//!
//! Lines that are not asked for stay as they are, byte by byte.

use super::note::Note;
use crate::connectors::ActionError;

/// The fields of a line: the last one may hold colons.
const FIELDS: usize = 8;
const PASSWORD: usize = 1;
const GECOS: usize = 4;
const EXTRA: usize = 7;

/// One line, by its fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry(Vec<String>);

impl Entry {
    /// A new line; `password` is a hash with its scheme.
    pub(super) fn new(name: &str, password: &str, note: &Note) -> Self {
        let mut entry = Self(vec![String::new(); FIELDS]);
        entry.set(0, name);
        entry.set(PASSWORD, password);
        entry.set(GECOS, &note.write());
        entry
    }

    /// A line of somebody who may not sign in. Dovecot answers a refused sign-in late, and then every sign-in from that address,
    /// later and later; usher's own trials would hold up its master user, and whoever else comes from there. A closed account
    /// has no password to be guessed, so for it that is left out.
    pub(super) fn denied(name: &str) -> Self {
        let mut entry = Self(vec![String::new(); FIELDS]);
        entry.set(0, name);
        entry.set(EXTRA, "nodelay=y");
        entry
    }

    fn read(line: &str) -> Option<Self> {
        let commented = line.starts_with('#') || line.starts_with(':') || line.trim().is_empty();
        (!commented).then(|| Self(line.splitn(FIELDS, ':').map(str::to_owned).collect()))
    }

    fn field(&self, at: usize) -> &str {
        self.0.get(at).map_or("", String::as_str)
    }

    /// What would end a field or the line never gets in.
    fn set(&mut self, at: usize, value: &str) {
        if self.0.len() <= at {
            self.0.resize(at + 1, String::new());
        }
        let ends = |sign: char| sign.is_control() || (sign == ':' && at != EXTRA);
        if let Some(field) = self.0.get_mut(at) {
            *field = value.chars().filter(|sign| !ends(*sign)).collect();
        }
    }

    pub(super) fn name(&self) -> &str {
        self.field(0)
    }

    pub(super) fn note(&self) -> Note {
        Note::read(self.field(GECOS))
    }

    pub(super) fn has_password(&self) -> bool {
        !self.field(PASSWORD).is_empty()
    }

    pub(super) fn with_note(mut self, note: &Note) -> Self {
        self.set(GECOS, &note.write());
        self
    }

    /// With another password: a hash with its scheme.
    pub(super) fn with_password(mut self, hash: &str) -> Self {
        self.set(PASSWORD, hash);
        self
    }

    /// The storage limit that the line itself gives, in bytes.
    pub(super) fn quota(&self) -> Option<u64> {
        let mut fields = self.field(EXTRA).split_whitespace();
        fields.find_map(|field| field.strip_prefix("userdb_quota_rule=*:bytes=")?.parse().ok())
    }

    /// With this storage limit; other extra fields stay.
    pub(super) fn with_quota(mut self, bytes: u64) -> Self {
        let others = self.field(EXTRA).split_whitespace().filter(|field| !field.starts_with("userdb_quota_rule="));
        let mut fields: Vec<String> = others.map(str::to_owned).collect();
        fields.push(format!("userdb_quota_rule=*:bytes={bytes}"));
        self.set(EXTRA, &fields.join(" "));
        self
    }

    fn text(&self) -> String {
        self.0.join(":")
    }
}

/// The names in a file, in its order.
pub(super) fn entries(text: &str) -> impl Iterator<Item = Entry> + '_ {
    text.lines().filter_map(Entry::read)
}

/// The lines of this name. Whose a line is shows before it is read: a file has many, and is looked at for each step.
fn of<'t>(text: &'t str, name: &'t str) -> impl Iterator<Item = &'t str> {
    text.lines().filter(move |line| is_of(line, name))
}

fn is_of(line: &str, name: &str) -> bool {
    line.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

/// Whether a name has a line.
pub(super) fn has(text: &str, name: &str) -> bool {
    of(text, name).any(|line| Entry::read(line).is_some())
}

/// The line of this name.
///
/// # Errors
/// A final failure where there are two: nobody knows which of them Dovecot takes.
pub(super) fn find(text: &str, name: &str) -> Result<Option<Entry>, ActionError> {
    let mut found = of(text, name).filter_map(Entry::read);
    let first = found.next();
    match found.next() {
        None => Ok(first),
        Some(_) => Err(ActionError::fail("the account has two lines in the passwd-file: leave one of them")),
    }
}

/// The text with this line in the place of the one of its name, or behind all others.
pub(super) fn with(text: &str, entry: &Entry) -> String {
    let new = entry.text();
    let mut put = false;
    let mut lines: Vec<&str> = Vec::new();
    for line in text.lines() {
        let same = is_of(line, entry.name()) && Entry::read(line).is_some();
        put |= same;
        lines.push(if same { &new } else { line });
    }
    if !put {
        lines.push(&new);
    }
    whole(lines.into_iter())
}

/// The text without the lines of this name.
pub(super) fn without(text: &str, name: &str) -> String {
    whole(text.lines().filter(|line| !(is_of(line, name) && Entry::read(line).is_some())))
}

fn whole<'t>(lines: impl Iterator<Item = &'t str>) -> String {
    lines.flat_map(|line| [line, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# people\njdoe@example.org:{PLAIN}x::::::\n\nboss@example.org:{PLAIN}y:1:2:Berta Brunner:/home/boss:/bin/sh:userdb_a=b:c nice\nshort:{PLAIN}z\n";

    #[test]
    fn a_line_is_changed_and_the_others_stay_as_they_are() {
        let boss = find(FILE, "boss@example.org").unwrap().unwrap();
        assert_eq!((boss.note().display_name.as_deref(), boss.quota()), (Some("Berta Brunner"), None));
        let text = with(FILE, &boss.with_quota(5000));
        assert_eq!(text, FILE.replace("userdb_a=b:c nice", "userdb_a=b:c nice userdb_quota_rule=*:bytes=5000"));
        let boss = find(&text, "boss@example.org").unwrap().unwrap();
        assert_eq!(boss.quota(), Some(5000));
        assert_eq!(boss.with_quota(7).quota(), Some(7));
        let short = find(FILE, "short").unwrap().unwrap().with_quota(1);
        assert!(with(FILE, &short).ends_with("short:{PLAIN}z::::::userdb_quota_rule=*:bytes=1\n"));
        assert_eq!(without(FILE, "short"), FILE.replace("short:{PLAIN}z\n", ""));
        assert_eq!(without(FILE, "nobody"), FILE);
        assert_eq!(find(FILE, "# people").unwrap(), None);
        assert!(find(&format!("{FILE}short:x\n"), "short").is_err());
    }

    #[test]
    fn nothing_ends_a_field_or_a_line() {
        let note = Note {
            display_name: Some("Ada: \"Kél,ler\"\r\nroot:x:0:0\u{0}".to_owned()),
            employee_number: Some("10:05\nroot:".to_owned()),
            made_by: Some("abc,usher-deleted".to_owned()),
            deleted: false,
        };
        let text = with(FILE, &Entry::new("ada@example.org", "{SHA512-CRYPT}$6$a:b\nc", &note));
        assert_eq!(text.lines().count(), FILE.lines().count() + 1);
        let line = text.lines().last().unwrap();
        assert_eq!(line, "ada@example.org:{SHA512-CRYPT}$6$abc:::Ada \"Kél ler\" root x 0 0:::");
        let ada = find(&text, "ada@example.org").unwrap().unwrap();
        assert_eq!(ada.note().display_name.as_deref(), Some("Ada \"Kél ler\" root x 0 0"));
        assert_eq!((ada.note().employee_number, ada.note().made_by, ada.note().deleted), (None, None, false));
    }
}
