//! What is in a calendar home: calendars, whom they are shared with, and the meetings to come that their owner has called.

use icalendar::parser::{self, Component};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use reqwest::Url;
use serde::Serialize;

use super::collection::{NAMESPACES, Resource};
use super::house::House;
use super::keep::ics;
use super::multistatus::{
    CALENDAR_DATA, COLOUR, COMPONENTS, DESCRIPTION, Described, ETAG, INVITE, NAME, RESOURCE_TYPE, SHARE_ACCESS,
    TIMEZONE,
};
use super::place;
use crate::connectors::ActionError;

/// A meeting to come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Meeting {
    /// The event's own id (RFC 5545 §3.8.4.7).
    pub(super) uid: String,
    /// When it begins, or began to repeat, as the event says it.
    pub(super) starts: String,
    pub(super) title: String,
    /// How many others are asked to come.
    pub(super) guests: usize,
    pub(super) repeats: bool,
}

/// With whom a calendar or an address book is shared: as calendarserver.org says it (caldav-sharing), or as WebDAV does
/// (`share-access` of draft-pot-webdav-resource-sharing), which is all that Cyrus says of address books.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Shared {
    /// Nobody, as far as the server says.
    No,
    /// Others see it: so many, where the server says.
    WithOthers(usize),
    /// It is somebody else's.
    ByOthers,
}

/// How a calendar or an address book is shared.
pub(super) fn shared(collection: &Described) -> Shared {
    let guests = collection.inside(INVITE).iter().filter(|inside| *inside == "S:user").count();
    let access = |word: &str| collection.inside(SHARE_ACCESS).iter().any(|inside| inside == word);
    match () {
        () if collection.is("S:shared") || access("D:read") || access("D:read-write") => Shared::ByOthers,
        () if collection.is("S:shared-owner") || access("D:shared-owner") || guests > 0 => Shared::WithOthers(guests),
        () => Shared::No,
    }
}

impl House<'_> {
    /// The calendars in a home that are its owner's: what others share is not there to be given or kept.
    pub(super) async fn calendars(&self, home: Option<&Url>) -> Result<Vec<Resource>, ActionError> {
        let all = self.all_calendars(home).await?;
        Ok(all.into_iter().filter(|found| shared(&found.described) != Shared::ByOthers).collect())
    }

    /// The calendars in a home, whoever they belong to.
    pub(super) async fn all_calendars(&self, home: Option<&Url>) -> Result<Vec<Resource>, ActionError> {
        let Some(home) = home else { return Ok(Vec::new()) };
        let wanted = [RESOURCE_TYPE, NAME, DESCRIPTION, COLOUR, COMPONENTS, TIMEZONE, INVITE, SHARE_ACCESS];
        let mut found = self.server.inside(home, &wanted).await?.unwrap_or_default();
        found.retain(|found| found.described.is("C:calendar"));
        Ok(found)
    }

    /// The address books in a home that are its owner's.
    pub(super) async fn address_books(&self, home: Option<&Url>) -> Result<Vec<Resource>, ActionError> {
        let Some(home) = home else { return Ok(Vec::new()) };
        let mut found =
            self.server.inside(home, &[RESOURCE_TYPE, NAME, INVITE, SHARE_ACCESS]).await?.unwrap_or_default();
        found.retain(|found| found.described.is("A:addressbook") && shared(&found.described) != Shared::ByOthers);
        Ok(found)
    }

    /// The events, tasks or cards in a collection; `None` where there is no collection.
    pub(super) async fn objects(&self, collection: &Url) -> Result<Option<Vec<Resource>>, ActionError> {
        let found = self.server.inside(&place::as_collection(collection), &[RESOURCE_TYPE, ETAG]).await?;
        Ok(found.map(|mut found| {
            found.retain(|object| !object.described.is_collection());
            found
        }))
    }

    /// The meetings from `now` on that the owner of a calendar has called. The server finds what is to come, repeated
    /// events included (RFC 4791 §7.8); `None` where it does not.
    pub(super) async fn meetings(
        &self,
        calendar: &Url,
        account: &str,
        now: Timestamp,
    ) -> Result<Option<Vec<Meeting>>, ActionError> {
        let from = now.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string();
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><C:calendar-query {NAMESPACES}><D:prop><{CALENDAR_DATA}/></D:prop>\
             <C:filter><C:comp-filter name=\"VCALENDAR\"><C:comp-filter name=\"VEVENT\"><C:time-range start=\"{from}\"/>\
             </C:comp-filter></C:comp-filter></C:filter></C:calendar-query>"
        );
        let found = self.server.report(&place::as_collection(calendar), body).await?;
        let Some(found) = found else { return Ok(None) };
        let address = self.settings.address_of(account);
        let texts = found.iter().filter_map(|object| object.described.verbatim(CALENDAR_DATA));
        let mut found: Vec<Meeting> = texts.filter_map(|text| meeting(text, address.as_deref())).collect();
        found.sort_by(|a, b| (&a.starts, &a.uid).cmp(&(&b.starts, &b.uid)));
        Ok(Some(found))
    }
}

