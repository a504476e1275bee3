use serde_json::json;

use super::*;
use crate::run::prepare::{RunFacts, scope};
use crate::run::sample::{ada, ada_herself, day, departure, input, instant, workflow};
use crate::run::subject::Subject;
use crate::workflow::InputType;

fn run_facts() -> RunFacts {
    RunFacts { id: None, workflow: "departure".into(), started: instant("2027-01-04T12:00:00Z") }
}

fn resolve(
    workflow: &Workflow,
    subject: &Subject,
    event: Option<&EventFacts>,
    given: &[(&str, Value)],
) -> Result<Map<String, Value>, Vec<String>> {
    let given = given.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let mut scope = scope(subject, &Map::new(), None, &run_facts());
    resolve_inputs(workflow, &given, event, &mut scope)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

/// One optional input `x` of a kind, given `value`.
fn one(kind: InputType, bounds: (Option<&str>, Option<&str>), value: Value) -> Result<Value, String> {
    let mut declared = input("x", kind);
    (declared.min, declared.max) = (bounds.0.map(str::to_owned), bounds.1.map(str::to_owned));
    declared.choices = vec!["set".into(), "link".into()];
    let workflow = workflow("one", vec![declared], vec![]);
    match resolve(&workflow, &ada(), None, &[("x", value)]) {
        Ok(values) => Ok(values["x"].clone()),
        Err(errors) => Err(errors.join("; ")),
    }
}

#[test]
fn a_departure_takes_its_date_from_hr_and_the_rest_by_default() {
    let event = EventFacts::on(day(2027, 1, 29));
    let values = resolve(&departure(), &ada(), Some(&event), &[]).unwrap();
    let expected = json!({
        "last_day": "2027-01-29", "contact": "charles@example.test",
        "redirect": null, "redirect_reason": null, "retention": "180 days",
    });
    assert_eq!(Value::Object(values), expected);
}

#[test]
fn what_is_given_counts_more_than_what_the_event_says() {
    let event = EventFacts::on(day(2027, 1, 29));
    let values = resolve(&departure(), &ada(), Some(&event), &[("last_day", json!("2027-02-26"))]).unwrap();
    assert_eq!(values["last_day"], "2027-02-26");
}

#[test]
fn a_person_without_a_manager_has_no_contact() {
    let alone = Subject::Person { person: Box::new(ada_herself()), manager: None };
    let values = resolve(&departure(), &alone, None, &[("last_day", json!("2027-01-29"))]).unwrap();
    assert_eq!(values["contact"], Value::Null);
}

#[test]
fn a_redirect_needs_a_reason() {
    let given = [("last_day", json!("2027-01-29")), ("redirect", json!("bob@example.test"))];
    let errors = resolve(&departure(), &ada(), None, &given).unwrap_err();
    assert_eq!(
        errors,
        ["input `redirect_reason` is required because `inputs.redirect` holds; give it with `redirect_reason=…`"]
    );
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let given = [("lastday", json!("2027-01-29")), ("contact", json!("charles")), ("retention", json!("90 days"))];
    let errors = resolve(&departure(), &ada(), None, &given).unwrap_err();
    assert_eq!(
        errors,
        [
            "workflow `departure` has no input `lastday`; did you mean `last_day`?",
            "input `last_day` is required; give it with `last_day=…`",
            "input `contact`: `charles` is not a mail address; write for example `ada@example.com`",
            "input `retention`: `90 days` is shorter than the minimum; give at least `120 days`",
        ]
    );
}

#[test]
fn defaults_may_refer_to_inputs_above() {
    let inputs = vec![
        input("first", InputType::Text).default("{{ person.given_name }}"),
        input("second", InputType::Text).default("{{ inputs.first }}!"),
    ];
    let values = resolve(&workflow("w", inputs, vec![]), &ada(), None, &[]).unwrap();
    assert_eq!(values["second"], "Ada!");
    let early = vec![input("first", InputType::Text).default("{{ inputs.second }}"), input("second", InputType::Text)];
    let errors = resolve(&workflow("w", early, vec![]), &ada(), None, &[]).unwrap_err();
    assert!(errors[0].starts_with("input `first`: its default fails"), "{errors:?}");
}

#[test]
fn dates_must_exist_and_be_near() {
    let date = |text: &str| one(InputType::Date, (None, None), json!(text));
    assert_eq!(date("2028-02-29"), Ok(json!("2028-02-29")));
    let cases = [
        ("2027-02-29", "does not exist: that month has 28 days"),
        ("2027-13-01", "does not exist: a year has 12 months"),
        ("29.01.2027", "is not a date; write for example `2027-01-29`"),
        ("2027-01-29T10:00", "is not a date"),
        ("2327-01-29", "between the years 1900 and 2200"),
        ("２０２７-01-29", "is not a date"),
    ];
    for (text, why) in cases {
        let error = date(text).unwrap_err();
        assert!(error.contains(text) && error.contains(why), "{error}");
    }
}

#[test]
fn mail_addresses_have_a_shape() {
    let email = |text: &str| one(InputType::Email, (None, None), json!(text));
    for good in ["ada@example.test", "ada.l+tag@sub.example.test", "zoë@exämple.test", " ada@example.test "] {
        assert_eq!(email(good), Ok(json!(good.trim())));
    }
    let bad =
        ["ada", "@example.test", "ada@", "a b@example.test", "ada@example", "a@b@c.test", "ada@-x.test", "a..b@x.test"];
    for bad in
        bad.into_iter().chain(["ada@example.test\r\nBcc: eve@x.test", "<ada@example.test>", "ada@x.test,eve@x.test"])
    {
        assert!(email(bad).is_err(), "{bad}");
    }
}

#[test]
fn durations_keep_to_their_bounds() {
    let within = |text: &str| one(InputType::Duration, (Some("120 days"), Some("2 years")), json!(text));
    for good in ["120 days", "4 months", "P120D", "2 years", "90 business days"] {
        assert_eq!(within(good), Ok(json!(good)), "kept as written");
    }
    assert!(within("3 months").unwrap_err().contains("at least `120 days`"));
    assert!(within("2 years 1 day").unwrap_err().contains("at most `2 years`"));
    assert!(within("-200 days").unwrap_err().contains("negative"));
    assert!(within("300 years").unwrap_err().contains("longer than 30 years"));
    assert!(within("soon").unwrap_err().contains("not a span of time"));
}

#[test]
fn numbers_booleans_choices_and_people() {
    let number = |value| one(InputType::Number, (Some("1"), Some("50")), value);
    assert_eq!((number(json!("7")), number(json!(7))), (Ok(json!(7)), Ok(json!(7))));
    assert!(number(json!("51")).unwrap_err().contains("at most 50"));
    assert!(number(json!("0")).unwrap_err().contains("at least 1"));
    assert!(number(json!(1.5)).unwrap_err().contains("whole number"));

    let boolean = |value| one(InputType::Boolean, (None, None), value);
    assert_eq!((boolean(json!("True")), boolean(json!(false))), (Ok(json!(true)), Ok(json!(false))));
    assert_eq!(boolean(json!("yes")).unwrap_err(), "input `x`: `yes` is not `true` or `false`");

    let choice = |text: &str| one(InputType::Choice, (None, None), json!(text));
    assert_eq!(choice("link"), Ok(json!("link")));
    assert!(choice("lnik").unwrap_err().ends_with("did you mean `link`?"));

    let person = |value| one(InputType::Person, (None, None), value);
    assert_eq!((person(json!(1002)), person(json!("1002"))), (Ok(json!("1002")), Ok(json!("1002"))));
    assert_eq!(person(json!({ "employee_number": "1002", "email": null })), Ok(json!("1002")));
}

#[test]
fn text_may_have_lines_but_no_control_characters() {
    let text = |text: &str| one(InputType::Text, (None, None), json!(text));
    assert_eq!(text("two\nlines "), Ok(json!("two\nlines ")));
    assert!(text("nul\0").unwrap_err().contains("control character"));
    assert!(text(&"x".repeat(10_001)).unwrap_err().contains("longer than 10000 bytes"));
    assert_eq!(text("  "), Ok(Value::Null), "blank is absent");
    assert!(one(InputType::Text, (None, None), json!([])).unwrap_err().contains("is not text"));
}
