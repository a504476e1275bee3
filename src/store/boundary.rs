//! Where this process meets its database: what a test makes go wrong there.

use std::future::Future;
use std::panic::Location;
use std::sync::Arc;

use super::Store;
use crate::faults::Faults;

impl Store {
    /// The same store, with calls that go wrong, for tests of what follows from that. Each begin, commit and reader is
    /// a boundary, named by the place in the code that asks for it: `src/store/turn.rs:40 commit`.
    #[must_use]
    pub fn with_faults(self, faults: Arc<Faults>) -> Self {
        Self { faults: Some(faults), ..self }
    }

    /// A call to the database, made for whoever is at `place`.
    pub(super) async fn passing<T, E: From<sqlx::Error>>(
        &self,
        place: &Location<'_>,
        what: &str,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let Some(faults) = &self.faults else { return call.await };
        let boundary = format!("{}:{} {what}", place.file(), place.line());
        faults.around(boundary, call, cut().into(), cut().into()).await
    }
}

/// How a connection looks whose other end is gone.
fn cut() -> sqlx::Error {
    std::io::Error::from(std::io::ErrorKind::ConnectionReset).into()
}
