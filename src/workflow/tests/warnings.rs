//! What is allowed but probably not meant, and what takes the warning away.

use super::*;

/// The warnings, but for those about inputs that these short files do not use.
#[track_caller]
fn warnings(text: &str) -> Vec<Diagnostic> {
    super::warnings(text).into_iter().filter(|found| found.code != "unused-input").collect()
}

#[track_caller]
fn warns(text: &str, message: &str) {
    let found = warnings(text);
    assert_eq!(found.len(), 1, "{}", super::super::diagnostic::render(&found, false));
    assert!(found[0].message.contains(message), "{}", found[0].render(false));
    assert!(found[0].suggestion.is_some());
}

#[track_caller]
fn silent(text: &str) {
    let found = warnings(text);
    assert!(found.is_empty(), "{}", super::super::diagnostic::render(&found, false));
}

fn step(id: &str, action: &str, systems: &str, more: &str) -> String {
    format!("  - id: {id}\n    action: {action}\n    systems: {systems}\n{more}")
}

#[test]
fn sessions_revoked_before_the_account_is_disabled() {
    let sessions = |after: &str| step("sessions", "sessions.revoke", "all", after);
    let disable = step("disable", "account.disable", "all", "");
    warns(&file(&[sessions(""), disable.clone()].concat()), "before the account is disabled");
    warns(&file(&[disable.clone(), sessions("    after: []\n")].concat()), "before the account is disabled");
    silent(&file(&[disable, sessions("")].concat()));
    silent(&file(&sessions("")));
}

#[test]
fn a_deletion_that_nothing_prepares() {
    let delete = step("delete", "account.delete", "all", "    at: last_day + 90 days\n");
    warns(&file(&delete), "without an archive, a checklist or an approval");
    silent(&file(&format!("{}{delete}", step("archive", "mail.archive", "mail", ""))));
}

#[test]
fn an_approval_that_lapses_before_what_it_gates() {
    let text = |asked: &str, valid: &str| {
        file(&format!(
            "  - id: ask\n    action: approval\n    at: {asked}\n    with: {{ role: approver{valid} }}\n{}",
            step("delete", "account.delete", "all", "    at: last_day + inputs.retention\n")
        ))
    };
    warns(&text("last_day + inputs.retention - 40 days", ""), "holds 30 days, but `delete` begins 40 days after");
    silent(&text("last_day + inputs.retention - 40 days", ", valid: 60 days"));
    silent(&text("last_day + inputs.retention - 14 days", ""));
}

#[test]
fn a_redirect_without_end_or_reason_and_an_auto_reply_without_end() {
    let redirect = |more: &str| step("redirect", "mail.redirect", "mail", more);
    warns(&file(&redirect("    with: { to: a@example.com, reason: handover }\n")), "never ends");
    warns(&file(&redirect("    until: last_day + 9 days\n    with: { to: a@example.com }\n")), "no reason");
    silent(&file(&redirect("    until: last_day + 9 days\n    with: { to: a@example.com, reason: handover }\n")));
    let reply = |more: &str| step("reply", "mail.auto_reply", "mail", more);
    warns(&file(&reply("    with: { subject: x, message: y }\n")), "never ends");
    silent(&file(&reply("    until: last_day + 9 days\n    with: { subject: x, message: y }\n")));
}

#[test]
fn work_on_an_account_that_is_already_deleted() {
    let before = step("archive", "mail.archive", "mail", "")
        + &step("delete", "account.delete", "all", "    at: last_day + 90 days\n");
    let enable = |more: &str| step("enable", "account.enable", "all", more);
    warns(&file(&(before.clone() + &enable(""))), "`enable` works on an account that `delete` has already deleted");
    warns(&file(&(before.clone() + &enable("    after: []\n    at: last_day + 91 days\n"))), "already deleted");
    silent(&file(&(before.clone() + &enable("    after: []\n    at: last_day + 9 days\n"))));
    silent(&file(&(before + &step("restore", "account.restore", "all", "") + &enable(""))));
}

#[test]
fn cuts_that_are_left_out_when_late_or_given_up() {
    let disable = |more: &str| step("disable", "account.disable", "all", more);
    warns(&file(&disable("    at: last_day\n    late: skip\n")), "left out when it is late");
    silent(&file(&disable("    at: last_day\n    late: hold\n")));
    warns(&file(&disable("    retry: { max: 5 }\n")), "tried for ever whatever `max` says");
    silent(&file(&disable("    retry: { max: forever, cap: 1 hour }\n")));
    silent(&file(&step(
        "archive",
        "mail.archive",
        "mail",
        "    at: last_day\n    late: skip\n    retry: { max: 5 }\n",
    )));
}

#[test]
fn an_approval_that_nothing_waits_for() {
    let approval = "  - id: ask\n    action: approval\n    with: { role: approver }\n";
    warns(&file(approval), "no step waits for the approval `ask`");
    let archive = |after: &str| step("archive", "mail.archive", "mail", after);
    warns(&file(&format!("{approval}{}", archive("    after: []\n"))), "no step waits for the approval");
    silent(&file(&format!("{approval}{}", archive(""))));
}

#[test]
fn a_condition_that_is_the_same_for_everybody() {
    let disable = |when: &str| file(&step("disable", "account.disable", "all", &format!("    when: {when}\n")));
    warns(&disable("false"), "`false` never holds: `disable` is never done");
    warns(&disable("1 > 2"), "never holds");
    warns(&disable("true"), "`true` holds always");
    silent(&disable("person.department == 'Sales'"));
}

#[test]
fn inputs_that_nothing_uses_and_inputs_that_nobody_fills() {
    let codes = |text: &str| {
        let found = super::warnings(text);
        found
            .iter()
            .map(|found| (found.code.as_str(), found.line, found.source_line.trim().to_owned()))
            .collect::<Vec<_>>()
    };
    let used = step("delete", "account.disable", "all", "    at: last_day + inputs.retention\n");
    assert_eq!(codes(&file(&used)), []);
    let found = codes(&file(&step("disable", "account.disable", "all", "    at: last_day\n")));
    assert_eq!((found.len(), found[0].0, found[0].1), (1, "unused-input", 7));
    let told = file(&used).replace("on: { manual: true }", "on: { event: departure }");
    assert_eq!(codes(&told).iter().map(|found| found.0).collect::<Vec<_>>(), ["unfilled-input"]);
    silent(&told.replace("required: true", "from: event.effective"));
    let nightly = "workflow: a\nfor: organisation\non: { schedule: { cron: \"0 6 * * *\" } }\ninputs:\n  who: { type: text }\n\
                   steps:\n  - id: a\n    action: task\n    with: { title: \"{{ inputs.who }}\" }\n";
    warns(nightly, "a schedule cannot start this workflow: nothing gives `who` a value then");
    silent(&nightly.replace("type: text", "type: text, default: nobody"));
}

#[test]
fn a_departure_that_leaves_a_system_open() {
    let departure = |systems: &str| {
        file(&step("disable", "account.disable", systems, ""))
            .replace("on: { manual", "on: { event: departure, manual")
            .replace("required: true", "from: event.effective")
    };
    warns(&departure("mail"), "leaves systems open");
    silent(&departure("all"));
}
