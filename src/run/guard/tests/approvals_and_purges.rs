//! Approvals, and purges.

use super::*;

#[test]
fn an_approval_lapses() {
    let mut story = deletion();
    let until = story.book.steps[1].decision.approval.clone().unwrap().valid_until;
    story.now = until - std::time::Duration::from_millis(1);
    assert_eq!(judged(&story, "delete@ldap"), "proceed");
    story.now = until;
    story.consider("delete@ldap");
    assert_eq!(story.word("delete@ldap"), "held");
    story.event("approve", StepEvent::ApprovalAsked);
    assert_eq!(story.word("delete@ldap"), "held");
    story.approve("approve").unwrap();
    assert_eq!(story.due("delete@ldap"), story.now, "it goes on by itself");
}

#[test]
fn what_lapses_is_left_out_only_where_nothing_else_is_wrong() {
    let leave_out = |name: &str| {
        let mut approval = step(name, "approval");
        approval.with.insert("on_lapse".into(), crate::workflow::Param::Literal("skip".into()));
        approval
    };
    let behind = |approvals: Vec<StepDef>| {
        let names: Vec<String> = approvals.iter().map(|approval| approval.id.clone()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let delete = step("delete", "account.delete").on(&["ldap"]).after(&names);
        let mut story = of(approvals.into_iter().chain([delete]).collect());
        for name in names {
            story.consider(name).approve(name).unwrap();
        }
        story.when_due("delete@ldap");
        story
    };
    let lapse = |story: &mut Story, name: &str| {
        let (now, ordinal) = (story.now, usize::from(story.step(name).ordinal));
        story.book.steps[ordinal].decision.approval.as_mut().unwrap().valid_until = now;
    };
    let mut story = behind(vec![leave_out("one")]);
    lapse(&mut story, "one");
    assert_eq!(judged(&story, "delete@ldap"), "skip");
    // It was given for another plan too.
    let mut other = story.clone();
    other.book.steps[1].account = Some(99);
    assert_eq!(judged(&other, "delete@ldap"), "approval");
    // Nobody knows whether it has been deleted.
    story.claim("delete@ldap");
    story.end("delete@ldap", Outcome::Unknown("cut".into()));
    assert_eq!(judged(&story, "delete@ldap"), "approval");
    // The one that has lapsed says nothing of being left out.
    let mut two = behind(vec![leave_out("one"), step("two", "approval")]);
    lapse(&mut two, "two");
    assert_eq!(judged(&two, "delete@ldap"), "approval");
}

#[test]
fn an_approval_that_is_asked_for_again_and_refused_does_not_count() {
    let mut story = deletion();
    story.event("approve", StepEvent::ApprovalAsked);
    assert_eq!(judged(&story, "delete@ldap"), "approval");
    story.deny("approve").unwrap();
    assert_eq!(judged(&story, "delete@ldap"), "approval");
    assert_eq!(story.step("approve").decision.approval, None);
}

#[test]
fn an_approval_is_for_one_plan() {
    let edits: [fn(&mut Book); 6] = [
        |book| book.steps[2].account = Some(99),
        |book| book.steps[2].at.as_mut().unwrap().at = instant("2027-02-01T09:00:00Z"),
        |book| book.steps[3].delay = Some(crate::workflow::Span::parse("31 days").unwrap()),
        |book| book.steps[2].action = ActionKind::AccountPurge,
        |book| drop(book.run.inputs.insert("retention".into(), "1 day".into())),
        |book| {
            let mut other = (*book.run.workflow).clone();
            other.version = "1".repeat(64);
            book.run.workflow = other.into();
        },
    ];
    for edit in edits {
        let mut story = deletion();
        edit(&mut story.book);
        assert_eq!(judged(&story, "delete@ldap"), "approval");
    }
}

#[test]
fn what_an_approval_gates_is_known_by_its_name_and_system_too() {
    let story = deletion();
    let mut other = story.clone();
    other.book.steps[2].system = Some("cloud".into());
    assert_ne!(gate_hash(&story.book, 1), gate_hash(&other.book, 1));
}

#[test]
fn an_approval_of_what_is_over_is_asked_for_no_more() {
    let mut story = deletion();
    story.done("delete@ldap").when_due("delete.purge@ldap");
    let mut over = story.clone();
    over.done("delete.purge@ldap");
    for (story, stale) in [(&mut story, true), (&mut over, false)] {
        assert!(!is_stale(&story.book, story.step("approve")));
        story.book.run.inputs.insert("retention".into(), "1 day".into());
        assert_eq!(is_stale(&story.book, story.step("approve")), stale);
    }
}

#[test]
fn an_approval_that_a_person_left_out_is_missing_and_one_that_was_not_needed_is_not() {
    for (reason, expected) in
        [(SkipReason::ByPerson("hurry".into()), "approval"), (SkipReason::ConditionFalse("0".into()), "proceed")]
    {
        let mut story =
            of(vec![step("approve", "approval"), step("delete", "account.delete").on(&["ldap"]).after(&["approve"])]);
        let at = story.now;
        story.event("approve", StepEvent::Skipped { at, reason }).when_due("delete@ldap");
        assert_eq!(judged(&story, "delete@ldap"), expected);
    }
}

#[test]
fn a_purge_is_covered_by_the_approval_under_which_its_delete_started() {
    let mut story = deletion();
    story.done("delete@ldap").at("2027-03-10T12:00:00Z");
    let until = story.step("approve").decision.approval.clone().unwrap().valid_until;
    assert!(until < story.now);
    assert_eq!(judged(&story, "delete.purge@ldap"), "proceed");
    story.event("approve", StepEvent::ApprovalAsked);
    assert_eq!(judged(&story, "delete.purge@ldap"), "proceed", "asked again for another delete");
    story.book.steps[3].account = Some(12);
    assert_eq!(judged(&story, "delete.purge@ldap"), "approval");
}

#[test]
fn a_purge_waits_for_the_grace_that_the_inventory_knows() {
    let mut story = deletion();
    story.done("delete@ldap").when_due("delete.purge@ldap");
    let due = story.now.as_millisecond();
    for (status, purge_due, expected) in [
        (AccountStatus::Deleted, Some(due + 1), "fresh_read"),
        (AccountStatus::Deleted, Some(due), "proceed"),
        (AccountStatus::Disabled, None, "proceed"),
        (AccountStatus::Purged, None, "proceed"),
    ] {
        let account = story.accounts.get_mut(&11).unwrap();
        (account.status, account.purge_due) = (status, purge_due);
        assert_eq!(judged(&story, "delete.purge@ldap"), expected, "{status:?} {purge_due:?}");
    }
}

/// The shipped grace-purge: one account that no open run has.
fn grace_purge() -> Story {
    let mut purge = workflow("grace-purge", vec![], vec![step("purge", "account.purge")]);
    purge.subject = SubjectKind::Account;
    purge.timezone = None;
    let mut account = account(11, "ldap");
    (account.status, account.purge_due, account.person_id) =
        (AccountStatus::Deleted, Some(instant("2027-01-04T11:00:00Z").as_millisecond()), None);
    let mut case = Case::of(purge);
    case.systems.iter_mut().for_each(|system| system.account = None);
    case.subject = Subject::Account(Box::new(account));
    Story::of(&case)
}

#[test]
fn an_account_past_its_grace_is_purged_at_once_whoever_had_it() {
    let mut story = grace_purge();
    assert_eq!(story.due("purge@ldap"), story.now, "its grace has been the wait");
    assert_eq!(judged(&story, "purge@ldap"), "proceed");
    story.accounts.get_mut(&11).unwrap().person_id = Some(1);
    assert_eq!(judged(&story, "purge@ldap"), "person_not_departed", "bound to somebody since");
}

#[test]
fn a_purge_that_follows_no_delete_needs_to_know_that_the_grace_is_over() {
    let mut story = grace_purge();
    let due = story.now.as_millisecond();
    for (status, purge_due, expected) in [
        (AccountStatus::Deleted, Some(due), "proceed"),
        (AccountStatus::Deleted, Some(due + 1), "fresh_read"),
        (AccountStatus::Deleted, None, "fresh_read"),
        (AccountStatus::Disabled, Some(due), "fresh_read"),
        (AccountStatus::Enabled, None, "fresh_read"),
        (AccountStatus::Purged, None, "proceed"),
    ] {
        let account = story.accounts.get_mut(&11).unwrap();
        (account.status, account.purge_due) = (status, purge_due);
        assert_eq!(judged(&story, "purge@ldap"), expected, "{status:?} {purge_due:?}");
    }
}

#[test]
fn an_approval_of_who_asked_or_whom_it_is_about_does_not_count_at_the_claim() {
    let mut story = deletion();
    assert_eq!(judged(&story, "delete@ldap"), "proceed");
    story.book.run.asked_by = "os:grace".into();
    assert_eq!(judged(&story, "delete@ldap"), "approval", "grace has approved it, and asked for it");
    story.book.run.asked_by = "os:charles".into();
    assert_eq!(judged(&story, "delete@ldap"), "proceed");
    story.users = Users::of([("grace".to_owned(), "1001".to_owned())]);
    assert_eq!(judged(&story, "delete@ldap"), "approval", "grace is Ada");
    story.users = Users::of([("grace".to_owned(), "1002".to_owned()), ("charles".to_owned(), "1002".to_owned())]);
    assert_eq!(judged(&story, "delete@ldap"), "approval", "grace is charles");
    story.done("delete@ldap").when_due("delete.purge@ldap");
    assert_eq!(judged(&story, "delete.purge@ldap"), "proceed", "the delete was judged");
}
