//! What a change says, in each of the dialects.

use serde_json::{Map, Value, json};

use super::filter;
use super::settings::Dialect;

/// The message of a PATCH (RFC 7644, 3.5.2).
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// A change of one attribute.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Edit {
    /// It is this, `active` or `name.familyName`.
    Set(&'static str, Value),
    /// It has no value any more.
    Clear(&'static str),
}

/// A change of who is in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seat {
    /// The account comes to it.
    Taken,
    /// The account leaves it.
    Left,
}

/// The body of a PATCH of a resource; never asked for [`Dialect::Put`], which has none.
pub(super) fn patch(dialect: Dialect, edits: &[Edit]) -> Value {
    let operations = match dialect {
        Dialect::Okta => pathless(edits),
        Dialect::Rfc7644 | Dialect::Entra | Dialect::Put => edits.iter().map(|edit| operation(dialect, edit)).collect(),
    };
    message(operations)
}

fn message(operations: Vec<Value>) -> Value {
    json!({ "schemas": [PATCH], "Operations": operations })
}

fn operation(dialect: Dialect, edit: &Edit) -> Value {
    match (dialect, edit) {
        (Dialect::Entra, Edit::Set(path, Value::Bool(flag))) => {
            json!({ "op": "Replace", "path": path, "value": if *flag { "True" } else { "False" } })
        }
        (Dialect::Entra, Edit::Set(path, value)) => json!({ "op": "Replace", "path": path, "value": value }),
        (Dialect::Entra, Edit::Clear(path)) => json!({ "op": "Remove", "path": path }),
        (_, Edit::Set(path, value)) => json!({ "op": "replace", "path": path, "value": value }),
        (_, Edit::Clear(path)) => json!({ "op": "remove", "path": path }),
    }
}

/// One operation for all values; what is to go needs a path in any dialect (RFC 7644, 3.5.2.2).
fn pathless(edits: &[Edit]) -> Vec<Value> {
    let mut together = Value::Object(Map::new());
    let mut operations = Vec::new();
    for edit in edits {
        match edit {
            Edit::Set(path, value) => put(&mut together, path, value.clone()),
            Edit::Clear(_) => operations.push(operation(Dialect::Okta, edit)),
        }
    }
    if together.as_object().is_some_and(|fields| !fields.is_empty()) {
        operations.insert(0, json!({ "op": "replace", "value": together }));
    }
    operations
}

/// The body of a PATCH of a group.
pub(super) fn patch_of_group(dialect: Dialect, seat: Seat, account: &str) -> Value {
    let value = json!([{ "value": account }]);
    let operation = match (dialect, seat) {
        (Dialect::Entra, Seat::Taken) => json!({ "op": "Add", "path": "members", "value": value }),
        (Dialect::Entra, Seat::Left) => json!({ "op": "Remove", "path": "members", "value": value }),
        (_, Seat::Taken) => json!({ "op": "add", "path": "members", "value": value }),
        (_, Seat::Left) => json!({ "op": "remove", "path": filter::member(account) }),
    };
    message(vec![operation])
}

/// The whole resource with the changes in it. What only the provider writes is left out.
pub(super) fn whole(resource: &Value, edits: &[Edit]) -> Value {
    let mut whole = resource.clone();
    for name in ["meta", "groups"] {
        clear(&mut whole, name);
    }
    for edit in edits {
        match edit {
            Edit::Set(path, value) => put(&mut whole, path, value.clone()),
            Edit::Clear(path) => clear(&mut whole, path),
        }
    }
    whole
}

/// The whole group with that change in it.
pub(super) fn whole_group(group: &Value, seat: Seat, account: &str) -> Value {
    let mut whole = whole(group, &[]);
    let name = own_name(&whole, "members");
    let mut members = whole.get(&name).and_then(Value::as_array).cloned().unwrap_or_default();
    members.retain(|member| super::resource::value(member).as_deref() != Some(account));
    if seat == Seat::Taken {
        members.push(json!({ "value": account }));
    }
    if let Some(fields) = whole.as_object_mut() {
        fields.insert(name, Value::Array(members));
    }
    whole
}

