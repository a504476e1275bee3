//! Mails of the open folder: which there are, and their content, in bunches and pieces of bounded size.

use std::time::Duration;

use async_imap::error::Error;
use async_imap::types::Fetch;
use futures::StreamExt;
use futures::stream::BoxStream;

use super::session::{Mailbox, flag, next, refused, within};
use crate::connectors::ActionError;

/// How much is asked for at once, and the longest mail that is held in memory whole.
pub(super) const BUNCH: u64 = 512 * 1024;

/// How many mails are asked for at once.
const MOST: usize = 400;

/// A mail, as the folder lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) uid: u32,
    pub(super) bytes: u32,
}

/// What goes with a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Envelope {
    pub(super) uid: u32,
    /// As IMAP writes them, without `\Recent`.
    pub(super) flags: Vec<String>,
    /// When it arrived, seconds since the epoch.
    pub(super) arrived: i64,
    /// The same, as IMAP writes it.
    pub(super) date: String,
}

/// Content as the server has sent it: held once, and not copied.
#[derive(Debug)]
pub(super) struct Body(Fetch);

impl Body {
    fn of(mail: Fetch) -> Option<Self> {
        mail.body().is_some().then(|| Self(mail))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.body().unwrap_or_default()
    }
}

/// One mail, or the beginning of one.
#[derive(Debug)]
pub(super) enum Read {
    /// All of it.
    Whole(Envelope, Body),
    /// Its content is asked for in pieces, with [`Mailbox::piece`], once the answer has ended.
    Long(Envelope, u32),
}

/// The answer to a bunch, mail by mail: no more than one of them is held.
pub(super) struct Answer<'m> {
    mails: BoxStream<'m, Result<Fetch, Error>>,
    limit: Duration,
    place: String,
    long: Option<Listed>,
}

impl Answer<'_> {
    /// The next mail. Those that are gone by now do not come.
    pub(super) async fn next(&mut self) -> Result<Option<Read>, ActionError> {
        while let Some(mail) = next(self.limit, &mut self.mails).await.map_err(|why| refused(&self.place, &why))? {
            // Flags of others, as they change: not what was asked for.
            let Some(envelope) = envelope(&mail) else { continue };
            match self.long {
                Some(long) => return Ok(Some(Read::Long(envelope, long.bytes))),
                None => {
                    if let Some(body) = Body::of(mail) {
                        return Ok(Some(Read::Whole(envelope, body)));
                    }
                }
            }
        }
        Ok(None)
    }
}

/// Some mails that are asked for together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bunch<'l>(&'l [Listed]);

impl<'l> Bunch<'l> {
    /// A list in bunches, in order. One that is too long to be held is alone.
    pub(super) fn of(listed: &'l [Listed]) -> impl Iterator<Item = Self> {
        let mut rest = listed;
        std::iter::from_fn(move || {
            let mut bytes = 0;
            let fits = |(at, mail): &(usize, &Listed)| {
                bytes += u64::from(mail.bytes);
                *at == 0 || (bytes <= BUNCH && *at < MOST)
            };
            let (bunch, later) = rest.split_at(rest.iter().enumerate().take_while(fits).count());
            rest = later;
            (!bunch.is_empty()).then_some(Self(bunch))
        })
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    /// The UID of its last mail.
    pub(super) fn last(&self) -> u32 {
        self.0.last().map_or(0, |mail| mail.uid)
    }

    fn long(&self) -> Option<Listed> {
        self.0.first().copied().filter(|mail| u64::from(mail.bytes) > BUNCH)
    }

    /// The UIDs as IMAP writes them, `1:4,7`. UIDs between two neighbours of the list belong to nobody.
    fn set(&self) -> String {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for Listed { uid, .. } in self.0 {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == *uid => *last = *uid,
                _ => ranges.push((*uid, *uid)),
            }
        }
        let range =
            |(first, last): &(u32, u32)| if first == last { first.to_string() } else { format!("{first}:{last}") };
        ranges.iter().map(range).collect::<Vec<_>>().join(",")
    }
}

