//! The record cannot be written. Nothing can be posted then, so it is told past the outbox, out of this process's memory:
//! once per outage to each who is to hear of it, and an all-clear afterwards, which is posted like any other.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Engine;
use super::reminders::{day, mail};
use crate::clock::Clock;
use crate::mail::{Addressee, Facts, MailRoom, Problem};
use crate::store::StoreError;

/// So long the record must have been out of reach before somebody is told: a restart of the database is no alarm.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How soon those are tried again whom nothing has reached.
const AGAIN_MS: i64 = 60_000;

/// What this process knows of the present outage.
#[derive(Debug, Default)]
pub struct Outage {
    present: Option<Present>,
}

#[derive(Debug)]
struct Present {
    /// By the steady clock, in milliseconds.
    since: i64,
    began: Timestamp,
    /// When telling is tried next, by the steady clock.
    next: i64,
    why: String,
    /// Stays the same in every message about it.
    id: String,
    /// Who has been reached: addresses, and `webhook`.
    told: BTreeSet<String>,
}

impl Outage {
    /// Whether the record is out of reach at present, for so long that somebody is told.
    fn is_due(&self, steady: i64) -> bool {
        self.present.as_ref().is_some_and(|present| {
            steady.saturating_sub(present.since) >= i64::try_from(PATIENCE.as_millis()).unwrap_or(i64::MAX)
                && steady >= present.next
        })
    }

    fn goes_on(&mut self, why: String, steady: i64, now: Timestamp) {
        match &mut self.present {
            Some(present) => present.why = why,
            None => {
                let id = format!("record_{:016x}", rand::random::<u64>());
                self.present =
                    Some(Present { since: steady, began: now, next: steady, why, id, told: BTreeSet::new() });
            }
        }
    }
}

impl Engine {
    /// Takes note of whether the record could be written just now, and tells what must be told. `steady` is a clock that
    /// goes on evenly, in milliseconds.
    pub async fn watch_record(&self, outage: &mut Outage, failure: Option<&StoreError>, steady: i64) {
        let now = Clock::System.now();
        match failure {
            Some(error) => {
                outage.goes_on(error.to_string(), steady, now);
                if outage.is_due(steady)
                    && let Some(present) = &mut outage.present
                {
                    present.next = steady.saturating_add(AGAIN_MS);
                    self.tell_outage(present, now).await;
                }
            }
            None => {
                let Some(present) = &outage.present else { return };
                match self.tell_its_end(present).await {
                    Ok(()) => outage.present = None,
                    Err(error) => tracing::warn!(%error, "that the record can be written again is told later"),
                }
            }
        }
    }

    async fn tell_outage(&self, present: &mut Present, now: Timestamp) {
        let facts = Facts { urgent: 1, problems: vec![self.problem(present, "usher doctor")], ..Facts::default() };
        if let Some(room) = self.mail() {
            for to in room.administrators() {
                if present.told.contains(&to.email) {
                    continue;
                }
                match send(room, &to, &facts, now).await {
                    Ok(()) => drop(present.told.insert(to.email)),
                    Err(why) => {
                        tracing::error!(why, "an administrator could not be told that the record cannot be written")
                    }
                }
            }
        }
        if let Some(webhook) = self.webhook().filter(|_| !present.told.contains("webhook")) {
            let id = format!("msg_{}", present.id);
            match webhook.send_as(&id, "alert.opened", present.began, &data(present), now).await {
                Ok(_) => drop(present.told.insert("webhook".to_owned())),
                Err(why) => tracing::error!(%why, "the webhook could not be told that the record cannot be written"),
            }
        }
    }

    /// Only who heard of the beginning hears of the end.
    async fn tell_its_end(&self, present: &Present) -> Result<(), StoreError> {
        if present.told.is_empty() {
            return Ok(());
        }
        let now = self.store().now().await?;
        let facts = Facts { gone: vec![self.problem(present, "")], ..Facts::default() };
        let mut mails = Vec::new();
        if let Some(room) = self.mail() {
            let told = room.administrators().into_iter().filter(|to| present.told.contains(&to.email));
            mails.extend(told.filter_map(|to| mail(room, "alert", &to, &facts, now)));
        }
        if let Some(webhook) = self.webhook().filter(|_| present.told.contains("webhook")) {
            let key = format!("alert.closed/{}", present.id);
            mails.push(webhook.message(key, "alert.closed", Clock::System.now(), &data(present)));
        }
        self.store().post(&mails).await
    }

    fn problem(&self, present: &Present, command: &str) -> Problem {
        Problem {
            what: format!("the record cannot be written, and nothing is started until it can: {}", present.why),
            command: command.to_owned(),
            since: day(present.began, &self.own_zone()),
        }
    }
}

/// The words of the database are left out: they may name what is nobody else's business.
fn data(present: &Present) -> Value {
    json!({ "alert": format!("alert_{}", present.id), "kind": "record_unwritable", "urgent": true,
        "since": present.began.to_string() })
}

async fn send(room: &MailRoom, to: &Addressee, facts: &Facts, now: Timestamp) -> Result<(), String> {
    let letter = room.write(to, "alert", facts).map_err(|why| why.to_string())?;
    room.send_now(&letter, now).await.map(drop).map_err(|why| why.to_string())
}
