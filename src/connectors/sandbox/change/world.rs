//! What people and senders do: they sign in, and mail arrives. Nothing of this is asked for by usher.

use serde::{Deserialize, Serialize};

use crate::connectors::sandbox::account::{Folder, SandboxAccount};
use crate::connectors::sandbox::ledger::Entry;
use crate::connectors::sandbox::state::{INBOX, State};
use crate::run::AccountStatus;

/// Bytes of a mail in the simulation.
const MAIL_BYTES: u64 = 40_000;

/// An event that no connector caused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in super::super) enum World {
    /// Somebody signed in; the session that came of it.
    SignIn(String),
    /// A mail arrived, and this became of it.
    Arrive(Delivery),
}

/// What became of one mail.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Who sent it.
    pub from: String,
    /// Mailboxes it lies in now: system and account.
    pub stored: Vec<(String, String)>,
    /// Addresses outside the company it was sent on to.
    pub sent_on: Vec<String>,
    /// Automatic answers that went back.
    pub replies: Vec<Reply>,
    /// Why it was returned to its sender, if it was.
    pub bounced: Option<String>,
}

/// An automatic answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The system of the mailbox that answered.
    pub system: String,
    /// Its account.
    pub account: String,
    /// Subject of the answer.
    pub subject: String,
    /// Whom it says to turn to.
    pub contact: Option<String>,
}

impl World {
    pub(super) fn apply(&self, state: &mut State, entry: &Entry) {
        match self {
            Self::SignIn(session) => {
                if let Some(account) = entry.account.as_deref().and_then(|id| state.account_mut(&entry.system, id)) {
                    account.sessions.insert(session.clone());
                    account.last_sign_in = Some(entry.at);
                }
            }
            Self::Arrive(delivery) => arrive(state, delivery),
        }
    }
}

fn arrive(state: &mut State, delivery: &Delivery) {
    for (system, id) in &delivery.stored {
        if let Some(mailbox) = state.account_mut(system, id).and_then(|account| account.mailbox.as_mut()) {
            let inbox: &mut Folder = mailbox.folders.entry(INBOX.to_owned()).or_default();
            inbox.mails += 1;
            inbox.bytes += MAIL_BYTES;
        }
    }
    for reply in &delivery.replies {
        let account = state.account_mut(&reply.system, &reply.account);
        let mailbox = account.and_then(|account| account.mailbox.as_mut());
        if let Some(answer) = mailbox.and_then(|mailbox| mailbox.auto_reply.as_mut()) {
            answer.answered.insert(delivery.from.clone());
        }
    }
}

impl State {
    fn account_mut(&mut self, system: &str, id: &str) -> Option<&mut SandboxAccount> {
        self.systems.get_mut(system)?.accounts.get_mut(id)
    }

    /// The way a mail from `from` to `to` takes, nothing being changed yet.
    pub(in super::super) fn route(&self, from: &str, to: &str) -> Delivery {
        let mut delivery = Delivery { from: from.to_owned(), ..Delivery::default() };
        match self.mailbox(to) {
            Some((system, account)) if account.status == AccountStatus::Deleted => {
                delivery.bounced = Some(format!("account `{}` on `{system}` is deleted", account.id));
            }
            Some(_) => self.visit(to, &mut delivery, &mut Vec::new()),
            None => delivery.bounced = Some(format!("no mailbox has the address `{to}`")),
        }
        if delivery.bounced.is_none() && delivery.stored.is_empty() && delivery.sent_on.is_empty() {
            delivery.bounced = Some("its redirects go in a circle".to_owned());
        }
        delivery
    }

    /// The mailbox that has `address`, and its system.
    pub(in super::super) fn mailbox(&self, address: &str) -> Option<(&str, &SandboxAccount)> {
        self.systems.values().find_map(|system| {
            let account = system.find(address).filter(|account| account.mailbox.is_some())?;
            Some((system.name.as_str(), account))
        })
    }

    /// One mailbox on the way; `seen` keeps redirects from going in circles.
    fn visit(&self, to: &str, delivery: &mut Delivery, seen: &mut Vec<String>) {
        let Some((system, account)) = self.mailbox(to).filter(|(_, at)| at.status != AccountStatus::Deleted) else {
            delivery.sent_on.push(to.to_owned());
            return;
        };
        let Some(mailbox) = account.mailbox.as_ref().filter(|_| !seen.contains(&account.id)) else { return };
        seen.push(account.id.clone());
        if mailbox.redirect.as_ref().is_none_or(|redirect| redirect.keep_copy) {
            delivery.stored.push((system.to_owned(), account.id.clone()));
        }
        if let Some(answer) = mailbox.auto_reply.as_ref().filter(|answer| !answer.answered.contains(&delivery.from)) {
            delivery.replies.push(Reply {
                system: system.to_owned(),
                account: account.id.clone(),
                subject: answer.subject.clone(),
                contact: answer.contact.clone(),
            });
        }
        let own = mailbox.rules.iter().filter_map(|rule| rule.forward_to.as_ref());
        for next in own.chain(mailbox.redirect.as_ref().map(|redirect| &redirect.to)) {
            self.visit(next, delivery, seen);
        }
    }
}