impl Mailbox {
    /// The mails of the open folder from `uid` on, in order.
    pub(super) async fn listed(&mut self, uid: u32) -> Result<Vec<Listed>, ActionError> {
        let (limit, place) = (self.limit, self.place.clone());
        let answer = within(limit, self.session.uid_fetch(format!("{uid}:*"), "(UID RFC822.SIZE)")).await;
        let mut answer = Box::pin(answer.map_err(|why| refused(&place, &why))?);
        let mut found = Vec::new();
        while let Some(mail) = next(limit, &mut answer).await.map_err(|why| refused(&place, &why))? {
            // `N:*` also names the last one where it is before N.
            if let (Some(found_uid), Some(bytes)) = (mail.uid, mail.size)
                && found_uid >= uid
            {
                found.push(Listed { uid: found_uid, bytes });
            }
        }
        found.sort_unstable_by_key(|mail| mail.uid);
        found.dedup_by_key(|mail| mail.uid);
        Ok(found)
    }

    /// Asks for a bunch.
    pub(super) async fn read(&mut self, bunch: Bunch<'_>) -> Result<Answer<'_>, ActionError> {
        let (limit, place, long) = (self.limit, self.place.clone(), bunch.long());
        let query = match long {
            Some(_) => "(UID FLAGS INTERNALDATE)",
            None => "(UID FLAGS INTERNALDATE BODY.PEEK[])",
        };
        let answer = within(limit, self.session.uid_fetch(bunch.set(), query)).await;
        let mails = answer.map_err(|why| refused(&place, &why))?.boxed();
        Ok(Answer { mails, limit, place, long })
    }

    /// A piece of a mail from this byte on; `None` where there is no such mail any more. Empty at its end.
    pub(super) async fn piece(&mut self, uid: u32, from: u64) -> Result<Option<Body>, ActionError> {
        let (limit, place) = (self.limit, self.place.clone());
        let query = format!("(UID BODY.PEEK[]<{from}.{BUNCH}>)");
        let answer = within(limit, self.session.uid_fetch(uid.to_string(), query)).await;
        let mut answer = Box::pin(answer.map_err(|why| refused(&place, &why))?);
        let mut found = None;
        while let Some(mail) = next(limit, &mut answer).await.map_err(|why| refused(&place, &why))? {
            if mail.uid == Some(uid) {
                found = Body::of(mail).or(found);
            }
        }
        Ok(found)
    }
}

fn envelope(mail: &Fetch) -> Option<Envelope> {
    let arrived = mail.internal_date()?;
    let date = arrived.format("%d-%b-%Y %H:%M:%S %z").to_string();
    let flags = mail.flags().filter_map(|found| flag(&found)).collect();
    Some(Envelope { uid: mail.uid?, flags, arrived: arrived.timestamp(), date })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(sizes: &[(u32, u32)]) -> Vec<Listed> {
        sizes.iter().map(|(uid, bytes)| Listed { uid: *uid, bytes: *bytes }).collect()
    }

    #[test]
    fn bunches_are_bounded_and_long_mails_are_alone() {
        let quarter = u32::try_from(BUNCH / 4).unwrap();
        let mails = listed(&[(1, 10), (2, 10), (4, 3 * quarter), (5, 2 * quarter), (6, 9 * quarter), (7, 1)]);
        let sets: Vec<String> = Bunch::of(&mails).map(|bunch| bunch.set()).collect();
        assert_eq!(sets, ["1:2,4", "5", "6", "7"]);
        assert_eq!(Bunch::of(&mails).filter(|bunch| bunch.long().is_some()).count(), 1);
        let many: Vec<(u32, u32)> = (1..=1000).map(|uid| (uid, 1)).collect();
        assert_eq!(Bunch::of(&listed(&many)).map(|bunch| bunch.len()).collect::<Vec<_>>(), [400, 400, 200]);
        assert_eq!(Bunch::of(&[]).count(), 0);
    }
}
