//! Which mails are the same: by Message-ID, length and date of arrival. A copy has all three of its original.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::session::{Mailbox, next, refused, within};
use crate::connectors::ActionError;

/// How often a folder has each mail.
pub(super) type Prints = HashMap<u64, u32>;

/// A mail of the open folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Printed {
    pub(super) uid: u32,
    pub(super) bytes: u32,
    pub(super) print: u64,
}

impl Mailbox {
    /// The mails of the open folder. Some 16 bytes are kept of each.
    pub(super) async fn printed(&mut self) -> Result<Vec<Printed>, ActionError> {
        let (limit, place) = (self.limit, self.place.clone());
        let query = "(UID RFC822.SIZE INTERNALDATE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])";
        let answer = within(limit, self.session.uid_fetch("1:*", query)).await;
        let mut answer = Box::pin(answer.map_err(|why| refused(&place, &why))?);
        let mut found = Vec::new();
        while let Some(mail) = next(limit, &mut answer).await.map_err(|why| refused(&place, &why))? {
            if let (Some(uid), Some(bytes), Some(arrived)) = (mail.uid, mail.size, mail.internal_date()) {
                let print = print(mail.header().unwrap_or_default(), bytes, arrived.timestamp());
                found.push(Printed { uid, bytes, print });
            }
        }
        Ok(found)
    }
}

fn print(header: &[u8], bytes: u32, arrived: i64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (header.trim_ascii(), bytes, arrived).hash(&mut hasher);
    hasher.finish()
}

/// How often each of these is there.
pub(super) fn counted(mails: &[Printed]) -> Prints {
    let mut prints = Prints::new();
    for mail in mails {
        *prints.entry(mail.print).or_default() += 1;
    }
    prints
}

/// Those of `wanted` that are not among `there`; what is wanted twice must be there twice.
pub(super) fn missing(wanted: &[Printed], mut there: Prints) -> Vec<Printed> {
    let found = |mail: &&Printed| match there.get_mut(&mail.print) {
        Some(left) if *left > 0 => {
            *left -= 1;
            false
        }
        _ => true,
    };
    wanted.iter().filter(found).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_twice_is_wanted_twice() {
        let mail = |uid, print| Printed { uid, bytes: 1, print };
        let wanted = [mail(1, 7), mail(2, 7), mail(3, 8)];
        let uids = |there: &[Printed]| missing(&wanted, counted(there)).iter().map(|mail| mail.uid).collect::<Vec<_>>();
        assert_eq!(uids(&[]), [1, 2, 3]);
        assert_eq!(uids(&[mail(9, 7)]), [2, 3]);
        assert_eq!(uids(&wanted), [0_u32; 0]);
    }

    #[test]
    fn mails_differ_by_id_length_or_arrival() {
        let base = print(b"Message-ID: <a@b>\r\n\r\n", 5, 6);
        assert_eq!(base, print(b"Message-ID: <a@b>\r\n", 5, 6));
        for other in [
            print(b"Message-ID: <b@b>\r\n", 5, 6),
            print(b"Message-ID: <a@b>", 6, 6),
            print(b"Message-ID: <a@b>", 5, 7),
        ] {
            assert_ne!(base, other);
        }
    }
}
