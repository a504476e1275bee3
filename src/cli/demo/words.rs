//! What changed on an account, in words.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::counted::counted;
use crate::connectors::sandbox::Difference;

/// The most of a value that is shown as it is.
const MOST_SHOWN: usize = 60;

/// The changes of one account as sentences without a subject. `name` knows accounts of the same system by their ids.
pub(super) fn sentences(changes: &[&Difference], name: impl Fn(&str) -> String) -> Vec<String> {
    let mut found = Vec::new();
    let mut grouped: BTreeMap<(&str, &str), BTreeMap<&str, &Value>> = BTreeMap::new();
    for change in changes {
        match group(&change.field) {
            Some((group, of, field)) if change.before.is_null() => {
                grouped.entry((group, of)).or_default().insert(field, &change.after);
            }
            _ => found.push(plain(change)),
        }
    }
    found.extend(grouped.into_iter().map(|((group, of), fields)| {
        let number = |field: &str| fields.get(field).and_then(|value| value.as_u64()).unwrap_or(0);
        let bytes = size(number("bytes"));
        match group {
            "folder" => format!("has the folder “{of}” with {} ({bytes})", counted(number("mails"), "mail", "mails")),
            _ => format!("received {} from {} ({bytes})", counted(number("count"), "file", "files"), name(of)),
        }
    }));
    found
}

/// `mailbox.folders.From Ada Keller.bytes` belongs to the folder `From Ada Keller`, `files.received.f-0005.count` to
/// what came from `f-0005`.
fn group(field: &str) -> Option<(&'static str, &str, &str)> {
    let of = |prefix: &str| field.strip_prefix(prefix)?.rsplit_once('.');
    let folder = of("mailbox.folders.").map(|(of, field)| ("folder", of, field));
    folder.or_else(|| of("files.received.").map(|(of, field)| ("received", of, field)))
}

fn plain(change: &Difference) -> String {
    match (change.field.as_str(), &change.before, &change.after) {
        ("account", _, Value::Null) => "is purged: the account is gone".to_owned(),
        ("account", ..) => "is a new account".to_owned(),
        ("status", before, after) => format!("was {}, is {}", shown(before), shown(after)),
        ("calendars.calendars", Value::Array(before), Value::Array(after)) if after.len() > before.len() => {
            format!("has {}", more(after.len() - before.len()))
        }
        ("calendars.calendars", Value::Null, Value::Array(after)) => format!("has {}", more(after.len())),
        (field, before, after) => format!("{field}: {} → {}", shown(before), shown(after)),
    }
}

fn more(count: usize) -> String {
    counted(count, "calendar more", "calendars more")
}

fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null => return "nothing".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if text.chars().count() <= MOST_SHOWN {
        return text;
    }
    format!("{}…", text.chars().take(MOST_SHOWN).collect::<String>())
}

/// `1.9 GB`, in decimal units.
fn size(bytes: u64) -> String {
    let units = [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match units.into_iter().find(|(factor, _)| bytes >= *factor) {
        Some((factor, unit)) => format!("{}.{} {unit}", bytes / factor, bytes % factor * 10 / factor),
        None => counted(bytes, "byte", "bytes"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(changes: &[(&str, Value, Value)]) -> Vec<String> {
        let change = |(field, before, after): &(&str, Value, Value)| Difference {
            system: "files".into(),
            account: Some("f-1".into()),
            field: (*field).to_owned(),
            before: before.clone(),
            after: after.clone(),
        };
        let changes: Vec<Difference> = changes.iter().map(change).collect();
        sentences(&changes.iter().collect::<Vec<_>>(), |id| format!("the holder of {id}"))
    }

    #[test]
    fn what_belongs_together_is_one_sentence() {
        let changes = [
            ("mailbox.folders.From J. R. Weiß.bytes", json!(null), json!(1_900_000_000_u64)),
            ("mailbox.folders.From J. R. Weiß.from", json!(null), json!("m-0005")),
            ("mailbox.folders.From J. R. Weiß.mails", json!(null), json!(14238)),
            ("files.received.f-0005.bytes", json!(null), json!(999)),
            ("files.received.f-0005.count", json!(null), json!(3)),
        ];
        let expected = [
            "has the folder “From J. R. Weiß” with 14238 mails (1.9 GB)",
            "received 3 files from the holder of f-0005 (999 bytes)",
        ];
        assert_eq!(told(&changes), expected);
    }

    #[test]
    fn calendars_are_counted_and_the_rest_is_said_as_it_is() {
        let calendar = json!({ "name": "Team" });
        let (one, three) = (json!([calendar]), json!([calendar, calendar, calendar]));
        assert_eq!(told(&[("calendars.calendars", one.clone(), three)]), ["has 2 calendars more"]);
        assert_eq!(told(&[("calendars.calendars", json!(null), one)]), ["has 1 calendar more"]);
        assert_eq!(told(&[("status", json!("enabled"), json!("disabled"))]), ["was enabled, is disabled"]);
        assert_eq!(told(&[("account", json!("there"), json!(null))]), ["is purged: the account is gone"]);
        assert_eq!(told(&[("role", json!(null), json!("x".repeat(99)))])[0].chars().count(), 60 + 17);
    }
}
