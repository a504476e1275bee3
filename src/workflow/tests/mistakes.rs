//! Each rule, broken once: the message, the place, the way out.

use super::super::{Known, check_all, check_names};
use super::*;

#[track_caller]
fn at(found: &Diagnostic, line: usize, column: usize) {
    assert_eq!((found.line, found.column), (line, column), "{}", found.render(false));
}

#[track_caller]
fn says(found: &Diagnostic, message: &str, help: &str) {
    assert!(found.message.contains(message), "{}", found.render(false));
    assert!(found.suggestion.as_deref().unwrap_or_default().contains(help), "{}", found.render(false));
}

#[test]
fn an_unknown_action_names_the_nearest() {
    let found = mistake(&file("  - id: a\n    action: account.disabel\n    systems: all\n"));
    assert_eq!(found.message, "unknown action `account.disabel`, did you mean `account.disable`?");
    assert_eq!(found.suggestion.as_deref(), Some("replace it with `account.disable`"));
    assert_eq!(found.source_line, "    action: account.disabel");
    at(&found, 10, 13);
    assert_eq!(found.width, 15);
}

#[test]
fn every_mistake_is_reported_at_once_in_file_order() {
    let found = mistakes(
        "workflow: Bad Name\nfor: persn\non: { manual: perhaps, evnt: departure }\ncolour: red\nsteps:\n  - id: a\n    action: account.disable\n  - action: exec\n",
    );
    let codes: Vec<&str> = found.iter().map(|found| found.code.as_str()).collect();
    assert_eq!(codes, ["name", "unknown-word", "wrong-type", "unknown-key", "unknown-key", "systems", "missing-key"]);
    assert!(found.is_sorted_by_key(|found| (found.line, found.column)));
}

#[test]
fn an_unknown_key_of_a_step_names_the_nearest() {
    let found = mistake(&file("  - id: a\n    action: account.disable\n    system: all\n    systems: all\n"));
    assert_eq!(found.message, "unknown key `system` in a step, did you mean `systems`?");
    at(&found, 11, 5);
}

#[test]
fn a_duplicate_key_and_a_duplicate_step_name_the_first() {
    let found =
        mistake(&file("  - id: a\n    action: account.disable\n    systems: all\n    action: account.enable\n"));
    says(&found, "`action` appears twice", "line 10");
    let step = "  - id: a\n    action: account.disable\n    systems: all\n";
    let found = mistake(&file(&format!("{step}{step}").replacen("all\n  - id: a", "all\n  - id: a\n    after: []", 1)));
    says(&found, "a second step is called `a`", "line 9");
}

#[test]
fn an_unknown_step_names_the_nearest() {
    let found = mistake(&file(
        "  - id: disable\n    action: account.disable\n    systems: all\n  - id: b\n    action: sessions.revoke\n    systems: all\n    after: [disble]\n",
    ));
    assert_eq!(found.message, "unknown step `disble`, did you mean `disable`?");
    at(&found, 15, 13);
}

#[test]
fn a_cycle_is_told_step_by_step() {
    let step = |id: &str, after: &str| {
        format!("  - id: {id}\n    action: account.disable\n    systems: all\n    after: {after}\n")
    };
    let found = mistake(&file(&[step("a", "c"), step("b", "a"), step("c", "b"), step("d", "[]")].concat()));
    assert_eq!(found.message, "these steps wait for each other: `a` waits for `c` waits for `b` waits for `a`");
    assert_eq!(found.code, "cycle");
    let found = mistake(&file(&step("a", "a")));
    says(&found, "`a` waits for itself", "after: []");
    at(&found, 12, 12);
}

#[test]
fn an_action_on_accounts_needs_systems_and_one_in_the_house_takes_none() {
    let found = mistake(&file("  - id: a\n    action: mail.archive\n"));
    says(&found, "`mail.archive` needs `systems`", "systems: mail");
    let found = mistake(&file("  - id: a\n    action: approval\n    systems: all\n    with: { role: approver }\n"));
    says(&found, "`approval` takes place on no system", "leave `systems` out");
    at(&found, 11, 5);
    let found = mistake(&file("  - id: a\n    action: task\n    systems: all\n    with: { title: Collect the key }\n"));
    says(&found, "`task` takes place on no system", "leave `systems` out");
}

