//! What a server says of many resources at once (RFC 4918 §13), out of XML that is not trusted: no document types and so no
//! entities of its own making, no depth without end, no more than was asked for.

use std::collections::BTreeMap;

use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};
use quick_xml::{NsReader, escape};

/// Elements within elements; a plain answer has about seven.
const DEEPEST: usize = 32;

/// The namespaces that are looked at, with what we write for each.
const NAMESPACES: [(&str, &str); 5] = [
    ("DAV:", "D"),
    ("urn:ietf:params:xml:ns:caldav", "C"),
    ("urn:ietf:params:xml:ns:carddav", "A"),
    ("http://calendarserver.org/ns/", "S"),
    ("http://apple.com/ns/ical/", "I"),
];

/// Which property of a resource is what.
pub(super) const RESOURCE_TYPE: &str = "D:resourcetype";
pub(super) const NAME: &str = "D:displayname";
pub(super) const ETAG: &str = "D:getetag";
pub(super) const LENGTH: &str = "D:getcontentlength";
pub(super) const MODIFIED: &str = "D:getlastmodified";
pub(super) const PRIVILEGES: &str = "D:current-user-privilege-set";
pub(super) const DESCRIPTION: &str = "C:calendar-description";
pub(super) const COMPONENTS: &str = "C:supported-calendar-component-set";
pub(super) const TIMEZONE: &str = "C:calendar-timezone";
pub(super) const CALENDAR_DATA: &str = "C:calendar-data";
pub(super) const INVITE: &str = "S:invite";
pub(super) const SHARE_ACCESS: &str = "D:share-access";
pub(super) const COLOUR: &str = "I:calendar-color";

/// A property that a resource has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Property {
    /// All text in it.
    pub(super) text: String,
    /// The elements in it, with the value of their `name` where they have one: `C:comp VEVENT`.
    pub(super) inside: Vec<String>,
}

/// One resource, as the server describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Described {
    /// Where it is, in the server's words.
    pub(super) href: String,
    /// What was said of it as a whole (`HTTP/1.1 423 Locked`).
    pub(super) status: Option<String>,
    properties: BTreeMap<String, Property>,
}

impl Described {
    pub(super) fn text(&self, property: &str) -> Option<&str> {
        Some(self.properties.get(property)?.text.trim()).filter(|text| !text.is_empty())
    }

    /// The text with every blank in it: what an object consists of.
    pub(super) fn verbatim(&self, property: &str) -> Option<&str> {
        Some(self.properties.get(property)?.text.as_str())
    }

    pub(super) fn inside(&self, property: &str) -> &[String] {
        self.properties.get(property).map_or(&[], |property| &property.inside)
    }

    pub(super) fn is(&self, kind: &str) -> bool {
        self.inside(RESOURCE_TYPE).iter().any(|inside| inside == kind)
    }

    pub(super) fn is_collection(&self) -> bool {
        self.is("D:collection")
    }

    /// Whether a server keeps notices for somebody there (`notification` of calendarserver.org; draft-pot-webdav-notifications).
    pub(super) fn holds_notices(&self) -> bool {
        self.is("S:notification") || self.is("D:notifications")
    }
}