fn put(of: &mut Value, path: &str, value: Value) {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let name = own_name(of, first);
    let Some(fields) = of.as_object_mut() else { return };
    match rest {
        None => drop(fields.insert(name, value)),
        Some(rest) => {
            let inner = fields.entry(name).or_insert_with(|| json!({}));
            if !inner.is_object() {
                *inner = json!({});
            }
            put(inner, rest, value);
        }
    }
}

fn clear(of: &mut Value, path: &str) {
    let name = own_name(of, path);
    if let Some(fields) = of.as_object_mut() {
        fields.remove(&name);
    }
}

/// The attribute's name as the provider writes it.
fn own_name(of: &Value, name: &str) -> String {
    let own = of.as_object().and_then(|fields| fields.keys().find(|own| own.eq_ignore_ascii_case(name)));
    own.cloned().unwrap_or_else(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operations(dialect: Dialect, edits: &[Edit]) -> Value {
        let body = patch(dialect, edits);
        assert_eq!(body["schemas"], json!([PATCH]));
        body["Operations"].clone()
    }

    #[test]
    fn each_dialect_says_the_same_in_its_own_words() {
        let edits =
            [Edit::Set("active", json!(false)), Edit::Set("name.familyName", json!("Meier")), Edit::Clear("roles")];
        assert_eq!(
            operations(Dialect::Rfc7644, &edits),
            json!([{ "op": "replace", "path": "active", "value": false },
                { "op": "replace", "path": "name.familyName", "value": "Meier" }, { "op": "remove", "path": "roles" }])
        );
        assert_eq!(
            operations(Dialect::Entra, &edits),
            json!([{ "op": "Replace", "path": "active", "value": "False" },
                { "op": "Replace", "path": "name.familyName", "value": "Meier" }, { "op": "Remove", "path": "roles" }])
        );
        assert_eq!(
            operations(Dialect::Okta, &edits),
            json!([{ "op": "replace", "value": { "active": false, "name": { "familyName": "Meier" } } },
                { "op": "remove", "path": "roles" }])
        );
        assert_eq!(operations(Dialect::Okta, &edits[2..]), json!([{ "op": "remove", "path": "roles" }]));
        let resource = json!({ "id": "7", "Active": true, "name": { "givenName": "Ada", "familyName": "Keller" },
            "roles": [{ "value": "x" }], "groups": [{ "value": "g" }], "meta": { "version": "1" }, "title": "Dr" });
        assert_eq!(
            whole(&resource, &edits),
            json!({ "id": "7", "Active": false, "name": { "givenName": "Ada", "familyName": "Meier" }, "title": "Dr" })
        );
    }

    #[test]
    fn a_seat_is_taken_and_left_in_each_dialect() {
        let said = |dialect, seat| patch_of_group(dialect, seat, "a\"b")["Operations"][0].clone();
        let value = json!([{ "value": "a\"b" }]);
        for dialect in [Dialect::Rfc7644, Dialect::Okta] {
            assert_eq!(said(dialect, Seat::Taken), json!({ "op": "add", "path": "members", "value": value }));
            assert_eq!(said(dialect, Seat::Left), json!({ "op": "remove", "path": r#"members[value eq "a\"b"]"# }));
        }
        assert_eq!(said(Dialect::Entra, Seat::Left), json!({ "op": "Remove", "path": "members", "value": value }));
        let group = json!({ "id": "g", "meta": {}, "members": [{ "value": "one" }, { "value": "two" }] });
        assert_eq!(whole_group(&group, Seat::Left, "one"), json!({ "id": "g", "members": [{ "value": "two" }] }));
        let taken = json!({ "id": "g", "members": [{ "value": "one" }, { "value": "two" }, { "value": "three" }] });
        assert_eq!(whole_group(&group, Seat::Taken, "three"), taken);
        assert_eq!(whole_group(&taken, Seat::Taken, "three"), taken, "nobody sits on two chairs");
    }
}
