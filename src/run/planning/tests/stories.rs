//! The departure, as people meet it.

use crate::run::planning::project;
use crate::run::sample::*;
use crate::run::{Capability, EventFacts, Fold, Holidays, Lateness, PlanRequest, SkipReason, Subject, plan};
use crate::workflow::{ActionKind, Facet, SubjectKind};

fn ada_leaves() -> Case {
    Case::of(departure()).given("last_day", "2027-01-29")
}

#[test]
fn ada_leaves_on_friday() {
    let plan = ada_leaves().plan().unwrap();
    assert_eq!((plan.zone.as_str(), plan.inputs["retention"].as_str()), ("Europe/Zurich", Some("180 days")));
    let disable = find(&plan, "disable", "ldap");
    assert_eq!(disable.at.as_ref().unwrap().at, instant("2027-01-29T17:00:00Z"), "18:00 in Zurich");
    assert_eq!((disable.account, disable.late, disable.skip.as_ref()), (Some(11), None, None));

    let due = |name: &str, system: &str| {
        let timeline = project(&plan, &Holidays::default()).unwrap();
        timeline[usize::from(find(&plan, name, system).ordinal)].due.unwrap()
    };
    assert_eq!(due("revoke-sessions", "cloud"), instant("2027-01-29T17:00:00Z"), "at once after the cut");
    assert_eq!(due("transfer-files", "cloud"), instant("2027-02-05T08:00:00Z"), "09:00 without a time");
    assert_eq!(due("auto-reply.end", "mailhost"), instant("2027-03-30T07:00:00Z"), "summer time by then");
    assert_eq!(due("delete", "mailhost"), instant("2027-07-28T07:00:00Z"));
    assert_eq!(due("delete.purge", "mailhost"), instant("2027-08-27T07:00:00Z"), "grace counts from the deletion");
}

#[test]
fn hr_gives_the_date_and_a_person_may_have_their_own_zone() {
    let mut case = Case::of(departure());
    if let Subject::Person { person, .. } = &mut case.subject {
        person.timezone = Some("America/New_York".into());
    }
    let event = EventFacts::on(day(2027, 1, 29));
    let request = PlanRequest {
        workflow: &case.workflow,
        subject: &case.subject,
        systems: &case.systems,
        inputs: &case.inputs,
        event: Some(&event),
        start: case.start,
        default_zone: "Europe/Zurich",
        holidays: &Holidays::default(),
        policy: &crate::run::Policy::default(),
        mail: true,
    };
    let plan = plan(&request).unwrap();
    assert_eq!(plan.zone, "America/New_York");
    assert_eq!(find(&plan, "disable", "ldap").at.as_ref().unwrap().at, instant("2027-01-29T23:00:00Z"));
}

#[test]
fn a_departure_that_arrives_late_cuts_now_and_deletes_in_a_week() {
    let plan = ada_leaves().starting("2027-09-01T10:00:00Z").plan().unwrap();
    let disable = find(&plan, "disable", "cloud");
    assert_eq!((disable.late, disable.skip.as_ref()), (Some(Lateness::Now), None));
    assert_eq!(find(&plan, "checklist", "").late, Some(Lateness::Now));

    let delete = find(&plan, "delete", "cloud");
    assert_eq!(delete.late, Some(Lateness::Postponed));
    assert_eq!(delete.at.as_ref().unwrap().at, instant("2027-09-08T10:00:00Z"));

    for name in ["auto-reply", "auto-reply.end"] {
        let step = find(&plan, name, "mailhost");
        assert_eq!((step.late, step.skip.as_ref()), (Some(Lateness::Skipped), Some(&SkipReason::Late)), "{name}");
    }
    let timeline = project(&plan, &Holidays::default()).unwrap();
    assert_eq!(timeline[usize::from(disable.ordinal)].due, Some(plan.start), "the timeline never shows the past");
}

#[test]
fn a_last_day_in_an_overlap_cuts_at_the_first_and_deletes_at_the_second() {
    let night = || from("last_day").time(2, 30);
    let steps = vec![
        step("disable", "account.disable").at(night()),
        step("delete", "account.delete").after(&["disable"]).at(night()),
    ];
    let inputs = departure().inputs;
    let plan = Case::of(workflow("night", inputs, steps)).given("last_day", "2027-10-31").plan().unwrap();
    let at = |name: &str| find(&plan, name, "ldap").at.clone().unwrap();
    assert_eq!((at("disable").at, at("disable").fold), (instant("2027-10-31T00:30:00Z"), Fold::Overlap));
    assert_eq!(at("delete").at, instant("2027-10-31T01:30:00Z"));
}