#[test]
fn all_and_capabilities_do_not_stand_in_a_list() {
    let found = mistake(&file("  - id: a\n    action: account.disable\n    systems: [ldap, mail]\n"));
    says(&found, "`mail` is not the name of a system", "systems: mail");
    at(&found, 11, 21);
}

#[test]
fn a_system_that_is_not_configured_names_the_nearest_name_or_capability() {
    let text = file(
        "  - id: a\n    action: account.disable\n    systems: mailz\n  - id: b\n    action: account.disable\n    systems: [ldap, nextclud]\n",
    );
    let known = Known { systems: vec!["ldap", "nextcloud"], ..Known::default() };
    let found = check_names("test.yaml", &good(&text), &known);
    assert_eq!(found[0].message, "unknown system `mailz`, did you mean `mail`?");
    at(&found[0], 11, 14);
    assert_eq!(found[1].message, "unknown system `nextclud`, did you mean `nextcloud`?");
    at(&found[1], 14, 21);
    assert_eq!(found.len(), 2);
}

#[test]
fn a_calendar_and_a_policy_are_those_of_the_configuration() {
    let text = file("  - id: a\n    action: account.disable\n    systems: all\n    at: last_day\n")
        .replace("title: A test", "calendar: genva\npolicy: belgium");
    let known = Known { calendars: vec!["geneva"], ..Known::default() };
    let found = check_names("test.yaml", &good(&text), &known);
    assert_eq!(found[0].message, "unknown calendar `genva`, did you mean `geneva`?");
    at(&found[0], 2, 11);
    says(&found[1], "unknown policy `belgium`: the configuration has none", "[policies.belgium]");
    let known = Known { calendars: vec!["genva"], policies: vec!["belgium"], ..Known::default() };
    assert!(check_names("test.yaml", &good(&text), &known).is_empty());
    says(&mistake(&text.replace("genva", "Genf CH")), "cannot be the name of a calendar", "hyphens");
}

#[test]
fn only_what_can_be_taken_back_takes_until() {
    let found =
        mistake(&file("  - id: a\n    action: mail.archive\n    systems: mail\n    until: last_day + 3 days\n"));
    says(&found, "`mail.archive` has nothing that takes it back", "mail.auto_reply");
    at(&found, 12, 5);
}

#[test]
fn until_lies_behind_at() {
    let found = mistake(&file(
        "  - id: a\n    action: account.disable\n    systems: all\n    at: last_day + 9 days\n    until: last_day + 3 days\n",
    ));
    says(&found, "`last_day + 3 days` is not after `last_day + 9 days`", "behind");
}

#[test]
fn grace_belongs_to_delete_and_delay_excludes_at() {
    let found = mistake(&file("  - id: a\n    action: account.disable\n    systems: all\n    grace: 3 days\n"));
    says(&found, "`grace` belongs to `account.delete`", "leave it out");
    let found = mistake(&file(
        "  - id: a\n    action: account.disable\n    systems: all\n    at: last_day\n    delay: 3 days\n",
    ));
    says(&found, "`at` or `delay`, not both", "");
}

#[test]
fn instants_count_from_known_dates_and_durations() {
    let step = |at: &str| file(&format!("  - id: a\n    action: account.disable\n    systems: all\n    at: {at}\n"));
    let found = mistake(&step("last_dy + 3 days"));
    assert_eq!(found.message, "unknown input `last_dy`, did you mean `last_day`?");
    at(&found, 12, 9);
    let found = mistake(&step("last_day + inputs.retentoin"));
    assert_eq!(found.message, "unknown input `retentoin`, did you mean `retention`?");
    at(&found, 12, 20);
    says(&mistake(&step("retention + 3 days")), "a date is needed here", "last_day");
    says(&mistake(&step("person.birthday")), "unknown date of a person `birthday`", "start_date");
    says(&mistake(&step("last_day + soon")), "not a span", "last_day + 60 days");
    says(&mistake(&step("last_day 25:00")), "not a time of day", "");
}

#[test]
fn zero_negative_and_absurd_spans_are_refused() {
    let step = |line: &str| file(&format!("  - id: a\n    action: account.disable\n    systems: all\n    {line}\n"));
    says(&mistake(&step("delay: 0 days")), "`0 days` has no length", "leave it out");
    says(&mistake(&step("delay: -3 days")), "negative", "");
    says(&mistake(&step("at: last_day + 300 years")), "longer than 30 years", "check the unit");
    says(&mistake(&step("timeout: 0 seconds")), "from 1 second to 1 day", "30 seconds");
    says(&mistake(&step("timeout: 2 months")), "from 1 second to 1 day", "");
}

