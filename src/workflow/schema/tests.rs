//! The schema takes what the parser takes, and refuses what it refuses, as far as a schema can tell.

use jsonschema::Validator;

use super::*;
use crate::workflow::yaml::{self, Node, Yaml};
use crate::workflow::{SHIPPED, parse};

fn validator() -> Validator {
    jsonschema::draft202012::new(&schema()).unwrap()
}

/// A file as an editor hands it to the schema.
fn document(text: &str) -> Value {
    fn value(node: &Node) -> Value {
        match &node.value {
            Yaml::Scalar(scalar) => scalar.json(),
            Yaml::List(items) => items.iter().map(value).collect(),
            Yaml::Map(entries) => {
                Value::Object(entries.iter().map(|entry| (entry.key.clone(), value(&entry.value))).collect())
            }
        }
    }
    value(&yaml::load(text).unwrap().0)
}

fn mistakes(validator: &Validator, text: &str) -> Vec<String> {
    let document = document(text);
    validator.iter_errors(&document).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn file(top: &str, steps: &str) -> String {
    format!("workflow: a\n{top}\nsteps:\n{steps}")
}

const TASK: &str = "  - id: a\n    action: task\n    with: { title: x }\n";
const PERSON: &str = "for: person\non: { manual: true }\ninputs: { last_day: { type: date }, wait: { type: duration, default: 9 days } }";

fn step(lines: &str) -> String {
    file(PERSON, &format!("  - id: a\n    {}\n", lines.replace('\n', "\n    ")))
}

fn top(lines: &str) -> String {
    file(lines, TASK)
}

fn input(text: &str) -> String {
    top(&format!("for: person\non: {{ manual: true }}\ninputs: {{ x: {text} }}"))
}

/// Files that both take.
fn right() -> Vec<String> {
    let disable = |more: &str| step(&format!("action: account.disable\nsystems: all\n{more}"));
    let mut files: Vec<String> = SHIPPED.iter().map(|(_, text)| (*text).to_owned()).collect();
    for at in [
        "last_day",
        "last_day 18:00",
        "last_day + 60 days",
        "last_day + 60 days 8:30",
        "start + 2 hours",
        "start",
        "person.start_date - P7D 08:00",
        "inputs.last_day - inputs.wait + 1 week 3 days",
        "last_day + 2 business days 18:00",
    ] {
        files.push(disable(&format!("at: {at}")));
    }
    for more in [
        "delay: 2 business days",
        "delay: P3D",
        "delay: inputs.wait",
        "after: []",
        "retry: { max: forever }",
        "retry: { max: 5, backoff: 30 seconds, cap: 1 hour }",
        "timeout: 5m",
        "when: person.department == 'Sales'",
        "when: true",
        "late: hold",
        "on_failure: continue",
        "until: last_day + 3 days",
        "with: { reason: leave }",
        "with: { reason: \"{{ 'leave' if inputs.wait else 'departure' }}\" }",
    ] {
        files.push(disable(more));
    }
    for one in [
        "action: account.disable\nsystems: [ldap, cloud]",
        "action: account.disable\nsystems: ldap",
        "action: account.delete\nsystems: all\nat: last_day + 90 days\ngrace: 30 days\nlate: hold",
        "action: checklist\nwith: { items: [one, \"{{ person.display_name }}\"], assignee: \"{{ person.manager.email }}\" }",
        "action: mail.redirect\nsystems: mail\nwith: { to: \"{{ person.manager }}\", keep_copy: \"{{ true }}\" }",
        "action: mail.redirect\nsystems: mail\nwith: { to: E-1042, keep_copy: true }",
        "action: mail.auto_reply\nsystems: mail\nwith: { subject: x, template: left-company }",
        "action: quota.set\nsystems: all\nwith: { quota: 5 GB }",
        "action: quota.set\nsystems: all\nwith: { quota: 1024 }",
        "action: groups.add\nsystems: all\nwith: { groups: [a, b] }",
        "action: http.request\nwith: { method: POST, url: \"https://a.example/x\", headers: { x: y }, body: { n: 1 } }",
        "action: approval\nwith: { role: approver, valid: 2 business days, answer_within: 10 days }",
        "action: password.rotate\nsystems: all",
    ] {
        files.push(step(one));
    }
    for one in [
        "{ type: date, from: event.effective, required: true }",
        "{ type: number, default: 5, min: 1, max: 9 }",
        "{ type: choice, choices: [a, 2], default: a }",
        "{ type: text, required_if: person.email }",
        "{ type: boolean, default: true }",
        "{ type: duration, default: 3 days, min: 1 day }",
        "{ type: text, optional: true }",
    ] {
        files.push(input(one));
    }
    for lines in [
        "title: 42\nfor: person\non: { event: departure, manual: false }",
        "for: person\non: { event: changed, fields: [department, role] }",
        "for: organisation\npriority: urgent\non: { schedule: { cron: \"0 6 * * 1-5\", timezone: Europe/Zurich, missed: skip } }",
        "for: organisation\ncalendar: geneva\npolicy: switzerland\ntimezone: Europe/Zurich\non: { manual: true }",
    ] {
        files.push(top(lines));
    }
    for selection in [
        "{ accounts: purge_due }",
        "{ accounts: unbound }",
        "{ accounts: inactive, for: 90 days }",
        "{ people: active }",
        "{ people: starting_in_7_days }",
        "{ people: leaving, within: 2 weeks }",
    ] {
        files.push(top(&format!("for: organisation\non: {{ manual: true }}\nfor_each: {selection}")));
    }
    files
}

/// Files that both refuse.
fn wrong() -> Vec<String> {
    let disable = |more: &str| step(&format!("action: account.disable\nsystems: all\n{more}"));
    let mut files = vec![
        "[]".to_owned(),
        "workflow: a\n".to_owned(),
        file(PERSON, "  []\n"),
        top("for: person"),
        top("for: nobody\non: { manual: true }"),
        top("for: person\non: {}"),
        top("for: person\non: { manual: false }"),
        top("for: person\non: { event: departur }"),
        top("for: person\non: { manual: \"yes\" }"),
        top("for: person\non: { event: departure, fields: [role] }"),
        top("for: person\non: { event: changed, fields: [shoe_size] }"),
        top("for: person\non: { manual: true }\ncolour: red"),
        top("for: organisation\non: { event: departure }"),
        top("for: person\non: { schedule: { cron: \"0 6 * * *\" } }"),
        top("for: organisation\non: { schedule: { timezone: UTC } }"),
        top("for: organisation\non: { schedule: { cron: \"@daily\" } }"),
        top("for: organisation\non: { schedule: { cron: \"0 6 * * *\", missed: never } }"),
        top("for: person\non: { manual: true }\npriority: high"),
        top("for: person\non: { manual: true }\ncalendar: Genf CH"),
        top("for: person\non: { manual: true }\ninputs: []"),
        top("for: person\non: { manual: true }\ntitle: \"\""),
        top("for: person\non: { manual: true }\ninputs: { Bad: { type: text } }"),
        top("for: person\non: { manual: true }\ninputs: { start: { type: text } }"),
        top("for: person\non: { manual: true }\nfor_each: { accounts: purge_due }"),
        top("for: person\non: { manual: true }").replace("workflow: a", "workflow: Bad Name"),
    ];
    for selection in [
        "{ accounts: purge_dew }",
        "{ accounts: inactive }",
        "{ accounts: unbound, for: 9 days }",
        "{ people: starting }",
        "{ people: active, accounts: unbound }",
        "{}",
        "{ people: leaving, within: soon }",
        "{ people: active, within: 9 days }",
    ] {
        files.push(top(&format!("for: organisation\non: {{ manual: true }}\nfor_each: {selection}")));
    }
    for more in [
        "at: last_day 25:00",
        "at: last_day + soon",
        "at: when it suits",
        "at: last_day + -3 days",
        "at: person.birthday",
        "at: [last_day]",
        "delay: 3",
        "delay: -3 days",
        "at: last_day\ndelay: 3 days",
        "late: skp",
        "retry: { max: 0 }",
        "retry: { backoff: 3 seconds }",
        "retry: { max: 3, times: 5 }",
        "on_failure: go",
        "on_unknown: maybe",
        "grace: 3 days",
        "with: { reason: bored }",
        "with: { why: leave }",
        "when: \"{{ inputs.wait }}\"",
        "when: \"\"",
        "timeout: soon",
        "system: all",
        "after: { a: b }",
    ] {
        files.push(disable(more));
    }
    for one in [
        "action: account.disabel\nsystems: all",
        "systems: all",
        "action: mail.archive",
        "action: approval\nsystems: all\nwith: { role: x }",
        "action: task\nsystems: all\nwith: { title: x }",
        "action: mail.archive\nsystems: mail\nuntil: last_day + 3 days",
        "action: account.delete\nsystems: all\nat: last_day + 90 days\nlate: now",
        "action: account.enable\nsystems: all\nwith: { now: true }",
        "action: mail.redirect\nsystems: mail",
        "action: mail.redirect\nsystems: mail\nwith: { reason: x }",
        "action: mail.redirect\nsystems: mail\nwith: { to: nobody@ }",
        "action: mail.redirect\nsystems: mail\nwith: { to: 7 }",
        "action: mail.redirect\nsystems: mail\nwith: { to: a@example.com, keep_copy: perhaps }",
        "action: mail.redirect\nsystems: mail\nwith: { to: a@example.com, reason: 7 }",
        "action: mail.redirect\nsystems: mail\nwith: { to: a@example.com, reason: }",
        "action: mail.auto_reply\nsystems: mail\nwith: { subject: x }",
        "action: mail.auto_reply\nsystems: mail\nwith: { subject: x, template: on-leave, message: b }",
        "action: mail.auto_reply\nsystems: mail\nwith: { subject: x, template: none-such }",
        "action: quota.set\nsystems: all\nwith: { quota: much }",
        "action: quota.set\nsystems: all\nwith: { quota: 0 }",
        "action: groups.add\nsystems: all\nwith: { groups: a }",
        "action: http.request\nwith: { method: FETCH, url: x }",
        "action: account.disable\nsystems: [ldap, mail]",
        "action: account.disable\nsystems: []",
        "action: account.disable\nsystems: { a: b }",
        "action: approval\nwith: { role: x, valid: for ever }",
        "action: approval\nwith: { role: x, answer_within: 5 }",
    ] {
        files.push(step(one));
    }
    for one in [
        "{ type: dat }",
        "{ required: true }",
        "{ type: text, min: 5 }",
        "{ type: choice }",
        "{ type: text, choices: [a] }",
        "{ type: date, from: event.efective }",
        "{ type: date, required: true, optional: true }",
        "{ type: text, required: \"yes\" }",
        "{ type: text, hlep: x }",
        "text",
    ] {
        files.push(input(one));
    }
    files
}

#[test]
fn what_the_parser_takes_raises_no_alarm() {
    let validator = validator();
    for text in right() {
        if let Err(found) = parse("right.yaml", &text) {
            panic!("{}", crate::workflow::diagnostic::render(&found, false));
        }
        assert_eq!(mistakes(&validator, &text), [""; 0], "{text}");
    }
}

#[test]
fn what_the_parser_refuses_the_schema_refuses() {
    let validator = validator();
    for text in wrong() {
        assert!(parse("wrong.yaml", &text).is_err(), "the parser takes this:\n{text}");
        assert!(!mistakes(&validator, &text).is_empty(), "the schema takes this:\n{text}");
    }
}

#[test]
fn what_a_schema_cannot_see_is_left_to_the_parser_and_raises_no_alarm() {
    let validator = validator();
    for text in [
        step("action: account.disable\nsystems: all\nafter: [nobody]"),
        step("action: account.disable\nsystems: all\nwhen: person.nickname"),
        step("action: account.disable\nsystems: all\nat: other_day + 3 days"),
        step("action: account.delete\nsystems: all\nat: last_day"),
        input("{ type: number, min: 5, max: 3 }"),
    ] {
        assert!(parse("unseen.yaml", &text).is_err(), "{text}");
        assert_eq!(mistakes(&validator, &text), [""; 0], "{text}");
    }
}

#[test]
fn it_has_the_keys_of_the_parser_and_every_one_is_described() {
    let schema = schema();
    let keys = |object: &Value| {
        let mut keys: Vec<String> = object["properties"].as_object().unwrap().keys().cloned().collect();
        for (key, value) in object["properties"].as_object().unwrap() {
            assert!(value["description"].is_string(), "`{key}` has no description: {value}");
        }
        keys.sort();
        keys
    };
    let sorted = |keys: &[&str]| {
        let mut keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        keys.sort();
        keys
    };
    assert_eq!(keys(&schema), sorted(&crate::workflow::parse::KEYS));
    assert_eq!(keys(&schema["$defs"]["Step"]), sorted(&crate::workflow::steps::KEYS));
    assert_eq!(keys(&schema["$defs"]["Input"]), sorted(&crate::workflow::inputs::KEYS));
    assert_eq!(keys(&schema["$defs"]["Triggers"]), sorted(&crate::workflow::triggers::KEYS));
    assert_eq!(keys(&schema["$defs"]["Schedule"]), sorted(&crate::workflow::triggers::SCHEDULE_KEYS));
    assert_eq!(keys(&schema["$defs"]["ForEach"]), sorted(&crate::workflow::select::KEYS));
    for kind in ActionKind::ALL {
        let known: Vec<&str> = Params::fields(*kind).iter().map(|field| field.name).collect();
        if !known.is_empty() {
            assert_eq!(keys(&schema["$defs"][kind.name()]), sorted(&known), "{kind}");
        }
    }
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    jsonschema::meta::validate(&schema).unwrap();
}
