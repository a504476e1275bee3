//! An attempt on its way through the worker: the claim, its lease, and the duty to report.

use std::sync::{Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::keeper::Lease;
use crate::run::settle::Outcome;
use crate::store::{Claim, Completion, Seen};

/// An outcome on its way to the claimer. The permit goes with it: it is free once the outcome is committed.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) completion: Completion,
    /// Free again when this is dropped; none for a claim that was never handed out.
    pub(super) permit: Option<OwnedSemaphorePermit>,
}

/// One attempt at a step.
#[derive(Debug)]
pub struct Attempt {
    /// What was claimed.
    pub claim: Claim,
    lease: Lease,
    duty: Mutex<Option<(mpsc::UnboundedSender<Report>, OwnedSemaphorePermit)>>,
}

impl Attempt {
    pub(super) fn new(
        claim: Claim,
        lease: Lease,
        reports: mpsc::UnboundedSender<Report>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        Self { claim, lease, duty: Mutex::new(Some((reports, permit))) }
    }

    /// Whether the lease still stands, with time to spare: asked right before anything is sent.
    pub fn lease_stands(&self) -> bool {
        self.lease.stands()
    }

    /// Says how it ended. Only the first report counts.
    pub(super) fn report(&self, outcome: Outcome, seen: Option<Seen>) {
        let duty = self.duty.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((reports, permit)) = duty else { return };
        let Claim { run, ordinal, fence, .. } = self.claim;
        let completion = Completion { run, ordinal, fence, outcome, seen };
        reports.send(Report { completion, permit: Some(permit) }).ok();
    }
}

impl Drop for Attempt {
    /// A panic in the handler: nobody knows what has happened.
    fn drop(&mut self) {
        self.report(Outcome::Unknown("the attempt ended without an answer (a panic, or a forced stop)".into()), None);
    }
}
