//! One file out of many objects, as calendar and contact programs read it. Every event is kept byte by byte: lines are only
//! told apart, never written anew.

use std::collections::BTreeMap;
use std::ops::Range;

use sha2::{Digest, Sha256};

/// Components within components; a calendar has three.
const DEEPEST: usize = 8;

const HEAD: &[u8] = b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//usher//export//EN\r\n";
const END: &[u8] = b"END:VCALENDAR\r\n";

/// Many calendar objects as one (RFC 5545 §3.4): their events and tasks, and each time zone once.
#[derive(Debug, Default)]
pub(super) struct Merge {
    begun: bool,
    /// The SHA-256 of each by its name.
    zones: BTreeMap<String, [u8; 32]>,
}

impl Merge {
    /// What one more object adds.
    ///
    /// # Errors
    /// Where it is no calendar object.
    pub(super) fn add(&mut self, object: &[u8]) -> Result<Vec<u8>, String> {
        let components = components(object)?;
        let zones = || components.iter().filter(|component| component.kind == "VTIMEZONE");
        let mut out = Vec::new();
        // Two zones of one name that say different things cannot be in one calendar: another one begins.
        let name = |zone: &Piece| name_of_zone(&object[zone.range.clone()]);
        if zones()
            .any(|zone| self.zones.get(&name(zone)).is_some_and(|known| *known != digest(&object[zone.range.clone()])))
        {
            out.extend(self.end());
        }
        if !self.begun {
            out.extend(HEAD);
            self.begun = true;
        }
        for component in &components {
            let bytes = &object[component.range.clone()];
            if component.kind == "VTIMEZONE" && self.zones.insert(name(component), digest(bytes)).is_some() {
                continue;
            }
            out.extend(bytes);
            if !bytes.ends_with(b"\n") {
                out.extend(b"\r\n");
            }
        }
        Ok(out)
    }

    /// What comes behind the last one. An empty calendar is one too.
    pub(super) fn end(&mut self) -> Vec<u8> {
        let begin = if self.begun { Vec::new() } else { HEAD.to_vec() };
        *self = Self::default();
        [begin, END.to_vec()].concat()
    }
}

/// A component right in a calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Piece {
    kind: String,
    range: Range<usize>,
}

/// The components right in an object.
///
/// # Errors
/// Where it is no calendar object, or nests too deep.
pub(in super::super) fn components(object: &[u8]) -> Result<Vec<Piece>, String> {
    let (mut open, mut found, mut at) = (Vec::new(), Vec::new(), 0);
    for line in object.split_inclusive(|byte| *byte == b'\n') {
        let (from, to) = (at, at + line.len());
        at = to;
        let text =
            String::from_utf8_lossy(line.get(..line.len().min(80)).unwrap_or_default()).trim_end().to_ascii_uppercase();
        if let Some(kind) = text.strip_prefix("BEGIN:") {
            if open.is_empty() && kind != "VCALENDAR" {
                return Err(format!("it begins with {kind}"));
            }
            if open.len() == DEEPEST {
                return Err(format!("it nests more than {DEEPEST} components"));
            }
            open.push((kind.to_owned(), from));
        } else if let Some(kind) = text.strip_prefix("END:") {
            match open.pop() {
                Some((begun, from)) if begun == kind => {
                    if open.len() == 1 {
                        found.push(Piece { kind: begun, range: from..to });
                    }
                }
                _ => return Err(format!("{kind} ends where it has not begun")),
            }
        } else if open.is_empty() && !text.is_empty() {
            return Err("there is text outside of a calendar".to_owned());
        }
    }
    match (open.is_empty(), found.is_empty()) {
        (true, false) => Ok(found),
        (false, _) => Err("it ends in the middle".to_owned()),
        (true, true) => Err("there is nothing in it".to_owned()),
    }
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn name_of_zone(zone: &[u8]) -> String {
    let mut lines = zone.split(|byte| *byte == b'\n').map(|line| String::from_utf8_lossy(line).trim_end().to_owned());
    lines.find(|line| line.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("TZID:"))).unwrap_or_default()
}