/// The meeting that an object is about; `None` where it is none that this address has called. Without an address everything
/// with guests counts.
fn meeting(text: &str, address: Option<&str>) -> Option<Meeting> {
    // What nests without an end is nothing to read on.
    ics::components(text.as_bytes()).ok()?;
    let unfolded = parser::unfold(text);
    let calendar = parser::read_calendar(&unfolded).ok()?;
    let events = || calendar.components.iter().filter(|component| component.name.as_str() == "VEVENT");
    // What repeats stands first; its exceptions have a RECURRENCE-ID.
    let event = events().find(|event| event.find_prop("RECURRENCE-ID").is_none()).or_else(|| events().next())?;
    let called_by = value(event, "ORGANIZER")?;
    let own = address.is_none_or(|address| bare(&called_by).eq_ignore_ascii_case(address));
    let guest = |property: &&parser::Property<'_>| {
        property.name.as_str() == "ATTENDEE" && !bare(property.val.as_str()).eq_ignore_ascii_case(bare(&called_by))
    };
    let guests = event.properties.iter().filter(guest).count();
    (own && guests > 0).then(|| Meeting {
        uid: value(event, "UID").unwrap_or_default(),
        starts: value(event, "DTSTART").unwrap_or_default(),
        title: value(event, "SUMMARY").unwrap_or_default(),
        guests,
        repeats: event.find_prop("RRULE").is_some() || event.find_prop("RDATE").is_some(),
    })
}

fn value(component: &Component<'_>, property: &str) -> Option<String> {
    Some(component.find_prop(property)?.val.as_str().to_owned())
}

/// An address without its scheme (RFC 5545 §3.3.3).
fn bare(address: &str) -> &str {
    match address.split_once(':') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("mailto") => rest,
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connectors::dav::multistatus;

    fn object(lines: &[&str]) -> String {
        let event =
            ["BEGIN:VCALENDAR", "VERSION:2.0", "BEGIN:VEVENT", "UID:7", "DTSTART;TZID=Europe/Zurich:20280101T090000"];
        let all = event.into_iter().chain(lines.iter().copied()).chain(["END:VEVENT", "END:VCALENDAR", ""]);
        all.collect::<Vec<_>>().join("\r\n")
    }

    #[test]
    fn meetings_are_those_that_the_owner_has_called() {
        let called = ["ORGANIZER;CN=Jane:mailto:Jdoe@Example.org", "ATTENDEE;RSVP=TRUE:mailto:a@example.org"];
        let text =
            object(&[&called[..], &["ATTENDEE:mailto:jdoe@example.org", "SUMMARY:Team", "RRULE:FREQ=WEEKLY"]].concat());
        let found = meeting(&text, Some("jdoe@example.org")).unwrap();
        assert_eq!((found.uid.as_str(), found.starts.as_str(), found.title.as_str()), ("7", "20280101T090000", "Team"));
        assert_eq!((found.guests, found.repeats), (1, true), "the organiser is no guest");
        assert_eq!(meeting(&text, Some("boss@example.org")), None, "somebody else's");
        assert!(meeting(&text, None).is_some());
        assert_eq!(meeting(&object(&["SUMMARY:Alone"]), None), None);
        assert_eq!(meeting("no calendar", None), None);
    }

    #[test]
    fn what_nests_without_an_end_is_not_read() {
        let deep = format!("BEGIN:VCALENDAR\r\n{}", "BEGIN:VEVENT\r\n".repeat(200_000));
        assert_eq!(meeting(&deep, None), None);
    }

    #[test]
    fn servers_say_what_is_shared() {
        let told = |kind: &str, more: &str| {
            let text = format!(
                "<multistatus xmlns='DAV:' xmlns:S='http://calendarserver.org/ns/'><response><href>/x/</href><propstat><prop>\
                 <resourcetype><collection/>{kind}</resourcetype>{more}</prop></propstat></response>\
                 </multistatus>"
            );
            shared(&multistatus::read(text.as_bytes()).unwrap()[0])
        };
        let user = "<S:user><href>mailto:a@example.org</href><S:invite-accepted/></S:user>";
        let invite = |users: usize| format!("<S:invite>{}</S:invite>", user.repeat(users));
        assert_eq!(told("<S:shared-owner/>", &invite(2)), Shared::WithOthers(2));
        assert_eq!(told("", &invite(1)), Shared::WithOthers(1));
        assert_eq!(told("<S:shared/>", &invite(1)), Shared::ByOthers);
        let access = |word: &str| told("", &format!("<share-access><{word}/></share-access>"));
        assert_eq!((access("read"), access("read-write")), (Shared::ByOthers, Shared::ByOthers));
        assert_eq!((access("shared-owner"), access("not-shared")), (Shared::WithOthers(0), Shared::No));
        assert_eq!(told("", ""), Shared::No);
    }
}
