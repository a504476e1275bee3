//! What a good file becomes.

use std::time::Duration;

use super::super::{
    AccountSelection, ActionKind, Amount, Anchor, Facet, HrEvent, InputType, Late, Missed, OnFailure, OnUnknown, Param,
    Retry, Selector, Span, SubjectKind, Systems,
};
use super::*;

fn shipped(name: &str) -> Workflow {
    good(super::super::SHIPPED.iter().find(|(known, _)| *known == name).map(|(_, text)| *text).unwrap())
}

#[test]
fn the_departure_reads_as_it_is_written() {
    let departure = shipped("departure");
    assert_eq!(departure.subject, SubjectKind::Person);
    assert_eq!(departure.triggers.event, Some(HrEvent::Departure));
    assert!(departure.triggers.manual && !departure.urgent);
    let last_day = departure.input("last_day").unwrap();
    assert_eq!(
        (last_day.kind, last_day.required, last_day.from.as_deref()),
        (InputType::Date, true, Some("event.effective"))
    );
    assert!(!departure.input("redirect").unwrap().required);
    assert!(!departure.input("retention").unwrap().required);

    let disable = departure.step("disable").unwrap();
    assert_eq!((disable.action, disable.systems.clone()), (ActionKind::AccountDisable, Some(Systems::All)));
    assert_eq!(disable.at.as_ref().unwrap().anchor, Anchor::Input("last_day".into()));
    let reply = departure.step("auto-reply").unwrap();
    assert_eq!(reply.systems, Some(Systems::Facet(Facet::Mail)));
    assert_eq!(reply.until.as_ref().unwrap().text, "last_day + 60 days");
    let delete = departure.step("delete").unwrap();
    assert_eq!(delete.grace, Some(Amount::Literal(Span::parse("30 days").unwrap())));
    assert_eq!(departure.version.len(), 64);
}

#[test]
fn a_silent_step_follows_the_one_above_and_an_empty_list_starts_at_once() {
    let step = |id: &str, after: &str| format!("  - id: {id}\n    action: account.disable\n    systems: all\n{after}");
    let workflow = good(&file(
        &[
            step("a", ""),
            step("b", ""),
            step("c", "    after: []\n"),
            step("d", "    after: a\n"),
            step("e", "    after: [b, c]\n"),
        ]
        .concat(),
    ));
    let after: Vec<Vec<String>> = workflow.steps.iter().map(|step| step.after.clone()).collect();
    assert_eq!(after, [vec![], vec!["a"], vec![], vec!["a"], vec!["b", "c"]]);
    assert_eq!(workflow.steps[1].line, 12);
}

#[test]
fn every_field_of_a_step_is_kept() {
    let workflow = good(&file(
        "  - id: call\n    action: http.request\n    when: inputs.retention\n    delay: 2 business days\n    late: skip\n    retry: { max: 3, backoff: 10 seconds, cap: 5 minutes }\n    timeout: 20s\n    on_failure: continue\n    on_unknown: retry\n    with: { method: POST, url: \"https://example.com/{{ run.id }}\", headers: { X-A: b }, body: { n: 1, list: [\"{{ person.email }}\"] } }\n",
    ));
    let step = &workflow.steps[0];
    assert_eq!(step.late, Late::Skip);
    assert_eq!(step.delay, Some(Amount::Literal(Span::BusinessDays(2))));
    assert_eq!(
        step.retry,
        Some(Retry { max: Some(3), backoff: Duration::from_secs(10), cap: Duration::from_secs(300) })
    );
    assert_eq!((step.on_failure, step.on_unknown), (Some(OnFailure::Continue), Some(OnUnknown::Retry)));
    assert_eq!(step.timeout, Some(Duration::from_secs(20)));
    assert!(step.when.is_some());
    let Some(Param::Map(body)) = step.with.get("body") else { panic!("a mapping") };
    assert!(matches!(&body["n"], Param::Literal(number) if *number == 1));
    assert!(matches!(&body["list"], Param::List(items) if matches!(items[0], Param::Template(_))));
}

#[test]
fn the_nightly_purge_selects_accounts_on_a_schedule() {
    let purge = shipped("grace-purge");
    assert_eq!(purge.subject, SubjectKind::Organisation);
    assert_eq!(purge.for_each, Some(Selector::Accounts(AccountSelection::PurgeDue)));
    let schedule = purge.triggers.schedule.unwrap();
    assert_eq!((schedule.cron.as_str(), schedule.missed), ("15 4 * * *", Missed::Once));
}

