//! From the outbox out of the house: one attempt at a mail or at a message for the webhook, and what its end means.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::MailRoom;
use super::letter::Letter;
use super::transport::Refusal;
use super::webhook::Webhook;
use crate::clock::plus;
use crate::run::settle::backoff;
use crate::store::{Carrier, MailEnd, Store, StoreError, TakenMail};
use crate::workflow::Retry;

/// Mails on their way at once.
const AT_ONCE: usize = 4;

/// How long a mail is tried: servers give up after four to five days (RFC 5321 §4.5.4.1).
const DAYS: Duration = Duration::from_secs(5 * 24 * 3600);

/// Between attempts: doubles from a minute to an hour, spread by a tenth.
const AGAIN: Retry = Retry { max: None, backoff: Duration::from_secs(60), cap: Duration::from_secs(3600) };

/// Who carries what is due out of the house.
#[derive(Clone, Copy, Debug)]
pub(super) enum Courier<'a> {
    Mail(&'a MailRoom),
    Webhook(&'a Webhook),
}

impl MailRoom {
    /// Sends every mail that is due; answers how many attempts there were.
    ///
    /// # Errors
    /// When the database cannot be used; what is in hand then is sent again, with the same Message-ID.
    pub async fn deliver_due(&self, store: &Store) -> Result<usize, StoreError> {
        Courier::Mail(self).deliver_due(store).await
    }

    /// Sends mails that are in hand, a few at a time, beginning none after `time`: those it does not come to are sent
    /// by the sender once their lease is over.
    ///
    /// # Errors
    /// As [`MailRoom::deliver_due`].
    pub async fn deliver_all(&self, store: &Store, taken: &[TakenMail], time: Duration) -> Result<(), StoreError> {
        let began = Instant::now();
        for some in taken.chunks(AT_ONCE) {
            Courier::Mail(self).deliver(store, some).await?;
            if began.elapsed() > time {
                break;
            }
        }
        Ok(())
    }

    /// Sends a letter past the outbox, for `usher mail test`; the server's answer.
    ///
    /// # Errors
    /// Why it was not taken.
    pub async fn send_now(&self, letter: &Letter, now: Timestamp) -> Result<String, Refusal> {
        let id = format!("test.{:016x}", rand::random::<u64>());
        let full_id = format!("<{id}@{}>", self.settings().domain());
        let message = letter.message(self.settings(), &full_id, now).map_err(|why| Refusal::Never(why.to_string()))?;
        self.transport().send(&message, &id).await
    }

    async fn attempt(&self, mail: &TakenMail) -> Result<String, Refusal> {
        let letter = Letter::kept(&mail.to, &mail.subject, mail.body.expose());
        match letter.and_then(|letter| letter.message(self.settings(), &mail.message_id, mail.queued_at)) {
            Ok(message) => self.transport().send(&message, &mail.id.to_string()).await,
            Err(error) => Err(Refusal::Never(error.to_string())),
        }
    }
}

impl Webhook {
    /// Posts every message that is due; answers how many attempts there were.
    ///
    /// # Errors
    /// When the database cannot be used; what is in hand then is posted again, with the same `webhook-id`.
    pub async fn deliver_due(&self, store: &Store) -> Result<usize, StoreError> {
        Courier::Webhook(self).deliver_due(store).await
    }
}

impl Courier<'_> {
    const fn carrier(self) -> Carrier {
        match self {
            Self::Mail(_) => Carrier::Mail,
            Self::Webhook(_) => Carrier::Webhook,
        }
    }

    async fn deliver_due(self, store: &Store) -> Result<usize, StoreError> {
        let mut attempts = 0;
        loop {
            let taken = store.take_mails(self.carrier(), i64::try_from(AT_ONCE).unwrap_or(1)).await?;
            if taken.is_empty() {
                return Ok(attempts);
            }
            attempts += taken.len();
            self.deliver(store, &taken).await?;
        }
    }

    async fn deliver(self, store: &Store, taken: &[TakenMail]) -> Result<(), StoreError> {
        for done in futures::future::join_all(taken.iter().map(|mail| self.deliver_one(store, mail))).await {
            done?;
        }
        Ok(())
    }

    /// One attempt.
    async fn deliver_one(self, store: &Store, mail: &TakenMail) -> Result<(), StoreError> {
        let outcome = match self {
            Self::Mail(room) => room.attempt(mail).await,
            Self::Webhook(webhook) => webhook.attempt(mail).await,
        };
        let (end, carrier) = (end(mail, outcome), self.carrier().as_str());
        match &end {
            MailEnd::Sent(_) => tracing::info!(mail.id, mail.fence, carrier, "a mail was accepted"),
            MailEnd::Later { .. } => {
                tracing::warn!(mail.id, mail.fence, carrier, "a mail was not accepted; it is tried again")
            }
            MailEnd::Failed(_) => {
                tracing::error!(mail.id, mail.fence, carrier, "a mail is given up; `usher mail list` says why")
            }
        }
        // A later attempt has it: what it says counts.
        store.end_mail(mail, &end).await.map(drop)
    }
}

/// What an attempt's outcome means for the mail.
fn end(mail: &TakenMail, outcome: Result<String, Refusal>) -> MailEnd {
    match outcome {
        Ok(words) => MailEnd::Sent(words),
        Err(Refusal::Never(why)) => MailEnd::Failed(why),
        Err(Refusal::Later(why)) => later(mail.id, mail.fence, mail.queued_at, mail.now, why),
    }
}

fn later(id: i64, attempt: i64, queued_at: Timestamp, now: Timestamp, why: String) -> MailEnd {
    let due = plus(now, backoff(&AGAIN, id, 0, attempt));
    if due > plus(queued_at, DAYS) {
        return MailEnd::Failed(format!("{why} (given up after {attempt} attempts in five days)"));
    }
    MailEnd::Later { due, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_tried_for_five_days_ever_more_seldom() {
        let start: Timestamp = "2027-01-29T08:00:00Z".parse().unwrap();
        let (mut now, mut attempt) = (start, 1);
        let gave_up = loop {
            match later(7, attempt, start, now, "busy".into()) {
                MailEnd::Later { due, .. } => {
                    let wait = due.duration_since(now).as_secs();
                    assert!((54..=3960).contains(&wait), "attempt {attempt} waits {wait} s");
                    (now, attempt) = (due, attempt + 1);
                }
                end => break end,
            }
        };
        assert!(now.duration_since(start).as_hours() >= 118 && (120..140).contains(&attempt), "{attempt}");
        assert!(matches!(gave_up, MailEnd::Failed(why) if why.starts_with("busy (given up")));
    }
}
