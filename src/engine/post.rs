//! `notify.email`: whom a step means, what they read, and when it may be called done.
//!
//! A step's mails are posted once, under keys made of run, step and address, and the step is done when the server has
//! accepted every one of them. An attempt that comes again finds what is posted and posts nothing more.

use std::collections::BTreeSet;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::Engine;
use crate::mail::{Addressee, Facts, MailRoom};
use crate::run::book::public_id;
use crate::run::settle::Outcome;
use crate::run::{Evidence, EvidenceKind, HoldReason, NO_MAIL};
use crate::store::{Claim, MailRow, NewMail, Scene, Store, StoreError};
use crate::workflow::Params;
use crate::workflow::params::{Addressees, Recipient, Recipients};

/// Kept free for writing down what came of it.
const MARGIN: Duration = Duration::from_secs(5);

impl Engine {
    /// One attempt at `notify.email`.
    pub(super) async fn notify(&self, claim: &Claim) -> Outcome {
        let Some(room) = self.mail() else { return Outcome::Held(HoldReason::Missing(NO_MAIL.to_owned())) };
        outage(self.try_notify(room, claim).await)
    }

    async fn try_notify(&self, room: &MailRoom, claim: &Claim) -> Result<Outcome, StoreError> {
        let posted = self.ask(self.store().mails_of_step(claim.run, claim.ordinal)).await?;
        if !posted.is_empty() {
            return self.send_step(room, claim, &posted, &[]).await;
        }
        let params = match Params::from_json(claim.action, &claim.with) {
            Ok(Params::Mail(params)) => params,
            Ok(_) => return Ok(Outcome::Failed("this is no mail".to_owned())),
            Err(why) => return Ok(Outcome::Failed(why)),
        };
        let to = match self.addressees(room, &params.to).await? {
            Ok(to) => to,
            Err(why) => return Ok(Outcome::Failed(why)),
        };
        let scene = self.ask(self.store().scene(claim.run, claim.ordinal)).await?;
        let mut mails = Vec::with_capacity(to.len());
        for to in &to {
            let written = match (&params.template, &params.message) {
                (Some(name), _) => room.write(to, name, &Facts::of(&scene.scope)),
                (None, words) => {
                    let title = &scene.book.run.workflow.title;
                    let subject = params.subject.as_deref().unwrap_or(title);
                    room.write_words(to, subject, words.as_deref().unwrap_or_default())
                }
            };
            let letter = match written {
                Ok(letter) => letter.with_subject(params.subject.as_deref()),
                Err(why) => return Ok(Outcome::Held(HoldReason::Missing(why.to_string()))),
            };
            let kind = params.template.as_deref().unwrap_or("message");
            mails.push(room.mail(key(claim, &to.email), kind, &letter, Some((claim.run, claim.ordinal))));
        }
        self.send_step(room, claim, &[], &mails).await
    }

    /// Posts a step's mails, sends what can be sent now, and says where they stand.
    pub(super) async fn send_step(
        &self,
        room: &MailRoom,
        claim: &Claim,
        posted: &[MailRow],
        new: &[NewMail],
    ) -> Result<Outcome, StoreError> {
        let store = self.store();
        // The step is tried again: so is what was given up.
        for given_up in posted.iter().filter(|mail| mail.state == "failed") {
            store.retry_mail(given_up.id).await?;
        }
        let taken = store.post_of_step(claim.run, claim.ordinal, new).await?;
        room.deliver_all(store, &taken, claim.timeout.saturating_sub(MARGIN)).await?;
        Ok(standing(&store.mails_of_step(claim.run, claim.ordinal).await?, store).await)
    }

    /// Everybody that a step means, each address once.
    async fn addressees(
        &self,
        room: &MailRoom,
        recipients: &Recipients,
    ) -> Result<Result<Vec<Addressee>, String>, StoreError> {
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for recipient in &recipients.0 {
            match recipient {
                Addressees::Administrators if room.settings().administrators.is_empty() => {
                    missing.push("[mail] names no administrators".to_owned());
                }
                Addressees::Administrators => {
                    for to in room.administrators() {
                        found.push(self.known(to).await?);
                    }
                }
                Addressees::Everybody => found.extend(self.everybody().await?),
                Addressees::One(recipient) => match self.addressee(recipient).await? {
                    Some(to) => found.push(to),
                    None => missing.push(format!("no mail address is known of {}", name(recipient))),
                },
            }
        }
        let mut seen = BTreeSet::new();
        found.retain(|to| seen.insert(to.email.to_lowercase()));
        Ok(if found.is_empty() { Err(missing.join("; ")) } else { Ok(found) })
    }

