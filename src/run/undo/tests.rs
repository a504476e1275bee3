//! What is taken back, in which order, and what stays.

use super::*;
use crate::run::sample::*;
use crate::run::settle::Outcome;
use crate::run::{HoldReason, StepEvent};
use crate::workflow::Workflow;

fn supported(_: &Step, _: ActionKind) -> Capability {
    Capability::Supported
}

fn steps() -> Workflow {
    let steps = vec![
        step("disable", "account.disable").on(&["ldap", "mailhost"]),
        step("rotate", "password.rotate").on(&["mailhost"]).after(&["disable"]),
        step("reply", "mail.auto_reply").on(&["mailhost"]).after(&["disable"]).until(from("start").plus("60 days")),
        step("hide", "directory.hide").on(&["ldap", "mailhost"]).after(&["reply"]),
        step("later", "account.delete")
            .on(&["ldap"])
            .after(&["hide"])
            .at(from("start").plus("90 days"))
            .grace("30 days"),
    ];
    workflow("leave", vec![], steps)
}

/// Everything that is due at once is done, a second apart.
fn done() -> Story {
    let mut story = Story::of(&Case::of(steps()));
    for label in ["disable@ldap", "disable@mailhost", "rotate@mailhost", "reply@mailhost", "hide@mailhost", "hide@ldap"]
    {
        story.pass(1);
        story.done(label);
    }
    story
}

fn labels(undoing: &Undoing) -> Vec<String> {
    undoing.steps.iter().map(PlannedStep::label).collect()
}

#[test]
fn the_inverses_come_latest_first_and_in_order_on_each_system() {
    let story = done();
    let undoing = undoing(&story.book, Extent::All, supported);
    let expected =
        ["hide.undo@ldap", "hide.undo@mailhost", "reply.undo@mailhost", "disable.undo@mailhost", "disable.undo@ldap"];
    assert_eq!(labels(&undoing), expected);
    let needs: Vec<Vec<u16>> = undoing.steps.iter().map(|step| step.needs.clone()).collect();
    assert_eq!(needs, [vec![], vec![], vec![1], vec![2], vec![0]]);
    let actions: Vec<&str> = undoing.steps.iter().map(|step| step.action.name()).collect();
    assert_eq!(
        actions,
        ["directory.show", "directory.show", "mail.clear_auto_reply", "account.enable", "account.enable"]
    );
    let undone = undoing.steps.iter().map(|step| story.book.step(step.undoes.unwrap()).unwrap().label());
    assert!(undone.zip(&expected).all(|(undone, label)| label.replace(UNDO, "") == undone));
}

#[test]
fn what_has_no_inverse_is_named_with_what_to_do() {
    let stays = undoing(&done().book, Extent::All, supported).stays;
    assert_eq!(stays.len(), 1, "{stays:?}");
    assert_eq!((stays[0].step.as_str(), stays[0].action), ("rotate@mailhost", ActionKind::PasswordRotate));
    assert!(stays[0].instead.contains("a new one"));
}

#[test]
fn an_effect_that_has_ended_is_not_ended_again() {
    let mut story = done();
    story.when_due("reply.end@mailhost").done("reply.end@mailhost");
    assert!(!labels(&undoing(&story.book, Extent::All, supported)).contains(&"reply.undo@mailhost".to_owned()));
}

#[test]
fn what_is_deleted_is_restored_unless_it_is_purged() {
    let mut story = done();
    story.when_due("later@ldap").done("later@ldap");
    let undone = undoing(&story.book, Extent::All, supported);
    assert_eq!((labels(&undone)[0].as_str(), undone.steps[0].action), ("later.undo@ldap", ActionKind::AccountRestore));
    let only = undoing(&story.book, Extent::Deletions, supported);
    assert_eq!((labels(&only), only.stays), (vec!["later.undo@ldap".to_owned()], vec![]));
    story.when_due("later.purge@ldap").done("later.purge@ldap");
    let undone = undoing(&story.book, Extent::All, supported);
    assert!(!labels(&undone).contains(&"later.undo@ldap".to_owned()));
    assert!(
        undone.stays.iter().any(|stays| stays.step == "later.purge@ldap" && stays.instead.contains("gone for good"))
    );
    assert!(undoing(&story.book, Extent::Deletions, supported).steps.is_empty());
}

#[test]
fn what_is_in_flight_is_named_and_looked_at_too() {
    let mut story = Story::of(&Case::of(steps()));
    story.done("disable@ldap");
    story.claim("disable@mailhost");
    let leased = undoing(&story.book, Extent::All, supported);
    assert_eq!(leased.in_flight, ["disable@mailhost"]);
    assert_eq!(labels(&leased), ["disable.undo@mailhost", "disable.undo@ldap"]);
    story.end("disable@mailhost", Outcome::Unknown("cut".into()));
    assert_eq!(undoing(&story.book, Extent::All, supported), leased);
}

#[test]
fn what_is_held_before_it_was_looked_at_may_have_had_its_effect() {
    let mut story = Story::of(&Case::of(steps()));
    story.claim("disable@mailhost");
    story.end("disable@mailhost", Outcome::Unknown("cut".into()));
    story.event("disable@mailhost", StepEvent::Held { reason: HoldReason::Freeze("audit".into()) });
    story.event("disable@ldap", StepEvent::Held { reason: HoldReason::Freeze("audit".into()) });
    let held = undoing(&story.book, Extent::All, supported);
    assert_eq!(
        (labels(&held), held.in_flight),
        (vec!["disable.undo@mailhost".into()], vec!["disable@mailhost".into()])
    );
    assert!(has_taken_effect(&story.book));
}

#[test]
fn looking_is_no_effect() {
    for action in ["verify.no_access", "accounts.sync"] {
        let mut story = Story::of(&Case::of(workflow("look", vec![], vec![step("look", action).on(&["ldap"])])));
        story.done("look@ldap");
        assert!(!has_taken_effect(&story.book), "{action}");
    }
}

#[test]
fn only_what_reached_a_system_has_taken_effect() {
    let mut story = Story::of(&Case::of(steps()));
    assert!(!has_taken_effect(&story.book));
    story.claim("disable@ldap");
    assert!(has_taken_effect(&story.book), "nobody knows yet");
    story.end("disable@ldap", Outcome::Retry { reason: "busy".into(), after: None });
    assert!(!has_taken_effect(&story.book), "certainly without effect");
    story.when_due("disable@ldap").done("disable@ldap");
    assert!(has_taken_effect(&story.book));
}

#[test]
fn every_action_without_an_inverse_says_what_stays_or_leaves_nothing_behind() {
    use ActionKind as A;
    let harmless = [
        A::AccountEnable,
        A::AccountRestore,
        A::MailClearAutoReply,
        A::MailClearRedirect,
        A::MailUndelegate,
        A::MailArchive,
        A::FilesArchive,
        A::CalendarsExport,
        A::ContactsExport,
        A::ProductUnblock,
        A::MailEndMaintenance,
        A::AccountsSync,
        A::VerifyNoAccess,
        A::Checklist,
        A::Approval,
        A::ReportInactiveAccounts,
        A::ReportRoles,
        A::ReportAliases,
        A::ReportAccounts,
    ];
    for action in ActionKind::ALL.iter().filter(|action| action.inverse().is_none()) {
        assert_eq!(instead(*action).is_none(), harmless.contains(action), "{action}");
    }
}
