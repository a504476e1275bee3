//! An entry as the directory answers it, and the forms in which directories write ids and times.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use jiff::civil::DateTime;
use ldap3::{ResultEntry, SearchEntry};

use super::settings::Profile;
use crate::connectors::ActionError;

/// One entry. Names of attributes are the same in any case (RFC 4512, 2.5).
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    /// Its name now; may change.
    pub(super) dn: String,
    values: BTreeMap<String, Vec<Vec<u8>>>,
}

impl Entry {
    /// Reads what came over the line. The library panics where that is no entry at all; one odd answer is no reason to
    /// fall over.
    pub(super) fn read(entry: ResultEntry) -> Result<Self, ActionError> {
        let parsed = catch_unwind(AssertUnwindSafe(|| SearchEntry::construct(entry)));
        let parsed = parsed.map_err(|_| ActionError::retry("the directory's answer makes no sense"))?;
        let mut values: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
        let texts = parsed
            .attrs
            .into_iter()
            .map(|(name, values)| (name, values.into_iter().map(String::into_bytes).collect::<Vec<_>>()));
        for (name, more) in texts.chain(parsed.bin_attrs) {
            values.entry(name.to_lowercase()).or_default().extend(more);
        }
        Ok(Self { dn: parsed.dn, values })
    }

    /// An entry with these values.
    #[cfg(test)]
    pub(super) fn sample(dn: &str, values: &[(&str, &str)]) -> Self {
        let values = values.iter().map(|(name, value)| (name.to_lowercase(), vec![value.as_bytes().to_vec()]));
        Self { dn: dn.to_owned(), values: values.collect() }
    }

    /// All values of an attribute that are text.
    pub(super) fn texts(&self, attribute: &str) -> Vec<String> {
        let values = self.values.get(&attribute.to_lowercase()).into_iter().flatten();
        values.filter_map(|value| String::from_utf8(value.clone()).ok()).filter(|text| !text.is_empty()).collect()
    }

    /// The first value that is text.
    pub(super) fn text(&self, attribute: &str) -> Option<String> {
        self.texts(attribute).into_iter().next()
    }

    /// The first value, whatever it is.
    pub(super) fn bytes(&self, attribute: &str) -> Option<&[u8]> {
        self.values.get(&attribute.to_lowercase())?.first().map(Vec::as_slice)
    }

    /// Whether the attribute has this value, in any case.
    pub(super) fn has(&self, attribute: &str, value: &str) -> bool {
        self.texts(attribute).iter().any(|own| own.eq_ignore_ascii_case(value))
    }

    /// Its immutable id, as text.
    pub(super) fn id(&self, profile: Profile) -> Option<String> {
        match profile {
            Profile::OpenLdap | Profile::Ds389 | Profile::Posix | Profile::Lldap => {
                self.text(profile.id()).map(|id| id.to_lowercase())
            }
            Profile::ActiveDirectory => self.bytes(profile.id()).and_then(guid),
        }
    }
}

/// A GUID as people write it: its first three parts are stored with their last byte first (MS-DTYP 2.3.4.2).
fn guid(bytes: &[u8]) -> Option<String> {
    let bytes: [u8; 16] = bytes.try_into().ok()?;
    let hex = hex::encode(swapped(bytes));
    Some([&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"))
}

/// The bytes of an id as people write it; `None` for what is none. 389 Directory Server writes four equal parts.
pub(super) fn id_bytes(profile: Profile, id: &str) -> Option<[u8; 16]> {
    let parts: &[usize] = match profile {
        Profile::OpenLdap | Profile::ActiveDirectory | Profile::Posix | Profile::Lldap => &[8, 4, 4, 4, 12],
        Profile::Ds389 => &[8, 8, 8, 8],
    };
    let groups: Vec<&str> = id.split('-').collect();
    if !groups.iter().map(|group| group.len()).eq(parts.iter().copied()) {
        return None;
    }
    hex::decode(groups.concat()).ok()?.try_into().ok()
}

/// The same bytes in the other order of a GUID.
pub(super) fn swapped([a, b, c, d, e, f, g, h, rest @ ..]: [u8; 16]) -> [u8; 16] {
    let [i, j, k, l, m, n, o, p] = rest;
    [d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p]
}

/// Epoch milliseconds of a GeneralizedTime in UTC (RFC 4517, 3.3.13): `20261122061921Z`, `20261122061921.12Z`.
pub(super) fn generalized(text: &str) -> Option<i64> {
    let whole = text.strip_suffix('Z')?;
    let whole = whole.split_once('.').map_or(whole, |(whole, _)| whole);
    let time = DateTime::strptime("%Y%m%d%H%M%S", whole).ok()?;
    Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

/// Epoch milliseconds of a FILETIME: tenths of microseconds since 1601. Zero, and the far end, mean never.
pub(super) fn filetime(text: &str) -> Option<i64> {
    const SINCE_1601: i64 = 11_644_473_600_000;
    let ticks: i64 = text.parse().ok()?;
    (ticks > 0 && ticks < i64::MAX).then(|| ticks / 10_000 - SINCE_1601)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_and_written_as_people_know_them() {
        let id = "6ea7aa75-d89b-407f-8f4d-8718812679d7";
        let stored = swapped(id_bytes(Profile::ActiveDirectory, id).unwrap());
        assert_eq!(&stored[..8], &[0x75, 0xaa, 0xa7, 0x6e, 0x9b, 0xd8, 0x7f, 0x40]);
        assert_eq!(guid(&stored).unwrap(), id);
        assert_eq!(swapped(stored), id_bytes(Profile::OpenLdap, id).unwrap());
        let own = "25cb5312-e70911f1-8c98ee08-8b2a60a3";
        assert!(id_bytes(Profile::Ds389, own).is_some() && id_bytes(Profile::Ds389, id).is_none());
        assert_eq!(id_bytes(Profile::Posix, own), None, "another server's");
        for wrong in ["", "ada", "6ea7aa75-d89b-407f-8f4d-8718812679d", "*)(uid=*", "6ea7aa75d89b407f8f4d8718812679d7"]
        {
            for profile in Profile::ALL {
                assert_eq!(id_bytes(profile, wrong), None, "{wrong}");
            }
        }
    }

    #[test]
    fn times_of_both_kinds_of_server_are_read() {
        assert_eq!(generalized("19700101000001Z"), Some(1000));
        assert_eq!(generalized("20261122061921.5Z"), generalized("20261122061921Z"));
        assert_eq!((generalized("yesterday"), generalized("20261122061921")), (None, None));
        assert_eq!(filetime("116444736000010000"), Some(1));
        assert_eq!((filetime("0"), filetime("9223372036854775807"), filetime("x")), (None, None, None));
    }
}
