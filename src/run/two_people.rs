//! Two people: an approval counts only when it comes from somebody other than who asked for the run, and other than
//! the person the run is about.
//!
//! A command acts as a user of the operating system. `[access.people]` says which person each user is, so that two
//! users of one person count as one, and so that nobody approves what is about themselves.

use std::collections::BTreeMap;

use super::book::Run;
use super::subject::Person;

/// Which person each user is: `alice` is `1001`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Users(BTreeMap<String, String>);

/// Why an approval does not count, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotTheirs {
    /// Why.
    pub why: String,
    /// What to do.
    pub way_out: String,
}

/// Those who ask for runs and are no people: HR's feed, a schedule, usher itself. Whatever else asks is a person.
const MACHINES: [&str; 3] = ["hr", "schedule", "usher"];

impl Users {
    /// The users, each with an employee number.
    pub fn of(users: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(users.into_iter().collect())
    }

    /// Whether nobody is named: then users are told apart by their names alone.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The person that an actor (`os:alice`) is.
    pub fn person(&self, actor: &str) -> Option<&str> {
        self.0.get(user(actor)).map(String::as_str)
    }

    /// Why `approver` may not approve anything of a run about `subject`; `None` where they may. A run that HR's feed or
    /// a schedule has started was asked for by nobody: any one person may approve it who is not its subject.
    pub fn problem(&self, run: &Run, subject: Option<&Person>, approver: &str) -> Option<NotTheirs> {
        let someone_else = |why: String| Some(NotTheirs { why, way_out: "somebody else has to approve it".to_owned() });
        let (run_id, name) = (run.public_id(), user(approver));
        let mine = self.person(approver);
        if !self.is_empty() && mine.is_none() {
            return Some(NotTheirs {
                why: format!("it is not known which person the user {name} is"),
                way_out: format!("name them under [access.people]: {name} = \"EMPLOYEE NUMBER\""),
            });
        }
        if !MACHINES.contains(&run.asked_by.as_str()) {
            if user(&run.asked_by) == name {
                return someone_else(format!("{name} has asked for {run_id}, and approves nothing of it"));
            }
            if mine.is_some() && self.person(&run.asked_by) == mine {
                let asker = user(&run.asked_by);
                return someone_else(format!("{asker}, who has asked for {run_id}, and {name} are one person"));
            }
        }
        let subject = subject?;
        let is_subject = match mine {
            Some(mine) => mine == subject.employee_number,
            None => looks_like(subject, name),
        };
        if is_subject {
            return someone_else(format!("{run_id} is about {}, and nobody approves what is about them", name));
        }
        None
    }
}

/// Without `[access.people]`: a user called like the person's work address is that person.
fn looks_like(person: &Person, name: &str) -> bool {
    let local = person.email.as_deref().and_then(|email| email.split('@').next()).unwrap_or_default();
    name.eq_ignore_ascii_case(local) || name == person.employee_number
}

/// `alice` of `os:alice`.
fn user(actor: &str) -> &str {
    actor.strip_prefix("os:").unwrap_or(actor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::sample::*;

    fn run(asked_by: &str) -> Run {
        let case = Case::of(workflow("w", vec![], vec![step("s", "approval")]));
        Run { asked_by: asked_by.into(), ..Story::of(&case).book.run }
    }

    fn why(users: &Users, asked_by: &str, approver: &str) -> Option<String> {
        users.problem(&run(asked_by), Some(&ada_herself()), approver).map(|problem| problem.why)
    }

    fn mapped() -> Users {
        let users = [("grace", "1002"), ("grace-admin", "1002"), ("ada", "1001"), ("charles", "1003")];
        Users::of(users.map(|(user, person)| (user.to_owned(), person.to_owned())))
    }

    #[test]
    fn who_asked_approves_nothing() {
        for users in [Users::default(), mapped()] {
            assert!(why(&users, "os:grace", "os:grace").unwrap().contains("has asked for run_7"));
            assert_eq!(why(&users, "os:grace", "os:charles"), None);
        }
    }

    #[test]
    fn two_users_of_one_person_are_one_person() {
        assert!(why(&mapped(), "os:grace", "os:grace-admin").unwrap().contains("are one person"));
        assert_eq!(why(&Users::default(), "os:grace", "os:grace-admin"), None, "nothing says that they are");
    }

    #[test]
    fn nobody_approves_what_is_about_them() {
        assert!(why(&mapped(), "hr", "os:ada").unwrap().contains("is about ada"));
        assert!(why(&Users::default(), "hr", "os:ADA").is_some(), "called like the work address");
        assert!(why(&Users::default(), "hr", "os:1001").is_some(), "called like the employee number");
        let named = Users::of([("root".to_owned(), "1001".to_owned())]);
        assert!(why(&named, "hr", "os:root").is_some());
    }

    #[test]
    fn what_a_machine_started_needs_one_person() {
        for asked_by in MACHINES {
            for users in [Users::default(), mapped()] {
                assert_eq!(why(&users, asked_by, "os:charles"), None);
            }
        }
    }

    #[test]
    fn a_user_who_is_nobody_known_counts_for_nobody() {
        let problem = mapped().problem(&run("hr"), None, "os:guest").unwrap();
        assert!(problem.why.contains("guest") && problem.way_out.contains("[access.people]"), "{problem:?}");
        assert_eq!(Users::default().problem(&run("hr"), None, "os:guest"), None);
    }
}