    /// Everybody employed who has an address.
    async fn everybody(&self) -> Result<Vec<Addressee>, StoreError> {
        let people = self.ask(self.store().people(None)).await?;
        let employed = people.iter().filter(|person| person.status.is_employed());
        Ok(employed.filter_map(|person| Some(Addressee::person(person, person.email.clone()?))).collect())
    }

    /// The recipient with address, name and language, as far as known; `None` where there is no address.
    pub(super) async fn addressee(&self, recipient: &Recipient) -> Result<Option<Addressee>, StoreError> {
        if let Some(number) = &recipient.employee_number
            && let Some(person) = self.ask(self.store().person(number)).await?
        {
            let email = recipient.email.clone().or_else(|| person.email.clone());
            return Ok(email.map(|email| Addressee::person(&person, email)));
        }
        match &recipient.email {
            Some(email) => Ok(Some(self.known(Addressee::unknown(email)).await?)),
            None => Ok(None),
        }
    }

    /// Whose address it is, where that is known.
    pub(super) async fn known(&self, to: Addressee) -> Result<Addressee, StoreError> {
        let person = self.ask(self.store().person_at(&to.email)).await?;
        Ok(person.map_or_else(|| to.clone(), |person| Addressee::person(&person, &to.email)))
    }

    /// The manager of a scene's person, at their address.
    pub(super) fn manager_of(scene: &Scene) -> Option<Addressee> {
        let manager = scene.manager.as_ref()?;
        Some(Addressee::person(manager, manager.email.clone()?))
    }
}

/// The key of a step's mail to somebody: the address itself stays sealed.
pub(super) fn key(claim: &Claim, email: &str) -> String {
    let digest = Sha256::digest(email.to_lowercase().as_bytes());
    format!("{}/{}/{}", public_id(claim.run), claim.label, hex::encode(&digest[..12]))
}

fn name(recipient: &Recipient) -> &str {
    recipient.employee_number.as_deref().or(recipient.email.as_deref()).unwrap_or("nobody")
}

/// Done when every mail is accepted; failed when one is given up; else later, when the outbox has tried again.
async fn standing(mails: &[MailRow], store: &Store) -> Outcome {
    let answer = |mail: &MailRow| mail.answer.clone().unwrap_or_else(|| "not tried yet".to_owned());
    let in_state = |state: &str| mails.iter().filter(|mail| mail.state == state).collect::<Vec<_>>();
    let (sent, failed, queued) = (in_state("sent"), in_state("failed"), in_state("queued"));
    if let Some(first) = failed.first() {
        return Outcome::Failed(format!("{} of {} mails refused: {}", failed.len(), mails.len(), answer(first)));
    }
    if let Some(first) = queued.first() {
        let next = queued.iter().filter_map(|mail| mail.due_at).min();
        let now = store.now().await.map(|now| now.as_millisecond());
        let after =
            next.zip(now.ok()).map(|(due, now)| Duration::from_millis(due.saturating_sub(now).max(0).unsigned_abs()));
        let reason = format!("{} of {} mails not accepted yet: {}", queued.len(), mails.len(), answer(first));
        return Outcome::Retry { reason, after };
    }
    let Some(last) = sent.last() else { return Outcome::NotApplicable("nobody to write to".to_owned()) };
    let many = if sent.len() > 1 { format!("{} mails, the last ", sent.len()) } else { String::new() };
    let detail = format!("{many}{}, Message-ID {}", answer(last), last.message_id);
    Outcome::Done(Evidence { kind: EvidenceKind::Acknowledged, detail })
}

/// The outbox is in the database: while that is away nothing was sent that is not written down as posted.
pub(super) fn outage(outcome: Result<Outcome, StoreError>) -> Outcome {
    outcome.unwrap_or_else(|error| Outcome::Retry { reason: error.to_string(), after: None })
}