#[test]
fn somebody_without_a_mailbox_has_the_step_left_out() {
    let mut case = ada_leaves();
    case.systems[1].account = None;
    let plan = case.plan().unwrap();
    let archive = find(&plan, "archive", "mailhost");
    assert_eq!(archive.skip, Some(SkipReason::NotApplicable("no account on `mailhost`".into())));
    assert_eq!(archive.account, None);
    let end = find(&plan, "auto-reply.end", "mailhost");
    assert_eq!(end.skip, Some(SkipReason::NotNeeded("`auto-reply` is left out".into())));
    assert_eq!(find(&plan, "delete.purge", "ldap").skip, None, "the other systems go on");
}

#[test]
fn a_company_without_mail_shows_the_step_and_goes_on() {
    let mut case = ada_leaves();
    case.systems.remove(1);
    let plan = case.plan().unwrap();
    let skip = Some(SkipReason::NotApplicable("no system offers mail".into()));
    assert_eq!(find(&plan, "archive", "").skip, skip);
    assert_eq!(find(&plan, "auto-reply.end", "").skip, Some(SkipReason::NotNeeded("`auto-reply` is left out".into())));
    assert!(needs(&plan, "delete", "ldap").contains(&"approve-deletion@".to_owned()));
}

#[test]
fn a_redirect_nobody_asked_for_is_planned_and_decided_at_the_claim() {
    let plan = ada_leaves().plan().unwrap();
    let redirect = find(&plan, "redirect", "mailhost");
    assert_eq!((redirect.when.as_deref(), redirect.skip.as_ref()), (Some("inputs.redirect"), None));
    let end = find(&plan, "redirect.end", "mailhost");
    assert_eq!((end.action, end.of, end.when.as_ref()), (ActionKind::MailClearRedirect, Some(redirect.ordinal), None));
    assert_eq!(end.needs, [redirect.ordinal]);
}

#[test]
fn what_a_system_cannot_do_is_left_out_unless_it_closes_the_account_or_ends_an_effect() {
    let mut case = ada_leaves();
    let cannot = |case: &mut Case, index: usize, action| {
        case.systems[index].capabilities.insert(action, Capability::Unsupported("too old".into()));
    };
    cannot(&mut case, 0, ActionKind::AccountDisable);
    cannot(&mut case, 0, ActionKind::SessionsRevoke);
    cannot(&mut case, 1, ActionKind::MailArchive);
    cannot(&mut case, 1, ActionKind::MailClearAutoReply);
    cannot(&mut case, 2, ActionKind::AccountPurge);
    case.systems[2].capabilities.remove(&ActionKind::FilesTransfer);
    let plan = case.plan().unwrap();

    let left_out = |why: &str| Some(SkipReason::NotApplicable(why.into()));
    assert_eq!(find(&plan, "revoke-sessions", "ldap").skip, left_out("too old"));
    let cut = find(&plan, "disable", "ldap");
    assert_eq!((cut.skip.as_ref(), &cut.capability), (None, &Capability::Unsupported("too old".into())));
    assert_eq!(find(&plan, "auto-reply.end", "mailhost").skip, None);
    assert_eq!(find(&plan, "archive", "mailhost").skip, left_out("too old"));
    assert_eq!(find(&plan, "delete.purge", "cloud").skip, left_out("too old"));
    assert_eq!(find(&plan, "transfer-files", "cloud").skip, left_out("`cloud` does not know `files.transfer`"));
}

#[test]
fn a_newcomer_gets_what_follows_the_creation_of_the_account() {
    let steps = vec![
        step("create", "account.create").on(&["ldap", "mailhost"]),
        step("role", "role.set").after(&["create"]),
        step("alias", "alias.add").facet(Facet::Mail).after(&["role"]),
        step("groups", "groups.add"),
    ];
    let mut case = Case::of(workflow("onboarding", vec![], steps));
    case.systems.iter_mut().for_each(|system| system.account = None);
    let plan = case.plan().unwrap();
    for (name, system) in [("create", "ldap"), ("role", "ldap"), ("role", "mailhost"), ("alias", "mailhost")] {
        assert_eq!(find(&plan, name, system).skip, None, "{name}@{system}");
    }
    let no_account = |system: &str| Some(SkipReason::NotApplicable(format!("no account on `{system}`")));
    assert_eq!(find(&plan, "role", "cloud").skip, no_account("cloud"), "nothing is created there");
    assert_eq!(find(&plan, "groups", "ldap").skip, no_account("ldap"), "it does not wait for the creation");
}

#[test]
fn a_run_on_one_account_stays_on_its_system() {
    let steps = vec![step("disable", "account.disable"), step("archive", "mail.archive").after(&["disable"])];
    let mut case = Case::of(workflow("block", vec![], steps));
    (case.workflow.subject, case.workflow.timezone) = (SubjectKind::Account, None);
    case.subject = Subject::Account(Box::new(account(77, "ldap")));
    let plan = case.plan().unwrap();
    assert_eq!(plan.steps.len(), 2);
    assert_eq!(find(&plan, "disable", "ldap").account, Some(77));
    let skip = SkipReason::NotApplicable("`ldap` is not among the step's systems".into());
    assert_eq!(find(&plan, "archive", "").skip, Some(skip));
}