#[test]
fn destructive_steps_wait() {
    let step = |lines: &str| file(&format!("  - id: a\n    action: account.delete\n    systems: all\n{lines}"));
    for at in ["last_day", "last_day 18:00", "last_day - 3 days", "start", "last_day + inputs.retention - 200 days"] {
        says(&mistake(&step(&format!("    at: {at}\n"))), "can be no wait at all", "min");
    }
    good(&step("    at: last_day + inputs.retention - 100 days\n    grace: 30 days\n"));
    says(&mistake(&step("    grace: 0 days\n")), "has no length", "");
    says(&mistake(&step("    late: now\n")), "never run at once", "late: hold");
    let unbounded = step("    grace: inputs.retention\n").replace("180 days, min: 120 days", "0 days");
    says(&mistake(&unbounded), "`grace` of `account.delete` can be no wait at all", "min");
}

#[test]
fn words_of_a_closed_set_name_the_nearest() {
    let step = |line: &str| file(&format!("  - id: a\n    action: account.disable\n    systems: all\n    {line}\n"));
    says(&mistake(&step("late: skp")), "did you mean `skip`?", "");
    says(&mistake(&step("on_failure: go")), "unknown word for `on_failure` `go`", "hold, continue");
    says(&mistake(&step("retry: { max: 0 }")), "not a number of attempts", "forever");
    says(&mistake(&step("retry: { backoff: 3 seconds }")), "`retry` needs `max`", "max: 5");
    says(&mistake(&step("retry: { max: 3, backoff: 2 hours, cap: 1 minute }")), "shorter than `backoff`", "swap");
}

#[test]
fn parameters_have_known_keys_and_types() {
    let step = |action: &str, with: &str| {
        file(&format!(
            "  - id: a\n    action: {action}\n    systems: mail\n    until: last_day + 3 days\n    with: {with}\n"
        ))
    };
    let found = mistake(&step("mail.redirect", "{ to: a@example.com, keep_cop: true }"));
    assert_eq!(found.message, "unknown key `keep_cop` in `mail.redirect`, did you mean `keep_copy`?");
    at(&found, 13, 32);
    let found = mistake(&step("mail.redirect", "{ to: a@example.com, keep_copy: perhaps }"));
    says(&found, "`keep_copy` of `mail.redirect` does not fit", "");
    let found = mistake(&step("mail.redirect", "{ to: nobody@ }"));
    says(&found, "`nobody@` is neither a mail address", "");
    at(&found, 13, 17);
    says(&mistake(&step("mail.redirect", "{ reason: x }")), "`mail.redirect` needs `to`", "with: { to: … }");
    says(&mistake(&step("mail.auto_reply", "{ subject: x }")), "needs `template` or `message`", "");
    says(&mistake(&step("mail.auto_reply", "{ subject: x, template: on-leave, message: b }")), "not both", "");
    says(&mistake(&step("account.enable", "{ now: true }")), "takes no parameters", "leave `with` out");
}

#[test]
fn unknown_names_in_templates_and_conditions_are_mistakes_with_their_place() {
    let found = mistakes(&file(
        "  - id: a\n    action: mail.redirect\n    systems: mail\n    when: inputs.retenton\n    with: { to: \"{{ person.manager.emial }}\" }\n",
    ));
    assert_eq!(found[0].message, "unknown variable `inputs.retenton`, did you mean `inputs.retention`?");
    at(&found[0], 12, 11);
    assert_eq!(found[1].message, "unknown variable `person.manager.emial`, did you mean `person.manager.email`?");
    at(&found[1], 13, 21);
}

#[test]
fn a_person_is_unknown_where_the_run_is_about_the_organisation() {
    let found = mistake(
        "workflow: a\nfor: organisation\non: { manual: true }\nsteps:\n  - id: a\n    action: notify.email\n    with: { to: \"{{ person.email }}\", message: hi }\n",
    );
    says(&found, "there is no person at this place", "");
}

