//! Calendars to a colleague. Each becomes a calendar of its own there, named after where it is from, so that nothing is
//! mixed with what the colleague has; into it the server moves one event after the other.
//!
//! Its own earlier success is recognised by that: there is nothing left to move. A server that schedules by itself
//! (RFC 6638) would tell all guests that a meeting is off when it leaves the organiser's calendar: there, events are
//! copied, and stay where they are too.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use quick_xml::escape::escape;
use reqwest::Url;
use sha2::{Digest, Sha256};

use crate::connectors::dav::client::Ask;
use crate::connectors::dav::collection::{Moved, NAMESPACES, Resource, XML};
use crate::connectors::dav::house::House;
use crate::connectors::dav::multistatus::{COLOUR, COMPONENTS, DESCRIPTION, NAME, RESOURCE_TYPE, TIMEZONE};
use crate::connectors::dav::place;
use crate::connectors::{ActionError, Call, Observation};

/// The kind of an event.
const ICALENDAR: &str = "text/calendar; charset=utf-8";

/// One account's calendars on their way to another.
pub(super) struct Calendars<'a> {
    at: &'a House<'a>,
    from: String,
    home: Option<Url>,
    to: String,
    to_home: Url,
    /// Events stay where they are too.
    copies: bool,
}

impl<'a> Calendars<'a> {
    pub(super) async fn of(call: &Call, at: &'a House<'a>) -> Result<Self, ActionError> {
        let from = at.subject(call).await?;
        let (to, _) = at.colleague(call, &from).await?;
        let template = at.settings.calendars.as_ref();
        let home = at.home(template, &from).await?;
        let none = || ActionError::fail(format!("account `{to}` has no home for calendars on {}", at.system));
        let to_home = at.home(template, &to).await?.ok_or_else(none)?;
        let copies = at.schedules(&to_home).await?;
        Ok(Self { at, from, home, to, to_home, copies })
    }

    pub(super) async fn observe(&self) -> Result<Observation, ActionError> {
        let (mut left, mut given, mut calendars) = (0_usize, 0_usize, 0_usize);
        for calendar in self.at.calendars(self.home.as_ref()).await? {
            let objects = self.at.objects(&calendar.url).await?.unwrap_or_default();
            let there = self.at.objects(&self.target(&calendar)).await?;
            calendars += usize::from(there.is_some());
            let there: BTreeSet<String> = there.unwrap_or_default().into_iter().map(|object| object.name).collect();
            given += there.len();
            left += objects.iter().filter(|object| !(self.copies && there.contains(&object.name))).count();
        }
        Ok(match left {
            0 => Observation::read_back(format!(
                "nothing is left to {}; account `{}` has {given} events and tasks of account `{}` in {calendars} calendars",
                if self.copies { "copy" } else { "move" },
                self.to,
                self.from
            )),
            left => Observation::NotReached(format!("{left} events and tasks are not handed over")),
        })
    }

    pub(super) async fn apply(&self) -> Result<(), ActionError> {
        let mut moves = !self.copies;
        for calendar in self.at.calendars(self.home.as_ref()).await? {
            let objects = self.at.objects(&calendar.url).await?.unwrap_or_default();
            if objects.is_empty() {
                continue;
            }
            let target = self.target(&calendar);
            self.prepare(&calendar, &target).await?;
            for object in objects {
                moves = self.hand_over(&object, &place::in_collection(&target, &object.name), moves).await?;
            }
        }
        Ok(())
    }

    /// Where a calendar goes. The end of its name keeps apart what would be called the same.
    fn target(&self, calendar: &Resource) -> Url {
        let own = format!("{}\n{}\n{}", self.at.system, self.from, calendar.name);
        let mark = hex::encode(Sha256::digest(own.as_bytes()));
        let name = format!("from-{}-{}-{}", plain(&self.from), plain(&calendar.name), mark.get(..12).unwrap_or(&mark));
        place::below(&self.to_home, [name.as_str()].into_iter())
    }

    /// Makes the colleague's calendar, where an earlier attempt has not.
    async fn prepare(&self, calendar: &Resource, target: &Url) -> Result<(), ActionError> {
        if self.is_calendar(target).await? {
            return Ok(());
        }
        let ask = Ask::changes("MKCALENDAR", target).body(XML, self.birth(calendar));
        if self.at.server.make(ask).await? || self.is_calendar(target).await? {
            return Ok(());
        }
        Err(ActionError::retry(format!("{} neither makes a calendar nor shows one that is in the way", self.at.system)))
    }