/// Reads an answer whole.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn read(body: &[u8]) -> Result<Vec<Described>, String> {
    let text = std::str::from_utf8(body).map_err(|_| "the answer is not UTF-8".to_owned())?;
    let mut reader = NsReader::from_str(text);
    let mut reading = Reading::default();
    loop {
        let (namespace, event) = reader.read_resolved_event().map_err(|why| format!("the answer is no XML: {why}"))?;
        match event {
            Event::Start(start) => reading.begin(qualified(&namespace, &start)?, name_in(&start))?,
            Event::Empty(start) => {
                reading.begin(qualified(&namespace, &start)?, name_in(&start))?;
                reading.end();
            }
            Event::End(_) => reading.end(),
            Event::Text(text) => reading.text.push_str(&text.xml10_content()),
            Event::CData(text) => reading.text.push_str(&text.xml10_content()),
            Event::GeneralRef(reference) => {
                let known = match reference.resolve_char_ref().map_err(|why| format!("the answer is no XML: {why}"))? {
                    Some(sign) => Some(sign.to_string()),
                    None => escape::resolve_xml_entity(&reference).map(str::to_owned),
                };
                let known = known.ok_or("the answer uses an entity of its own making, which is refused")?;
                reading.text.push_str(&known);
            }
            Event::DocType(_) => return Err("the answer has a document type, which is refused".to_owned()),
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
    if !reading.path.is_empty() || !reading.was_multistatus {
        return Err("the answer is no `multistatus` of WebDAV".to_owned());
    }
    Ok(reading.resources)
}

/// `D:href`; what is of no namespace that we look at becomes `?:href`.
fn qualified(namespace: &ResolveResult<'_>, start: &BytesStart<'_>) -> Result<String, String> {
    let short = match namespace {
        ResolveResult::Bound(Namespace(name)) => {
            NAMESPACES.iter().find(|(known, _)| known == name).map_or("?", |(_, short)| short)
        }
        ResolveResult::Unbound => "?",
        ResolveResult::Unknown(prefix) => {
            return Err(format!("the answer is no XML: nothing says what `{prefix}:` is"));
        }
    };
    Ok(format!("{short}:{}", start.local_name().as_ref()))
}

fn name_in(start: &BytesStart<'_>) -> Option<String> {
    let name = start.try_get_attribute("name").ok().flatten()?;
    Some(name.value.to_string())
}

#[derive(Default)]
struct Reading {
    path: Vec<String>,
    text: String,
    was_multistatus: bool,
    resources: Vec<Described>,
    resource: Described,
    /// Of the part at hand: what it says counts only when its status does.
    properties: Vec<(String, Property)>,
    status: Option<String>,
}

impl Reading {
    fn begin(&mut self, name: String, attribute: Option<String>) -> Result<(), String> {
        if self.path.len() == DEEPEST {
            return Err(format!("the answer nests more than {DEEPEST} elements"));
        }
        self.was_multistatus |= self.path.is_empty() && name == "D:multistatus";
        match (self.depth_in_property(), name.as_str()) {
            (Some(0), _) => {
                self.properties.push((name.clone(), Property::default()));
                self.text.clear();
            }
            (Some(_), _) => {
                if let Some((_, property)) = self.properties.last_mut() {
                    property.inside.push(match attribute {
                        Some(attribute) => format!("{name} {attribute}"),
                        None => name.clone(),
                    });
                }
            }
            (None, "D:response") if self.path.len() == 1 => self.resource = Described::default(),
            (None, "D:propstat") => {
                self.properties.clear();
                self.status = None;
            }
            (None, _) => self.text.clear(),
        }
        self.path.push(name);
        Ok(())
    }

    /// How far below `prop` of a `propstat` we are.
    fn depth_in_property(&self) -> Option<usize> {
        let at = ["D:multistatus", "D:response", "D:propstat", "D:prop"];
        let inside = self.path.len() >= at.len() && self.path.iter().zip(at).all(|(own, name)| own == name);
        inside.then(|| self.path.len() - at.len())
    }

    fn end(&mut self) {
        let Some(name) = self.path.pop() else { return };
        if self.depth_in_property() == Some(0)
            && let Some((_, property)) = self.properties.last_mut()
        {
            property.text = std::mem::take(&mut self.text);
            return;
        }
        let above: Vec<&str> = self.path.iter().map(String::as_str).collect();
        match (above.as_slice(), name.as_str()) {
            (["D:multistatus"], "D:response") => self.resources.push(std::mem::take(&mut self.resource)),
            (["D:multistatus", "D:response"], "D:href") => self.resource.href = self.text.trim().to_owned(),
            (["D:multistatus", "D:response"], "D:status") => self.resource.status = Some(self.text.trim().to_owned()),
            (["D:multistatus", "D:response", "D:propstat"], "D:status") => {
                self.status = Some(self.text.trim().to_owned());
            }
            (["D:multistatus", "D:response"], "D:propstat") => {
                let counts = self.status.as_deref().is_none_or(|status| code(status).is_some_and(|c| c / 100 == 2));
                let properties = std::mem::take(&mut self.properties);
                self.resource.properties.extend(properties.into_iter().filter(|_| counts));
            }
            _ => {}
        }
    }
}

/// The number in `HTTP/1.1 200 OK`.
pub(super) fn code(status: &str) -> Option<u16> {
    status.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "<?xml version='1.0'?><multistatus xmlns='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav'>\
        <response><href>/jdoe/work/</href><propstat><prop><resourcetype><C:calendar/><collection/></resourcetype>\
        <displayname>Work &amp; m&#246;re</displayname><getetag>\"7c\"</getetag>\
        <C:supported-calendar-component-set><C:comp name='VEVENT'/></C:supported-calendar-component-set></prop>\
        <status>HTTP/1.1 200 OK</status></propstat><propstat><prop><getcontentlength>77</getcontentlength></prop>\
        <status>HTTP/1.1 404 Not Found</status></propstat></response>\
        <response><href>/jdoe/x</href><status>HTTP/1.1 423 Locked</status></response></multistatus>";

    #[test]
    fn properties_count_where_their_status_does() {
        let found = read(WHOLE.as_bytes()).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].href, "/jdoe/work/");
        assert_eq!(found[0].text(NAME), Some("Work & möre"));
        assert_eq!(found[0].text(ETAG), Some("\"7c\""));
        assert_eq!(found[0].inside(COMPONENTS), ["C:comp VEVENT"]);
        assert!(found[0].is("C:calendar") && found[0].is_collection());
        assert_eq!(found[0].text(LENGTH), None, "it was said not to be there");
        assert_eq!(found[1].status.as_deref().and_then(code), Some(423));
    }

    #[test]
    fn prefixes_are_names_of_namespaces_and_nothing_else() {
        let other = WHOLE.replace("xmlns='DAV:'", "xmlns='urn:other'");
        assert!(read(other.as_bytes()).is_err());
        let found = read(WHOLE.replace("urn:ietf:params:xml:ns:caldav", "urn:other").as_bytes()).unwrap();
        assert!(!found[0].is("C:calendar"), "a calendar of somebody else's namespace is none");
    }

    #[test]
    fn hostile_answers_are_refused() {
        let bomb = "<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;'>]><multistatus xmlns='DAV:'>\
            <response><href>&b;</href></response></multistatus>";
        let entity = "<multistatus xmlns='DAV:'><response><href>&file;</href></response></multistatus>";
        let deep = format!("<multistatus xmlns='DAV:'>{}{}</multistatus>", "<a>".repeat(40), "</a>".repeat(40));
        for (answer, named) in [
            (bomb, "a document type"),
            (entity, "an entity of its own making"),
            (deep.as_str(), "nests more than 32"),
            ("<multistatus xmlns='DAV:'><response>", "no `multistatus`"),
            ("<multistatus xmlns='DAV:'></response>", "is no XML"),
            ("<p:multistatus/>", "nothing says what"),
            ("<html><body>Sign in</body></html>", "no `multistatus`"),
            ("", "no `multistatus`"),
            ("{\"error\": 1}", "no `multistatus`"),
        ] {
            let why = read(answer.as_bytes()).unwrap_err();
            assert!(why.contains(named), "{answer}: {why}");
        }
        assert!(read(b"<multistatus xmlns='DAV:'>\xff</multistatus>").is_err());
    }
}