#[test]
fn inputs_are_checked_against_their_type() {
    let input = |input: &str| {
        format!(
            "workflow: a\nfor: person\non: {{ manual: true }}\ninputs:\n  x: {input}\nsteps:\n  - id: a\n    action: account.disable\n    systems: all\n"
        )
    };
    says(&mistake(&input("{ type: dat }")), "unknown type of input `dat`, did you mean `date`?", "");
    says(&mistake(&input("{ required: true }")), "input `x` has no `type`", "date, email");
    says(&mistake(&input("{ type: date, default: 2027-02-30 }")), "not a date of the calendar", "");
    says(&mistake(&input("{ type: duration, default: 300 years }")), "longer than 30 years", "");
    says(&mistake(&input("{ type: duration, default: 3 days, min: 5 days }")), "less than the smallest allowed", "");
    says(&mistake(&input("{ type: number, min: 5, max: 3 }")), "`min` above its `max`", "swap");
    says(&mistake(&input("{ type: text, min: 5 }")), "for durations and numbers", "leave it out");
    says(&mistake(&input("{ type: choice }")), "`choices` belongs to `type: choice`", "");
    says(&mistake(&input("{ type: choice, choices: [a, b], default: c }")), "not one of a, b", "");
    says(&mistake(&input("{ type: email, default: nobody }")), "not a mail address", "");
    says(&mistake(&input("{ type: date, from: event.efective }")), "did you mean `event.effective`?", "");
    says(&mistake(&input("{ type: date, required: true, optional: true }")), "both required and optional", "");
    says(&mistake(&input("{ type: text, default: \"{{ inputs.y }}\" }")), "unknown variable `inputs.y`", "");
    says(&mistake(&input("{ type: text }").replace("  x:", "  start:")), "`start` cannot be the name", "start_day");
}

#[test]
fn triggers_fit_what_the_workflow_is_about() {
    let text =
        |lines: &str| format!("workflow: a\n{lines}\nsteps:\n  - id: a\n    action: task\n    with: {{ title: x }}\n");
    says(&mistake(&text("for: person")), "nothing starts this workflow", "manual: true");
    says(
        &mistake(&text("for: person\non: { event: departur }")),
        "unknown event `departur`, did you mean `departure`?",
        "",
    );
    says(
        &mistake(&text("for: organisation\non: { event: departure }")),
        "an HR event is about a person",
        "for: person",
    );
    says(
        &mistake(&text("for: person\non: { schedule: { cron: \"0 6 * * *\" } }")),
        "a schedule names no person",
        "for_each",
    );
    says(
        &mistake(&text("for: person\non: { manual: true }\nfor_each: { accounts: purge_due }")),
        "needs `for: organisation`",
        "",
    );
    says(
        &mistake(&text("for: organisation\non: { manual: true }\nfor_each: { accounts: purge_dew }")),
        "did you mean `purge_due`?",
        "",
    );
    let each =
        |selection: &str| mistake(&text(&format!("for: organisation\non: {{ manual: true }}\nfor_each: {selection}")));
    says(&each("{ accounts: inactive }"), "`inactive` needs `for`", "for: 90 days");
    says(&each("{ accounts: inactive, for: soon }"), "not a span", "7 days");
    says(&each("{ accounts: inactive, for: 3 business days }"), "is no length for `for`", "2 weeks");
    says(&each("{ accounts: unbound, for: 90 days }"), "`unbound` takes no `for`", "accounts: inactive");
    says(&each("{ people: leaving }"), "`leaving` needs `within`", "within: 7 days");
    says(&each("{ people: starting_in_7_days, within: 7 days }"), "takes no `within`", "people: starting");
    says(&each("{ people: starting_in_900_days }"), "unknown selection of people", "starting_in_7_days");
    says(&each("{ people: active, accounts: unbound }"), "either accounts or people", "within: 7 days");
}

#[test]
fn schedules_and_zones_are_checked() {
    let text = |schedule: &str| {
        format!(
            "workflow: a\nfor: organisation\non: {{ schedule: {{ {schedule} }} }}\nsteps:\n  - id: a\n    action: task\n    with: {{ title: x }}\n"
        )
    };
    let found = mistake(&text("cron: \"0 0 6 * * *\""));
    says(&found, "has five fields", "minute hour day month weekday");
    at(&found, 3, 25);
    says(&mistake(&text("cron: \"0 6 * * *\", timezone: Europe/Zurch")), "did you mean `Europe/Zurich`?", "");
    says(&mistake(&text("timezone: UTC")), "`schedule` has no `cron`", "");
    let zone = file("  - id: a\n    action: task\n    with: { title: x }\n")
        .replace("steps:", "timezone: Mars/Olympus\nsteps:");
    says(&mistake(&zone), "unknown time zone `Mars/Olympus`", "Europe/Zurich");
}

