//! apalis' `Backend` over the claimer's channel.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use apalis_core::backend::finalize::Ephemeral;
use apalis_core::backend::{Backend, BackendConfig};
use apalis_core::task::Task;
use apalis_core::task::builder::TaskBuilder;
use apalis_core::task::task_id::TaskId;
use apalis_core::worker::context::WorkerContext;
use tokio::sync::mpsc;
use ulid::Ulid;

use super::Attempt;
use crate::run::settle::Outcome;

/// Attempts as the claimer hands them out.
#[derive(Debug)]
pub(super) struct Attempts {
    from: mpsc::Receiver<Attempt>,
}

impl Attempts {
    pub(super) fn new(from: mpsc::Receiver<Attempt>) -> Self {
        Self { from }
    }

    /// One that never yields: what a restarted worker would get, had anything but shutdown ended it.
    pub(super) fn closed() -> Self {
        Self { from: mpsc::channel(1).1 }
    }
}

/// A step's key and fence in one id: apalis' log lines name the attempt.
fn task_id(attempt: &Attempt) -> TaskId {
    let step = attempt.claim.run.unsigned_abs() << 16 | u64::from(attempt.claim.ordinal);
    TaskId::from_ulid(Ulid::from_parts(step, u128::from(attempt.claim.fence.unsigned_abs())))
}

impl Backend for Attempts {
    type Task = Task<Arc<Attempt>>;
    type Error = Infallible;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, _: &WorkerContext) -> Poll<Option<Result<Self::Task, Infallible>>> {
        self.from.poll_recv(cx).map(|attempt| {
            attempt.map(|attempt| {
                let id = task_id(&attempt);
                let number = usize::try_from(attempt.claim.fence).unwrap_or(usize::MAX);
                Ok(TaskBuilder::new(Arc::new(attempt)).task_id(id).attempt(number).build())
            })
        })
    }

    /// Claims that no handler has begun go back as they were.
    fn poll_close(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        self.from.close();
        while let Ok(attempt) = self.from.try_recv() {
            attempt.report(Outcome::Returned, None);
        }
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for Attempts {
    type Args = Arc<Attempt>;
    type Id = Ulid;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = tower_layer::Identity;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Self::Layer {
        tower_layer::Identity::new()
    }
}
