//! The lock, open sessions, and whether a way in is left.

use std::time::Duration;

use serde_json::{Value, json};

use super::rules::Desk;
use crate::clock;
use crate::connectors::dovecot::DovecotSystem;
use crate::connectors::dovecot::account::Subject;
use crate::connectors::dovecot::doveadm::{Answer, NOT_FOUND};
use crate::connectors::dovecot::error::Effect;
use crate::connectors::dovecot::name::UserName;
use crate::connectors::looking::in_doubt;
use crate::connectors::{ActionError, Observation};

/// How often, and how long apart, it is looked whether ended sessions are gone.
const LOOKS: u32 = 20;
const BETWEEN: Duration = Duration::from_millis(100);

/// Each sets a state: asking twice is asking once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// No sign-in from now on. Sessions that are open stay so, and mail goes on arriving.
    Close,
    /// Sign-in again.
    Open,
    /// No open sessions.
    EndSessions,
    /// A look: nobody can sign in, nobody is signed in, and no rule of the person's own sends mail on.
    NoWayIn,
}

impl Access {
    pub(super) async fn observe(self, subject: &Subject, at: &DovecotSystem) -> Result<Observation, ActionError> {
        let (shut, open) = ("sign-in is refused", "sign-in is allowed");
        Ok(match self {
            Self::Close => {
                // What Dovecot remembers of an earlier sign-in would let in without asking.
                at.forget(&subject.name).await?;
                Observation::seen(subject.closed, shut, open)
            }
            Self::Open => {
                at.forget(&subject.name).await?;
                Observation::seen(!subject.closed, open, shut)
            }
            Self::EndSessions => {
                let count = at.sessions(&subject.name).await?;
                Observation::seen(count == 0, "no open sessions", format!("{count} open sessions"))
            }
            Self::NoWayIn => no_way_in(subject, at).await?,
        })
    }

    pub(super) async fn apply(self, subject: &Subject, at: &DovecotSystem) -> Result<(), ActionError> {
        match self {
            Self::Close => at.deny(&subject.name, true).await,
            Self::Open if subject.is_put_away() => {
                Err(ActionError::fail(format!("the account is deleted on {}: restore it before enabling it", at.name)))
            }
            Self::Open => at.deny(&subject.name, false).await,
            Self::EndSessions => at.end_sessions(&subject.name).await,
            Self::NoWayIn => Ok(()),
        }
    }
}

async fn no_way_in(subject: &Subject, at: &DovecotSystem) -> Result<Observation, ActionError> {
    let mut open = Vec::new();
    if at.settings.locks() && !subject.closed {
        open.push("sign-in is allowed".to_owned());
    }
    let sessions = at.sessions(&subject.name).await?;
    if sessions > 0 {
        open.push(format!("{sessions} open sessions"));
    }
    let forwards = Desk::look_at(&subject.name, at).await?.own_forwards;
    if forwards > 0 {
        open.push(format!("{forwards} forwards of the person's own"));
    }
    let lock = if at.settings.locks() { "sign-in is refused, " } else { "" };
    Ok(Observation::seen(open.is_empty(), format!("{lock}no sessions, no forwards"), open.join(", ")))
}

impl DovecotSystem {
    /// How many sessions are open, on all services.
    pub(super) async fn sessions(&self, name: &UserName) -> Result<u64, ActionError> {
        let table = self.doveadm.one(Effect::Looks, "who", json!({ "mask": [name.as_str()] })).await?;
        let rows = table.as_array().map(Vec::as_slice).unwrap_or_default();
        let own = rows.iter().filter(|row| row.get("username").and_then(Value::as_str) == Some(name.as_str()));
        Ok(own
            .map(|row| row.get("connections").and_then(Value::as_str).and_then(|n| n.parse().ok()).unwrap_or(1))
            .sum())
    }

    /// Ends them, and waits for them to be gone.
    async fn end_sessions(&self, name: &UserName) -> Result<(), ActionError> {
        match self.doveadm.any(Effect::Changes, "kick", json!({ "mask": [name.as_str()] })).await? {
            // They have ended meanwhile.
            Answer::Refused { code: NOT_FOUND, .. } => return Ok(()),
            answer => self.doveadm.done(Effect::Changes, "kick", answer)?,
        };
        for _ in 0..LOOKS {
            if self.sessions(name).await.map_err(in_doubt)? == 0 {
                return Ok(());
            }
            clock::pause(BETWEEN).await;
        }
        Ok(())
    }
}
