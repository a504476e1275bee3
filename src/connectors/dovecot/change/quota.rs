//! The storage limit: a field of the account where it is kept, and what Dovecot makes of it.

use serde_json::json;

use crate::connectors::dovecot::DovecotSystem;
use crate::connectors::dovecot::account::Subject;
use crate::connectors::dovecot::error::Effect;
use crate::connectors::dovecot::reading::Storage;
use crate::connectors::dovecot::roster::Field;
use crate::connectors::{ActionError, Call, Observation};
use crate::workflow::params::Quota;

/// A limit in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit(u64);

impl Limit {
    pub(super) fn of(call: &Call) -> Result<Self, ActionError> {
        let missing = || ActionError::fail(format!("`{}` needs a size", call.action));
        let written = call.with.get("quota").ok_or_else(missing)?;
        let quota: Quota = serde_json::from_value(written.clone()).map_err(ActionError::fail)?;
        Ok(Self(quota.bytes))
    }

    /// Written where the account is, and counted by Dovecot (in KiB).
    pub(super) async fn observe(self, subject: &Subject, at: &DovecotSystem) -> Result<Observation, ActionError> {
        let written = subject.held.as_ref().and_then(|held| held.quota);
        if written != Some(self.0) {
            let seen = written.map_or("no limit of its own".to_owned(), |bytes| format!("limit {bytes} bytes"));
            return Ok(Observation::NotReached(seen));
        }
        // What Dovecot remembers of the account holds the limit before.
        at.forget(&subject.name).await?;
        let table = at.doveadm.one(Effect::Looks, "quotaGet", json!({ "user": subject.name.as_str() })).await?;
        let counted = Storage::read(&table).limit;
        let reached = counted.is_some_and(|counted| counted / 1024 == self.0 / 1024);
        let seen = match counted {
            Some(counted) => format!("Dovecot counts to {counted} bytes: does its userdb give `quota_rule`?"),
            None => "Dovecot has no limit: is its quota plugin on?".to_owned(),
        };
        Ok(Observation::seen(reached, format!("limit {} bytes", self.0), seen))
    }

    pub(super) async fn apply(self, subject: &Subject, at: &DovecotSystem) -> Result<(), ActionError> {
        at.rewrite(&subject.name, Field::Quota(self.0)).await
    }
}