#[test]
fn a_schedule_runs_over_a_closed_set_of_accounts_and_people() {
    let selects = |selection: &str| {
        let text = format!(
            "workflow: a\nfor: organisation\non: {{ manual: true }}\nfor_each: {selection}\nsteps:\n  - id: a\n    action: task\n    with: {{ title: x }}\n"
        );
        let workflow = good(&text);
        (workflow.run_subject(), workflow.for_each.unwrap().to_string())
    };
    let account = |words: &str| (SubjectKind::Account, words.to_owned());
    let person = |words: &str| (SubjectKind::Person, words.to_owned());
    assert_eq!(selects("{ accounts: purge_due }"), account("each deleted account past its grace period"));
    assert_eq!(selects("{ accounts: unbound }"), account("each account that is bound to nobody"));
    assert_eq!(selects("{ accounts: disabled }"), account("each disabled account"));
    assert_eq!(
        selects("{ accounts: inactive, for: 90 days }"),
        account("each enabled account where nobody has signed in for 90 days")
    );
    assert_eq!(selects("{ people: starting, within: 2 weeks }"), person("each person who starts within 2 weeks"));
    assert_eq!(selects("{ people: starting_in_7_days }"), selects("{ people: starting, within: 7 days }"));
    assert_eq!(selects("{ people: leaving_in_1_day }"), person("each person who leaves within 1 day"));
    assert_eq!(selects("{ people: active }"), person("each person who is active"));
    assert_eq!(selects("{ people: departed }"), person("each person who has left"));
}

#[test]
fn the_version_is_the_hash_of_the_text() {
    let text = file("  - id: a\n    action: task\n    with: { title: x }\n");
    assert_eq!(good(&text).version, good(&text).version);
    assert_ne!(good(&text).version, good(&text.replace("title: x", "title: y")).version);
    assert_eq!(good(&format!("\u{feff}{text}")).version, good(&text).version);
}

#[test]
fn inputs_check_the_values_they_are_given() {
    let departure = shipped("departure");
    let check = |input: &str, value: &str| departure.input(input).unwrap().check(value);
    assert_eq!(check("retention", "150 days"), Ok(()));
    assert_eq!(check("retention", "3 days").unwrap_err(), "`3 days` is less than the smallest allowed, 120 days");
    assert!(check("last_day", "2027-02-30").is_err());
    assert!(check("last_day", "tomorrow").is_err());
    assert!(check("contact", "ada").is_err());
}

#[test]
fn every_action_of_the_catalogue_can_be_written() {
    for kind in ActionKind::ALL {
        let with = match kind.name() {
            "mail.auto_reply" => "{ subject: a, message: b }",
            "mail.redirect" | "mail.delegate" | "mail.transfer" | "files.transfer" | "calendars.transfer" => {
                "{ to: a@b.c }"
            }
            "product.block" | "product.unblock" => "{ product: mail }",
            "credentials.send" => "{ method: sealed }",
            "groups.add" | "groups.sync" => "{ groups: [staff] }",
            "role.set" | "approval" => "{ role: user }",
            "alias.add" | "alias.remove" => "{ alias: a@b.c }",
            "quota.set" => "{ quota: 5 GB }",
            "password.reset" => "{ method: link }",
            "notify.email" => "{ to: a@b.c, message: b }",
            "http.request" => "{ method: GET, url: \"https://example.com\" }",
            "exec" => "{ program: /bin/true }",
            "task" => "{ title: a }",
            "checklist" => "{ items: [a] }",
            _ => "",
        };
        let with = if with.is_empty() { String::new() } else { format!("    with: {with}\n") };
        let systems = if kind.place() == super::super::Place::House { "" } else { "    systems: all\n" };
        good(&file(&format!("  - id: a\n    action: {kind}\n{systems}{with}")));
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "[a-z:{}\\[\\]\"'|>&*!#%\\- \n]{0,200}") {
        drop(parse("x.yaml", &text));
    }

    #[test]
    fn no_damage_to_a_good_file_makes_the_parser_panic(cut in 0usize..4000, noise in "[:{}\\[\\]\"'&*\t é\n]{0,4}") {
        let text = super::super::SHIPPED[0].1;
        let cut = (0..=cut.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        drop(parse("x.yaml", &format!("{}{noise}{}", &text[..cut], &text[cut..])));
        drop(parse("x.yaml", &text[..cut]));
    }
}
