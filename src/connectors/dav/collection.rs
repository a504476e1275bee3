//! What can be asked about places and done to them: looks, new collections, moves, and single objects.

use reqwest::Url;

use super::client::{Ask, Server, quoted};
use super::error::{Answer, Effect};
use super::multistatus::{self, Described};
use super::place;
use crate::connectors::ActionError;

/// The most that one object may have to be held in memory: an event, a card.
const OBJECT: usize = 16 * 1024 * 1024;

/// A place, and what the server says of it.
#[derive(Clone, Debug)]
pub(super) struct Resource {
    pub(super) url: Url,
    /// Its name in the collection that was looked into; empty for that collection itself.
    pub(super) name: String,
    pub(super) described: Described,
}

impl Resource {
    pub(super) fn etag(&self) -> Option<String> {
        self.described.text(multistatus::ETAG).map(quoted)
    }

    /// Its length in bytes, where the server says it.
    pub(super) fn length(&self) -> Option<u64> {
        self.described.text(multistatus::LENGTH)?.parse().ok()
    }
}

/// What has become of a request to move something.
#[derive(Debug)]
pub(super) enum Moved {
    /// It is there.
    Done,
    /// Something of that name is there already; nothing was changed.
    Taken,
    /// There is nothing to move.
    Gone,
    /// The server does not do it between these places.
    Refused(Answer),
}

impl Server<'_> {
    /// What a place is; `None` where there is nothing.
    pub(super) async fn at(&self, url: &Url, properties: &[&str]) -> Result<Option<Resource>, ActionError> {
        let found = self.ask_about(url, "0", properties).await?;
        Ok(found.and_then(|found| found.into_iter().find(|resource| resource.name.is_empty())))
    }

    /// What is right in a collection; `None` where there is no collection.
    pub(super) async fn inside(&self, url: &Url, properties: &[&str]) -> Result<Option<Vec<Resource>>, ActionError> {
        let Some(mut found) = self.ask_about(url, "1", properties).await? else { return Ok(None) };
        found.retain(|resource| !resource.name.is_empty());
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Some(found))
    }

    /// PROPFIND (RFC 4918 §9.1).
    async fn ask_about(
        &self,
        url: &Url,
        depth: &str,
        properties: &[&str],
    ) -> Result<Option<Vec<Resource>>, ActionError> {
        let names: String = properties.iter().map(|name| format!("<{name}/>")).collect();
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><D:propfind {NAMESPACES}><D:prop>{names}</D:prop></D:propfind>"
        );
        let answer = self.send(Ask::looks("PROPFIND", url).header("depth", depth).body(XML, body)).await?;
        if answer.is_absent() {
            return Ok(None);
        }
        several(url, &answer).map(Some)
    }

    /// REPORT (RFC 3253 §3.6); `None` where the server does not do it.
    pub(super) async fn report(&self, url: &Url, body: String) -> Result<Option<Vec<Resource>>, ActionError> {
        let answer = self.send(Ask::looks("REPORT", url).header("depth", "1").body(XML, body)).await?;
        match answer.status {
            403 | 404 | 405 | 415 | 422 | 501 => Ok(None),
            _ => several(url, &answer).map(Some),
        }
    }

    /// A new collection. `false` where something is there already.
    pub(super) async fn make(&self, ask: Ask<'_>) -> Result<bool, ActionError> {
        let answer = self.send(ask).await?;
        match answer.status {
            _ if answer.is_good() => Ok(true),
            // RFC 4918 §9.3.1; MKCALENDAR says it as a precondition (RFC 4791 §5.3.1.1).
            405 => Ok(false),
            403 | 409 if String::from_utf8_lossy(&answer.body).contains("resource-must-be-null") => Ok(false),
            _ => Err(answer.refused(Effect::Changes)),
        }
    }

    /// MOVE (RFC 4918 §9.9), with all that is in it, onto nothing that is there.
    pub(super) async fn move_to(&self, from: &Url, to: &Url) -> Result<Moved, ActionError> {
        let ask = Ask::changes("MOVE", from).header("destination", to.as_str()).header("overwrite", "F");
        let answer = self.send(ask.header("depth", "infinity").long()).await?;
        Ok(match answer.status {
            _ if answer.is_good() => Moved::Done,
            404 | 410 => Moved::Gone,
            412 => Moved::Taken,
            // 502: the server takes the other place for one that is not its own (RFC 4918 §9.9.4).
            403 | 405 | 409 | 501 | 502 => Moved::Refused(answer),
            _ => return Err(answer.refused(Effect::Changes)),
        })
    }

    /// A small object whole, with its version; `None` where there is none.
    pub(super) async fn object(&self, url: &Url) -> Result<Option<(Vec<u8>, Option<String>)>, ActionError> {
        let mut incoming = match self.open(Ask::looks("GET", url)).await? {
            Ok(incoming) => incoming,
            Err(answer) if answer.is_absent() => return Ok(None),
            Err(answer) => return Err(answer.refused(Effect::Looks)),
        };
        let etag = incoming.etag();
        let mut object = Vec::new();
        while let Some(chunk) = incoming.next().await? {
            if object.len() + chunk.len() > OBJECT {
                return Err(ActionError::retry(format!("an object has more than {OBJECT} bytes")));
            }
            object.extend(chunk);
        }
        Ok(Some((object, etag)))
    }

    /// Writes an object where there is none (RFC 9110 §13.1.2). `false` where there is one.
    pub(super) async fn put_new(&self, url: &Url, kind: &str, body: Vec<u8>) -> Result<bool, ActionError> {
        let answer = self.send(Ask::changes("PUT", url).header("if-none-match", "*").body(kind, body)).await?;
        match answer.status {
            _ if answer.is_good() => Ok(true),
            412 => Ok(false),
            _ => Err(answer.refused(Effect::Changes)),
        }
    }

    /// Deletes one object, where it still is this version.
    pub(super) async fn delete_version(&self, url: &Url, etag: &str) -> Result<(), ActionError> {
        let answer = self.send(Ask::changes("DELETE", url).header("if-match", etag)).await?;
        match answer.status {
            _ if answer.is_good() || answer.is_absent() => Ok(()),
            412 => Err(ActionError::unknown(format!(
                "{} (it was changed meanwhile, and is looked at anew)",
                answer.said()
            ))),
            _ => Err(answer.refused(Effect::Changes)),
        }
    }

    /// What a server says it can (RFC 4918 §10.1).
    pub(super) async fn classes(&self, url: &Url) -> Result<Vec<String>, ActionError> {
        let answer = self.send(Ask::looks("OPTIONS", url)).await?;
        if !answer.is_good() {
            return Err(answer.refused(Effect::Looks));
        }
        let told = answer.headers.get_all("dav").iter().filter_map(|value| value.to_str().ok());
        Ok(told.flat_map(|value| value.split(',')).map(|class| class.trim().to_ascii_lowercase()).collect())
    }
}

