//! Settings of one mailbox: answers, redirects, rules, delegation.

use serde::{Deserialize, Serialize};

use super::{read_back, seen};
use crate::connectors::sandbox::account::{AutoReply, Mailbox, Redirect, SandboxAccount};
use crate::connectors::sandbox::request::Request;
use crate::connectors::{ActionError, Observation};

/// A change of a mailbox's settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in super::super) enum MailSetting {
    /// Answers every sender once.
    AutoReply(AutoReply),
    /// Answers nobody.
    ClearAutoReply,
    /// Sends arriving mail on.
    Redirect(Redirect),
    /// Keeps arriving mail.
    ClearRedirect,
    /// No rules of the holder's own.
    ClearRules,
    /// This address may read along.
    Delegate(String),
    /// This address (or nobody) may read along any more.
    Undelegate(Option<String>),
}

impl MailSetting {
    pub(super) fn auto_reply(ask: Request<'_>) -> Result<Self, ActionError> {
        Ok(Self::AutoReply(AutoReply {
            subject: ask.required(&["subject"])?,
            message: ask.text(&["message", "body", "text"]),
            template: ask.text(&["template"]),
            contact: ask.text(&["contact"]).or_else(|| ask.address(&["contact"]).ok()),
            answered: std::collections::BTreeSet::new(),
        }))
    }

    pub(super) fn redirect(ask: Request<'_>) -> Result<Self, ActionError> {
        let keep_copy = ask.flag("keep_copy").unwrap_or(false);
        Ok(Self::Redirect(Redirect { to: ask.address(&["to"])?, keep_copy }))
    }

    pub(super) fn delegate(ask: Request<'_>) -> Result<Self, ActionError> {
        Ok(Self::Delegate(ask.address(&["to", "delegate"])?))
    }

    pub(super) fn undelegate(ask: Request<'_>) -> Result<Self, ActionError> {
        let names = ["to", "delegate"];
        let named = names.iter().any(|name| ask.0.with.get(*name).is_some_and(|value| !value.is_null()));
        Ok(Self::Undelegate(if named { Some(ask.address(&names)?) } else { None }))
    }

    pub(super) fn check(&self, account: &SandboxAccount) -> Result<(), ActionError> {
        let target = match self {
            Self::Redirect(redirect) => &redirect.to,
            Self::Delegate(to) => to,
            _ => return Ok(()),
        };
        if account.answers_to(target) {
            return Err(ActionError::fail(format!("account `{}` cannot be its own target", account.id)));
        }
        Ok(())
    }

    pub(super) fn observe(&self, account: &SandboxAccount) -> Observation {
        let Some(mailbox) = &account.mailbox else {
            return Observation::NotReached("the account has no mailbox".to_owned());
        };
        match self {
            Self::AutoReply(wanted) => match &mailbox.auto_reply {
                Some(present) if present.says_the_same(wanted) => read_back("auto-reply on"),
                Some(_) => Observation::NotReached("another auto-reply is on".to_owned()),
                None => Observation::NotReached("auto-reply off".to_owned()),
            },
            Self::ClearAutoReply => seen(mailbox.auto_reply.is_none(), "auto-reply off", "auto-reply on"),
            Self::Redirect(wanted) => observe_redirect(mailbox, wanted),
            Self::ClearRedirect => seen(mailbox.redirect.is_none(), "redirect off", "redirect on"),
            Self::ClearRules => {
                let count = mailbox.rules.len();
                seen(count == 0, "no rules", format!("{count} rules"))
            }
            Self::Delegate(to) => seen(mailbox.delegates.contains(to), "delegated", "not delegated"),
            Self::Undelegate(Some(to)) => seen(!mailbox.delegates.contains(to), "not delegated", "delegated"),
            Self::Undelegate(None) => seen(mailbox.delegates.is_empty(), "not delegated", "delegated"),
        }
    }

    pub(super) fn apply(&self, account: &mut SandboxAccount) {
        let Some(mailbox) = &mut account.mailbox else { return };
        match self {
            Self::AutoReply(wanted) => mailbox.auto_reply = Some(wanted.clone()),
            Self::ClearAutoReply => mailbox.auto_reply = None,
            Self::Redirect(wanted) => mailbox.redirect = Some(wanted.clone()),
            Self::ClearRedirect => mailbox.redirect = None,
            Self::ClearRules => mailbox.rules.clear(),
            Self::Delegate(to) => {
                mailbox.delegates.insert(to.clone());
            }
            Self::Undelegate(Some(to)) => {
                mailbox.delegates.remove(to);
            }
            Self::Undelegate(None) => mailbox.delegates.clear(),
        }
    }
}

fn observe_redirect(mailbox: &Mailbox, wanted: &Redirect) -> Observation {
    match &mailbox.redirect {
        Some(present) if present == wanted => {
            read_back(if wanted.keep_copy { "redirect on, keeping a copy" } else { "redirect on, without a copy" })
        }
        Some(_) => Observation::NotReached("another redirect is on".to_owned()),
        None => Observation::NotReached("redirect off".to_owned()),
    }
}

impl AutoReply {
    /// The same words, whoever has had them by now.
    fn says_the_same(&self, other: &Self) -> bool {
        let words = |reply: &Self| {
            (reply.subject.clone(), reply.message.clone(), reply.template.clone(), reply.contact.clone())
        };
        words(self) == words(other)
    }
}