/// A card as one of many (RFC 6350 §3.3).
///
/// # Errors
/// Where it is no card.
pub(super) fn card(object: &[u8]) -> Result<Vec<u8>, String> {
    let text = String::from_utf8_lossy(object).trim().to_ascii_uppercase();
    if !text.starts_with("BEGIN:VCARD") || !text.ends_with("END:VCARD") {
        return Err("it is no card".to_owned());
    }
    let end: &[u8] = if object.ends_with(b"\n") { b"" } else { b"\r\n" };
    Ok([object, end].concat())
}

#[cfg(test)]
mod tests {
    use icalendar::parser;

    use super::*;

    fn zone(offset: &str) -> String {
        format!(
            "BEGIN:VTIMEZONE\r\nTZID:Here\r\nBEGIN:STANDARD\r\nTZOFFSETTO:{offset}\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
        )
    }

    fn object(zone: &str, event: &str) -> Vec<u8> {
        format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{zone}{event}END:VCALENDAR\r\n").into_bytes()
    }

    const EVENT: &str = "BEGIN:VEVENT\r\nUID:1\r\nSUMMARY:folded an\r\n d odd\\, \u{fc}\r\nX-ODD;p=\"BEGIN:VEVENT\":v\r\n\
        BEGIN:VALARM\r\nEND:VALARM\r\nEND:VEVENT\r\n";

    #[test]
    fn events_are_kept_byte_by_byte_and_zones_once() {
        let mut merge = Merge::default();
        let two = EVENT.replace("UID:1", "UID:2");
        let mut all = merge.add(&object(&zone("+0100"), EVENT)).unwrap();
        all.extend(merge.add(&object(&zone("+0100"), &two)).unwrap());
        all.extend(merge.end());
        let text = String::from_utf8(all).unwrap();
        assert!(text.contains(EVENT) && text.contains(&two), "{text}");
        assert_eq!(text.matches("BEGIN:VTIMEZONE").count(), 1);
        let unfolded = parser::unfold(&text);
        let read = parser::read_calendar(&unfolded).unwrap();
        assert_eq!(read.components.iter().filter(|part| part.name.as_str() == "VEVENT").count(), 2);
    }

    #[test]
    fn zones_of_one_name_that_differ_are_not_mixed() {
        let mut merge = Merge::default();
        let mut all = merge.add(&object(&zone("+0100"), EVENT)).unwrap();
        all.extend(merge.add(&object(&zone("+0900"), EVENT)).unwrap());
        all.extend(merge.end());
        let text = String::from_utf8(all).unwrap();
        assert_eq!(
            (text.matches("BEGIN:VCALENDAR").count(), text.matches("BEGIN:VTIMEZONE").count()),
            (2, 2),
            "{text}"
        );
    }

    #[test]
    fn what_is_no_calendar_object_is_said() {
        let deep = "BEGIN:VEVENT\r\n".repeat(20);
        for (object, named) in [
            ("BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n".to_owned(), "nothing in it"),
            ("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nEND:VCALENDAR\r\n".to_owned(), "ends where it has not begun"),
            ("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nEND:VEVENT\r\n".to_owned(), "in the middle"),
            ("BEGIN:VEVENT\r\nEND:VEVENT\r\n".to_owned(), "begins with VEVENT"),
            (format!("BEGIN:VCALENDAR\r\n{deep}"), "nests more than 8"),
            ("<html>".to_owned(), "outside of a calendar"),
            (String::new(), "nothing in it"),
        ] {
            assert!(components(object.as_bytes()).unwrap_err().contains(named), "{object}");
        }
        assert_eq!(Merge::default().end(), [HEAD, END].concat());
    }

    #[test]
    fn cards_are_put_together() {
        assert_eq!(card(b"BEGIN:VCARD\r\nFN:x\r\nEND:VCARD").unwrap(), b"BEGIN:VCARD\r\nFN:x\r\nEND:VCARD\r\n");
        assert!(card(b"BEGIN:VCALENDAR").is_err());
    }
}