/// What an answer says of a place and of what is right in it. Whatever leads elsewhere makes all of it worthless, but
/// for one thing: Cyrus names among somebody's calendars where it keeps notices for them, which is nothing of a home's.
fn several(url: &Url, answer: &Answer) -> Result<Vec<Resource>, ActionError> {
    if !answer.tells_of_parts() {
        return Err(answer.refused(Effect::Looks));
    }
    let wrong = |why: String| ActionError::retry(format!("{}: {why}", answer.asked));
    let mut found = Vec::new();
    for described in multistatus::read(&answer.body).map_err(wrong)? {
        if described.holds_notices() {
            place::on_server(url, &described.href).map_err(wrong)?;
            continue;
        }
        let (at, rest) = place::named(url, &described.href).map_err(wrong)?;
        let name = match rest.as_slice() {
            [] => String::new(),
            [name] => name.clone(),
            _ => return Err(wrong(format!("the server names `{}`, which is further down", described.href))),
        };
        match described.status.as_deref().map(multistatus::code) {
            None | Some(Some(200..=299)) => found.push(Resource { url: at, name, described }),
            // Gone between two looks of the server's own.
            Some(Some(404 | 410)) => {}
            Some(_) => {
                return Err(wrong(format!("{} about `{}`", described.status.unwrap_or_default(), described.href)));
            }
        }
    }
    Ok(found)
}

/// The kind of every document of ours.
pub(super) const XML: &str = "application/xml; charset=utf-8";

/// The prefixes of every document of ours.
pub(super) const NAMESPACES: &str = "xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\" \
    xmlns:A=\"urn:ietf:params:xml:ns:carddav\" xmlns:S=\"http://calendarserver.org/ns/\" \
    xmlns:I=\"http://apple.com/ns/ical/\"";

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;

    use super::*;

    /// What an answer with a calendar and one thing more says of a home.
    fn told(href: &str, kind: &str) -> Result<Vec<Resource>, ActionError> {
        let one = |href: &str, kind: &str| {
            format!(
                "<response><href>{href}</href><propstat><prop><resourcetype><collection/>{kind}</resourcetype></prop>\
                 <status>HTTP/1.1 200 OK</status></propstat></response>"
            )
        };
        let body = format!(
            "<multistatus xmlns='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav' xmlns:S='http://calendarserver.org/ns/'>\
             {}{}</multistatus>",
            one("/dav/calendars/jdoe/work/", "<C:calendar/>"),
            one(href, kind)
        );
        let asked = "PROPFIND".to_owned();
        let answer =
            Answer { status: 207, headers: HeaderMap::new(), body: body.into_bytes(), words: String::new(), asked };
        several(&"https://dav.example.org/dav/calendars/jdoe/".parse().unwrap(), &answer)
    }

    #[test]
    fn notices_among_calendars_are_passed_over_and_nothing_else_is() {
        let notices = "/dav/notifications/jdoe/";
        for kind in ["<notifications/><S:notification/>", "<S:notification/>", "<notifications/>"] {
            let found = told(notices, kind).unwrap_or_else(|why| panic!("{kind}: {why}"));
            assert_eq!(found.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["work"], "{kind}");
        }
        for (href, kind, named) in [
            (notices, "", "not below what was asked for"),
            (notices, "<C:calendar/>", "not below what was asked for"),
            (notices, "<C:notification/>", "not below what was asked for"),
            ("https://evil.example.org/dav/notifications/jdoe/", "<S:notification/>", "on another server"),
            ("/dav/notifications/jdoe/?x=1", "<S:notification/>", "no place"),
        ] {
            let why = told(href, kind).unwrap_err().to_string();
            assert!(why.contains(named), "{href} {kind}: {why}");
        }
    }
}