    async fn is_calendar(&self, target: &Url) -> Result<bool, ActionError> {
        match self.at.server.at(target, &[RESOURCE_TYPE]).await? {
            None => Ok(false),
            Some(found) if found.described.is("C:calendar") => Ok(true),
            Some(_) => Err(ActionError::fail(format!(
                "account `{}` has something else where the calendar is to be: {}",
                self.to,
                target.path()
            ))),
        }
    }

    /// MKCALENDAR (RFC 4791 §5.3.1) with what the calendar was: its name with whose it was, its colour, what it holds.
    fn birth(&self, calendar: &Resource) -> String {
        let described = &calendar.described;
        let shown = described.text(NAME).unwrap_or(&calendar.name);
        let mut properties = format!("<D:displayname>{} ({})</D:displayname>", escape(shown), escape(&self.from));
        for name in [DESCRIPTION, COLOUR, TIMEZONE] {
            if let Some(text) = described.text(name) {
                let _ = write!(properties, "<{name}>{}</{name}>", escape(text));
            }
        }
        let kinds = described.inside(COMPONENTS).iter().filter_map(|inside| inside.strip_prefix("C:comp "));
        let kinds: String = kinds.map(|kind| format!("<C:comp name=\"{}\"/>", escape(kind))).collect();
        if !kinds.is_empty() {
            let _ = write!(properties, "<{COMPONENTS}>{kinds}</{COMPONENTS}>");
        }
        format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><C:mkcalendar {NAMESPACES}><D:set><D:prop>{properties}</D:prop></D:set></C:mkcalendar>"
        )
    }

    /// One event: moved where the server does that, else written, read back and taken away. Whether it does that.
    async fn hand_over(&self, object: &Resource, target: &Url, moves: bool) -> Result<bool, ActionError> {
        if moves {
            match self.at.server.move_to(&object.url, target).await? {
                Moved::Done | Moved::Gone => return Ok(true),
                Moved::Taken => return self.copy(object, target).await.map(|()| true),
                Moved::Refused(_) => {}
            }
        }
        self.copy(object, target).await?;
        Ok(false)
    }

    async fn copy(&self, object: &Resource, target: &Url) -> Result<(), ActionError> {
        let server = &self.at.server;
        let Some((content, etag)) = server.object(&object.url).await? else { return Ok(()) };
        server.put_new(target, ICALENDAR, content.clone()).await?;
        // Whether it was written now or was there: only what says the same is ours.
        match server.object(target).await? {
            Some((found, _)) if says_the_same(&found, &content) => {}
            _ => {
                return Err(ActionError::fail(format!(
                    "account `{}` has another event at {}: it is left alone",
                    self.to,
                    target.path()
                )));
            }
        }
        if self.copies {
            return Ok(());
        }
        let without =
            || ActionError::fail("the server names no versions (ETag), so that nothing can be taken away safely");
        let etag = etag.or_else(|| object.etag()).ok_or_else(without)?;
        server.delete_version(&object.url, &etag).await
    }
}

/// What is fit for the name of a collection everywhere, and not too long.
fn plain(text: &str) -> String {
    let plain = text.chars().map(|sign| if sign.is_ascii_alphanumeric() || "._".contains(sign) { sign } else { '-' });
    plain.take(60).collect()
}

/// Servers fold lines anew and sort them; what they say stays the same (RFC 5545 §3.1).
fn says_the_same(a: &[u8], b: &[u8]) -> bool {
    let lines = |object: &[u8]| {
        let text = String::from_utf8_lossy(object).replace("\r\n", "\n").replace("\n ", "").replace("\n\t", "");
        let mut lines: Vec<String> = text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
        lines.sort();
        lines
    };
    lines(a) == lines(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_sorted_and_folded_anew_say_the_same() {
        let one = b"BEGIN:VEVENT\r\nSUMMARY:a long\r\n  one\r\nUID:1\r\nEND:VEVENT\r\n";
        assert!(says_the_same(one, b"BEGIN:VEVENT\nUID:1\nSUMMARY:a long one\nEND:VEVENT\n"));
        assert!(!says_the_same(one, b"BEGIN:VEVENT\nUID:1\nSUMMARY:another\nEND:VEVENT\n"));
        assert!(!says_the_same(one, b"BEGIN:VEVENT\nUID:1\nUID:1\nSUMMARY:a long one\nEND:VEVENT\n"));
    }
}