#[test]
fn files_that_are_no_workflows_are_refused() {
    assert_eq!(mistake("").code, "empty");
    says(&mistake("- a\n- b\n"), "a workflow must be a mapping, not a list", "workflow, title");
    assert_eq!(mistake("a: &x 1\nb: *x\n").code, "alias");
    assert_eq!(mistake("workflow: [").code, "syntax");
    let names: Vec<String> = mistakes("{}").into_iter().map(|found| found.message).collect();
    assert!(names.iter().any(|message| message.contains("no name")), "{names:?}");
}

#[test]
fn literals_of_the_wrong_type_say_when_quotes_are_missing() {
    let step = |with: &str| file(&format!("  - id: a\n    action: approval\n    with: {with}\n"));
    says(&mistake(&step("{ role: approver, confirm: 2027 }")), "expected a string", "confirm: \"2027\"");
    says(&mistake(&step("{ role: approver, valid: 0 days }")), "has no length", "");
    says(&mistake(&step("{ role: approver, valid: 300 years }")), "longer than 30 years", "");
}

#[test]
fn hostile_files_are_refused_soon_and_briefly() {
    let many = |piece: &dyn Fn(usize) -> String, count: usize| (0..count).map(piece).collect::<String>();
    let good = "workflow: a\nfor: person\non: { manual: true }\n";
    let hostile = [
        many(&|n| format!("k{n}: x\n"), 25_000),
        format!("{{{}}}", many(&|n| format!("k{n}: x, "), 22_000)),
        many(&|_| "a: 1\n".to_owned(), 50_000),
        format!("{good}inputs:\n{}", many(&|n| format!("  i{n}: {{ type: text }}\n"), 9_000)),
        format!("{good}steps:\n{}", many(&|n| format!("  - id: s{n}\n"), 15_000)),
        format!(
            "{good}steps:\n  - id: a\n    action: task\n    with: {{ title: \"{{{{ {} }}}}\" }}\n",
            "(".repeat(16_000)
        ),
        format!("{good}steps:\n  - id: a\n    action: task\n    after: [{}]\n", many(&|n| format!("x{n}, "), 30_000)),
        format!("{good}steps:\n  - id: a\n    action: task\n    when: {}\n", "not ".repeat(4_000)),
        "? ".repeat(100_000),
        "\"".repeat(200_001),
        "x".repeat(250_000),
        format!("a: {}", "'".repeat(200_000)),
    ];
    let begun = std::time::Instant::now();
    for text in &hostile {
        let found = mistakes(text);
        assert!((1..=100).contains(&found.len()), "{}", found.len());
    }
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

#[test]
fn two_files_with_one_name_are_a_mistake_of_the_second() {
    let text = "workflow: test\nfor: person\non: { manual: true }\nsteps:\n  - id: a\n    action: task\n    with: { title: x }\n";
    let checked = check_all([("one.yaml", text), ("two.yaml", text), ("three.yaml", "")]);
    assert_eq!(checked.workflows.len(), 1);
    says(&checked.diagnostics[0], "a second workflow is called `test`", "one.yaml");
    assert_eq!((checked.diagnostics[0].file.as_str(), checked.diagnostics[0].column), ("two.yaml", 11));
    assert_eq!(checked.diagnostics[1].file, "three.yaml");
}

#[test]
fn a_reply_names_a_text_that_there_is() {
    let text = "workflow: reply\ntitle: x\nfor: person\non: { manual: true }\nsteps:\n  - id: reply\n    action: mail.auto_reply\n    systems: mail\n    until: start + 30 days\n    with: { subject: x, template: left-compny }\n";
    let mistakes = crate::workflow::parse("test.yaml", text).unwrap_err();
    assert_eq!((mistakes.len(), mistakes[0].code.as_str(), mistakes[0].line), (1, "unknown-template", 10));
    assert_eq!(mistakes[0].suggestion.as_deref(), Some("did you mean `left-company`?"));
}
