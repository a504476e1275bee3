//! Approvals that wait together: of one step, of one version of a workflow, in several runs.
//!
//! A batch is called by a digest of what it lets through, so that whoever approves one that has changed since it was
//! listed approves nothing.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::answers;
use super::book::Book;
use super::guard;
use crate::workflow::ActionKind;

/// Approvals that can be given at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// `batch_` and a digest of its runs and of what they would delete.
    pub id: String,
    /// The workflow's name.
    pub workflow: String,
    /// The step's name.
    pub step: String,
    /// The approvals, by run and ordinal.
    pub approvals: Vec<(i64, u16)>,
    /// The destructive steps that they let through.
    pub destructive: usize,
}

impl Batch {
    /// What must be typed.
    pub fn confirmation(&self) -> String {
        format!("DELETE {}", self.destructive)
    }
}

/// The approvals of a batch, each in its run.
type Members<'a> = Vec<(&'a Book, u16)>;

/// The batches among runs: two approvals at least, and something that they gate.
pub fn batches<'a>(books: impl IntoIterator<Item = &'a Book>) -> Vec<Batch> {
    let mut groups: BTreeMap<_, Members<'_>> = BTreeMap::new();
    for book in books {
        for step in book.steps.iter().filter(|step| step.action == ActionKind::Approval && answers::is_asked(step)) {
            let key = (book.run.name.clone(), step.name.clone(), book.run.workflow.version.clone());
            groups.entry(key).or_default().push((book, step.ordinal));
        }
    }
    let batch = |((workflow, step, _), mut members): ((String, String, String), Members<'_>)| {
        members.sort_by_key(|(book, ordinal)| (book.run.id, *ordinal));
        let mut sha = Sha256::new();
        let mut destructive = 0;
        for (book, ordinal) in &members {
            sha.update(book.run.id.to_be_bytes());
            sha.update(ordinal.to_be_bytes());
            sha.update(guard::gate_hash(book, *ordinal));
            destructive += guard::gated(book, *ordinal).iter().filter(|step| !step.state.is_final()).count();
        }
        sha.update((destructive as u64).to_be_bytes());
        let approvals: Vec<(i64, u16)> = members.iter().map(|(book, ordinal)| (book.run.id, *ordinal)).collect();
        let id = format!("batch_{}", &hex::encode(sha.finalize())[..12]);
        Batch { id, workflow, step, approvals, destructive }
    };
    let batches = groups.into_iter().map(batch);
    batches.filter(|batch| batch.approvals.len() > 1 && batch.destructive > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::sample::*;

    fn waiting(id: i64) -> Story {
        let steps =
            vec![step("approve", "approval"), step("delete", "account.delete").on(&["ldap"]).after(&["approve"])];
        let mut story = Story::of(&Case::of(workflow("w", vec![], steps)));
        story.consider("approve");
        story.book.run.id = id;
        story
    }

    #[test]
    fn what_waits_for_the_same_approval_is_a_batch_called_by_what_it_lets_through() {
        let (one, two, three) = (waiting(1), waiting(2), waiting(3));
        assert_eq!(batches([&one.book]), []);
        let [pair] = batches([&two.book, &one.book]).try_into().unwrap();
        let gated = guard::gated(&one.book, 0).len();
        assert_eq!((pair.approvals.as_slice(), pair.destructive), ([(1, 0), (2, 0)].as_slice(), 2 * gated));
        assert_eq!(pair.confirmation(), format!("DELETE {}", 2 * gated));
        assert_eq!(batches([&one.book, &two.book])[0].id, pair.id);
        assert_ne!(batches([&one.book, &two.book, &three.book])[0].id, pair.id, "one more");
        let mut other = waiting(2);
        other.book.steps[1].account = Some(99);
        assert_ne!(batches([&one.book, &other.book])[0].id, pair.id, "another account");
        let mut given = waiting(2);
        given.approve("approve").unwrap();
        assert_eq!(batches([&one.book, &given.book]), []);
        let mut version = waiting(2);
        std::sync::Arc::make_mut(&mut version.book.run.workflow).version = "1".repeat(64);
        assert_eq!(batches([&one.book, &version.book]), [], "another version of the file");
    }
}
