use super::*;
use crate::run::sample::{account, ada, ada_herself, instant};
use crate::workflow::Template;

fn run_facts() -> RunFacts {
    RunFacts { id: Some("run_1".into()), workflow: "departure".into(), started: instant("2027-01-04T12:00:00Z") }
}

fn template(text: &str) -> Param {
    Param::Template(Template::parse(text).unwrap())
}

fn render_one(text: &str, subject: &Subject) -> Result<Value, TemplateError> {
    let scope = scope(subject, &Map::new(), Some(&account(12, "mailhost")), &run_facts());
    render_params(&BTreeMap::from([("x".to_owned(), template(text))]), &scope).map(|params| params["x"].clone())
}

#[test]
fn templates_see_the_person_the_account_and_the_run() {
    let seen = [
        ("{{ person.display_name }} has left", "Ada Lovelace has left"),
        ("{{ person.start_date }}", "2020-01-06"),
        ("{{ person.status }}", "active"),
        ("{{ person.manager.email }}", "charles@example.test"),
        ("{{ account.id }}", "mailhost-12"),
        ("{{ run.id }} {{ run.workflow }} {{ run.started }}", "run_1 departure 2027-01-04T12:00:00Z"),
    ];
    for (text, expected) in seen {
        assert_eq!(render_one(text, &ada()).unwrap(), expected, "{text}");
    }
}

#[test]
fn nobody_is_null_and_not_an_error() {
    let alone = Subject::Person { person: Box::new(ada_herself()), manager: None };
    assert_eq!(render_one("{{ person.manager.email }}", &alone), Ok(Value::Null));
    assert_eq!(render_one("{{ person.manager }}", &alone), Ok(Value::Null));
    let manager = render_one("{{ person.manager }}", &ada()).unwrap();
    assert_eq!(manager["employee_number"], "1002");
}

#[test]
fn an_unknown_name_is_an_error_that_says_where() {
    let error = render_one("{{ person.shoe_size }}", &ada()).unwrap_err();
    assert!(error.message.starts_with("`with: x`: "), "{error}");
}

#[test]
fn an_account_run_sees_its_account_and_no_person() {
    let subject = Subject::Account(Box::new(account(7, "ldap")));
    let scope = scope(&subject, &Map::new(), None, &run_facts());
    assert_eq!((scope.account["id"].as_str(), scope.person), (Some("ldap-7"), Value::Null));
}

#[test]
fn lists_and_mappings_are_rendered_inside() {
    let nested = Param::Map(BTreeMap::from([("a".to_owned(), Param::List(vec![template("{{ person.given_name }}")]))]));
    let params = BTreeMap::from([("x".to_owned(), nested), ("n".to_owned(), Param::Literal(json!(3)))]);
    let scope = scope(&ada(), &Map::new(), None, &run_facts());
    assert_eq!(Value::Object(render_params(&params, &scope).unwrap()), json!({ "x": { "a": ["Ada"] }, "n": 3 }));
}

fn digest_of(account: Option<&str>, params: Value) -> String {
    let Value::Object(params) = params else { panic!("parameters are a mapping") };
    digest(ActionKind::MailRedirect, account, &params)
}

#[test]
fn the_digest_is_stable() {
    let known = digest_of(Some("u-1"), json!({ "to": "bob@example.test", "keep_copy": true }));
    assert_eq!(known, digest_of(Some("u-1"), json!({ "keep_copy": true, "to": "bob@example.test" })));
    assert_eq!(known, "50bb4d589a28c63940234b29e65501c01951d9775f80a3f386197fefb7470d4b", "as computed outside usher");
}

#[test]
fn different_requests_have_different_digests() {
    let requests = [
        digest_of(None, json!({})),
        digest_of(Some(""), json!({})),
        digest_of(Some("u-1"), json!({})),
        digest_of(Some("u-1"), json!({ "a": "b" })),
        digest_of(Some("u-1"), json!({ "ab": "" })),
        digest_of(Some("u-1"), json!({ "a": ["b", "c"] })),
        digest_of(Some("u-1"), json!({ "a": ["bc"] })),
        digest_of(Some("u-1"), json!({ "a": [["b"], "c"] })),
        digest_of(Some("u-1"), json!({ "a": 1 })),
        digest_of(Some("u-1"), json!({ "a": "1" })),
        digest_of(Some("u-1"), json!({ "a": true })),
        digest_of(Some("u-1"), json!({ "a": null })),
        digest(ActionKind::MailDelegate, Some("u-1"), &Map::new()),
    ];
    let distinct: std::collections::BTreeSet<_> = requests.iter().collect();
    assert_eq!(distinct.len(), requests.len());
}
