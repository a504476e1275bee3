//! What usher has to remember of an account, where the account is kept: in the GECOS field of its line, or in a column of its
//! row. `Ada Keller,nr=1005,usher=3f2a,usher-deleted`

/// What usher notes of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Note {
    /// As the name is shown.
    pub(super) display_name: Option<String>,
    /// `nr=1005`
    pub(super) employee_number: Option<String>,
    /// `usher=…`: the digest of the key that it was created by.
    pub(super) made_by: Option<String>,
    /// `usher-deleted`: it waits for its purge.
    pub(super) deleted: bool,
}

impl Note {
    pub(super) fn read(gecos: &str) -> Self {
        let mut parts = gecos.split(',');
        let display_name = parts.next().filter(|name| !name.is_empty()).map(str::to_owned);
        let mut note = Self { display_name, ..Self::default() };
        for part in parts {
            match part.split_once('=') {
                Some(("nr", number)) => note.employee_number = Some(number.to_owned()),
                Some(("usher", key)) => note.made_by = Some(key.to_owned()),
                _ => note.deleted |= part == "usher-deleted",
            }
        }
        note
    }

    /// Nothing of it ends a field or a line; what would, is left out.
    pub(super) fn write(&self) -> String {
        let name = self.display_name.as_deref().map(plain).unwrap_or_default();
        let number = self.employee_number.as_deref().filter(|number| is_word(number));
        let number = number.map(|number| format!(",nr={number}")).unwrap_or_default();
        let key = self.made_by.as_deref().filter(|key| is_word(key));
        let key = key.map(|key| format!(",usher={key}")).unwrap_or_default();
        format!("{name}{number}{key}{}", if self.deleted { ",usher-deleted" } else { "" })
    }
}

/// A name without what separates fields, parts and lines.
fn plain(text: &str) -> String {
    let signs = text.chars().map(|sign| if sign.is_control() || ":,".contains(sign) { ' ' } else { sign });
    signs.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|sign| sign.is_ascii_alphanumeric() || "-_.".contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_read_as_they_were_written() {
        let note = Note {
            display_name: Some("Ada Keller".to_owned()),
            employee_number: Some("1005".to_owned()),
            made_by: Some("3f2a".to_owned()),
            deleted: true,
        };
        assert_eq!(note.write(), "Ada Keller,nr=1005,usher=3f2a,usher-deleted");
        assert_eq!(Note::read(&note.write()), note);
        // What others write into the field is theirs: a room, telephone numbers.
        let other = Note::read("Ada Keller,Room 12,555-1,555-2");
        assert_eq!(other, Note { display_name: Some("Ada Keller".to_owned()), ..Note::default() });
    }
}
