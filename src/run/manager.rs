//! The manager that an approval was given for: to whom a run hands things over is part of what is approved.

use super::book::{Book, Step};
use super::guard;
use super::subject::Person;
use crate::workflow::{Param, SubjectKind, Workflow};

/// The employee number of whom a run means by the person's manager now, empty where there is none; `None` where it
/// hands nothing over to a manager.
pub(super) fn meant(book: &Book, person: Option<&Person>) -> Option<String> {
    let person = person.filter(|_| book.run.subject == SubjectKind::Person && means_manager(&book.run.workflow))?;
    Some(person.manager_number.clone().unwrap_or_default())
}

/// Whether any step's parameters name the manager. What inputs took from the manager is fixed when the run starts.
fn means_manager(workflow: &Workflow) -> bool {
    workflow.steps.iter().flat_map(|step| step.with.values()).any(names_manager)
}

fn names_manager(param: &Param) -> bool {
    match param {
        Param::Template(template) => template.names().iter().any(|name| name.starts_with("person.manager")),
        Param::List(items) => items.iter().any(names_manager),
        Param::Map(fields) => fields.values().any(names_manager),
        Param::Literal(_) => false,
    }
}

/// Why an approval that a destructive step stands behind was given for another manager. A purge is covered by the
/// approval under which its delete started; one that an older version was given does not say for whom.
pub(super) fn problem(book: &Book, step: &Step, person: Option<&Person>) -> Option<String> {
    if guard::is_covered(book, step) {
        return None;
    }
    guard::approvals_before(book, step).into_iter().find_map(|ordinal| {
        let asked = book.step(ordinal)?;
        let then = asked.decision.approval.as_ref()?.manager.as_ref()?;
        let now = meant(book, person)?;
        let called = |number: &str| if number.is_empty() { "nobody".to_owned() } else { number.to_owned() };
        (*then != now).then(|| {
            let (label, then, now) = (asked.label(), called(then), called(&now));
            format!("{label} was given when the manager was {then}; now it is {now}: see that they have what they need")
        })
    })
}

#[cfg(test)]
mod tests {
    use crate::run::sample::*;
    use crate::workflow::{Param, Template};

    /// A deletion that has been approved, behind something that goes to somebody.
    fn approved(to: &str) -> Story {
        let mut transfer = step("transfer", "files.transfer").on(&["cloud"]);
        transfer.with.insert("to".into(), Param::Template(Template::parse(to).unwrap()));
        let steps = vec![
            transfer,
            step("approve", "approval").after(&[]),
            step("delete", "account.delete").on(&["ldap"]).after(&["approve"]).grace("30 days"),
        ];
        let mut story = Story::of(&Case::of(workflow("leave", vec![], steps)));
        story.person.as_mut().unwrap().manager_number = Some("7".into());
        story.consider("approve").approve("approve").unwrap();
        story.when_due("delete@ldap");
        story
    }

    fn managed_by(story: &mut Story, number: Option<&str>) -> &'static str {
        story.person.as_mut().unwrap().manager_number = number.map(str::to_owned);
        match story.verdict("delete@ldap") {
            crate::run::guard::Verdict::Hold(reason) => reason.code(),
            _ => "goes on",
        }
    }

    #[test]
    fn an_approval_is_for_the_manager_of_its_day() {
        let mut story = approved("{{ person.manager }}");
        assert_eq!(managed_by(&mut story, Some("7")), "goes on");
        assert_eq!(managed_by(&mut story, Some("77")), "approval");
        assert_eq!(managed_by(&mut story, None), "approval");
        story.approve("approve").unwrap();
        assert_eq!(managed_by(&mut story, None), "goes on", "somebody has approved that too");
        assert_eq!(managed_by(&mut story, Some("77")), "approval");
    }

    #[test]
    fn a_plan_that_hands_the_manager_nothing_does_not_care() {
        let mut story = approved("grace@example.com");
        assert_eq!(managed_by(&mut story, Some("77")), "goes on");
    }

    #[test]
    fn an_approval_of_an_older_version_does_not_say_for_whom() {
        let mut story = approved("{{ person.manager.email }}");
        story.book.steps[1].decision.approval.as_mut().unwrap().manager = None;
        assert_eq!(managed_by(&mut story, Some("77")), "goes on");
    }

    #[test]
    fn a_purge_is_covered_by_the_approval_of_its_delete() {
        let mut story = approved("{{ person.manager }}");
        story.done("delete@ldap").when_due("delete.purge@ldap");
        story.person.as_mut().unwrap().manager_number = Some("77".into());
        let verdict = story.verdict("delete.purge@ldap");
        let approval = |reason: &crate::run::HoldReason| reason.code() == "approval";
        assert!(!matches!(&verdict, crate::run::guard::Verdict::Hold(reason) if approval(reason)), "{verdict:?}");
    }
}
