//! The JSON Schema of workflow files (draft 2020-12), for editors: completion, hovering, and the mistakes that a schema
//! can see. What needs the file as a whole (names of steps and inputs, cycles, templates) is for `usher check`.
//!
//! [`shapes`] says what stands where; this file adds what depends on the action of a step.

mod shapes;
mod words;

use serde_json::{Map, Value, json};

use super::action::{ActionKind, Place};
use super::messages;
use super::params::Params;

/// A string that is filled in at run time, whatever type it becomes.
const TEMPLATE: &str = r"\{\{";

/// The schema of a workflow file.
pub fn schema() -> Value {
    let mut schema = json!(schemars::schema_for!(shapes::WorkflowFile));
    let mut definitions = Map::new();
    let mut rules = Vec::new();
    for kind in ActionKind::ALL {
        let with = parameters(*kind, &mut definitions);
        if let Some(with) = &with {
            definitions.insert(kind.name().to_owned(), with.clone());
        }
        rules.push(json!({
            "if": { "properties": { "action": { "const": kind.name() } }, "required": ["action"] },
            "then": rule(*kind, with.is_some()),
        }));
    }
    if let Some(known) = schema["$defs"].as_object_mut() {
        known.extend(definitions);
    }
    schema["$defs"]["Step"]["allOf"] = Value::Array(rules);
    schema["title"] = json!("usher workflow");
    schema
}

/// What a step with this action must and must not have.
fn rule(kind: ActionKind, takes_parameters: bool) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    if takes_parameters {
        properties.insert("with".to_owned(), json!({ "$ref": format!("#/$defs/{}", kind.name()) }));
    } else {
        properties.insert("with".to_owned(), Value::Bool(false));
    }
    if Params::fields(kind).iter().any(|field| field.required) || Params::either(kind).is_some() {
        required.push("with");
    }
    match kind.place() {
        Place::House => drop(properties.insert("systems".to_owned(), Value::Bool(false))),
        Place::Account | Place::On(_) | Place::System => required.push("systems"),
    }
    if kind.inverse().is_none() {
        properties.insert("until".to_owned(), Value::Bool(false));
    }
    if kind != ActionKind::AccountDelete {
        properties.insert("grace".to_owned(), Value::Bool(false));
    }
    if kind.is_destructive() {
        properties.insert("late".to_owned(), json!({ "enum": ["skip", "hold"] }));
    }
    let mut rule = json!({ "properties": properties });
    if !required.is_empty() {
        rule["required"] = json!(required);
    }
    rule
}

/// The schema of an action's `with`, as a file writes it: every value may be a template.
fn parameters(kind: ActionKind, definitions: &mut Map<String, Value>) -> Option<Value> {
    let mut with = Params::schema(kind)?.to_value();
    let object = with.as_object_mut()?;
    object.remove("$schema");
    if let Some(Value::Object(own)) = object.remove("$defs") {
        definitions.extend(own);
    }
    object.insert("title".to_owned(), json!(kind.name()));
    object.insert("description".to_owned(), json!(kind.describe()));
    if let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(written);
        if kind == ActionKind::MailAutoReply
            && let Some(template) = properties.get_mut("template")
        {
            *template = json!({ "description": template["description"], "anyOf": [
                { "enum": messages::NAMES }, { "type": "string", "pattern": TEMPLATE } ] });
        }
    }
    if let Some((one, other)) = Params::either(kind) {
        object.insert("oneOf".to_owned(), json!([{ "required": [one] }, { "required": [other] }]));
    }
    Some(with)
}

/// A parameter as a file may write it: never null, and instead of any value a template.
fn written(property: &mut Value) {
    without_null(property);
    let Some(object) = property.as_object_mut() else { return };
    if let Some(items) = object.get_mut("items") {
        written(items);
    }
    let plain = object.get("type").is_some_and(|kind| kind == "string")
        && !["pattern", "enum", "minLength"].iter().any(|limit| object.contains_key(*limit));
    let anything = !["type", "$ref", "anyOf", "oneOf", "enum", "const"].iter().any(|key| object.contains_key(*key));
    if plain || anything {
        return;
    }
    let description = object.remove("description");
    object.remove("default");
    let mut either = json!({ "anyOf": [object, { "type": "string", "pattern": TEMPLATE }] });
    if let Some(description) = description {
        either["description"] = description;
    }
    *property = either;
}

fn without_null(property: &mut Value) {
    let Some(object) = property.as_object_mut() else { return };
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            object.insert("type".to_owned(), one);
        }
    }
    if let Some(Value::Array(ways)) = object.get_mut("anyOf") {
        ways.retain(|way| way.get("type").is_none_or(|kind| kind != "null"));
        if let [Value::Object(one)] = ways.as_slice() {
            let one = one.clone();
            object.remove("anyOf");
            object.extend(one);
        }
    }
}

#[cfg(test)]
mod tests;
