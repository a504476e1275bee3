//! What is done with mail that arrives: answers, redirects, and the person's own rules.

use serde_json::Value;

use super::rules::Desk;
use crate::connectors::dovecot::DovecotSystem;
use crate::connectors::dovecot::account::Subject;
use crate::connectors::dovecot::name::is_address;
use crate::connectors::dovecot::scripts::Scripts;
use crate::connectors::dovecot::sieve::{Redirect, Reply, Wishes};
use crate::connectors::looking::Applied;
use crate::connectors::{ActionError, Call, Observation};

/// A setting as it is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Setting {
    /// Every sender is answered once, or none is.
    AutoReply(Option<Reply>),
    /// Mail is sent on, or kept.
    Redirect(Option<Redirect>),
    /// No rule of the person's own acts.
    NoRules,
}

impl Setting {
    pub(super) fn auto_reply(call: &Call) -> Result<Self, ActionError> {
        let text =
            |name: &str| call.text(name).ok_or_else(|| ActionError::fail(format!("`{}` needs `{name}`", call.action)));
        Ok(Self::AutoReply(Some(Reply { subject: text("subject")?, message: text("message")? })))
    }

    pub(super) fn redirect(call: &Call) -> Result<Self, ActionError> {
        let keep_copy = call.with.get("keep_copy").and_then(Value::as_bool).unwrap_or(false);
        Ok(Self::Redirect(Some(Redirect { to: address(call)?, keep_copy })))
    }

    pub(super) async fn observe(&self, subject: &Subject, at: &DovecotSystem) -> Result<Observation, ActionError> {
        let desk = Desk::look_at(&subject.name, at).await?;
        let has = self.is_met(&desk);
        let reached = has && desk.stands();
        let elsewhere = if has { ", and another script acts in its place" } else { "" };
        Ok(match self {
            Self::AutoReply(Some(_)) if has => {
                Observation::seen(reached, "auto-reply on", format!("auto-reply on{elsewhere}"))
            }
            Self::AutoReply(Some(_)) => {
                let other = desk.wishes.auto_reply.is_some();
                Observation::NotReached(if other { "another auto-reply is on" } else { "auto-reply off" }.to_owned())
            }
            Self::AutoReply(None) => Observation::seen(reached, "auto-reply off", "auto-reply on"),
            Self::Redirect(Some(Redirect { keep_copy, .. })) if has => {
                let how = if *keep_copy { "redirect on, keeping a copy" } else { "redirect on, without a copy" };
                Observation::seen(reached, how, format!("{how}{elsewhere}"))
            }
            Self::Redirect(Some(_)) => {
                let other = desk.wishes.redirect.is_some();
                Observation::NotReached(if other { "another redirect is on" } else { "redirect off" }.to_owned())
            }
            Self::Redirect(None) => Observation::seen(reached, "redirect off", "redirect on"),
            Self::NoRules => {
                let seen = format!("a script of the person's own, with {} forwards", desk.own_forwards);
                Observation::seen(has, "no rules of the person's own", seen)
            }
        })
    }

    fn is_met(&self, desk: &Desk) -> bool {
        match self {
            Self::AutoReply(wanted) => desk.wishes.auto_reply == *wanted,
            Self::Redirect(wanted) => desk.wishes.redirect == *wanted,
            Self::NoRules => desk.own().is_none(),
        }
    }

    pub(super) async fn apply(&self, subject: &Subject, at: &DovecotSystem) -> Result<Applied, ActionError> {
        if let Self::Redirect(Some(redirect)) = self
            && redirect.to.eq_ignore_ascii_case(subject.name.as_str())
        {
            return Err(ActionError::fail("an account cannot be its own target"));
        }
        let mut scripts = Scripts::open(at, &subject.name).await?;
        let applied = self.write(&mut scripts).await;
        scripts.close().await;
        applied
    }

    async fn write(&self, scripts: &mut Scripts<'_>) -> Result<Applied, ActionError> {
        let desk = Desk::look(scripts).await?;
        let mut wishes = Wishes { own: desk.own().cloned(), ..desk.wishes.clone() };
        match self {
            Self::AutoReply(wanted) => wishes.auto_reply.clone_from(wanted),
            Self::Redirect(wanted) => wishes.redirect.clone_from(wanted),
            Self::NoRules => {
                let own = wishes.own.take();
                let forwards = desk.own_forwards;
                if desk.active() == own.as_ref().map(|own| own.name.as_str()) && !wishes.act() {
                    scripts.deactivate().await?;
                }
                desk.write(wishes, scripts).await?;
                return Ok(Applied::With(format!("one script was put aside and kept; it had {forwards} forwards")));
            }
        }
        desk.write(wishes, scripts).await.map(|()| Applied::Shows)
    }
}

/// Whom a call's `to` means: an address, or a person with one.
pub(super) fn address(call: &Call) -> Result<String, ActionError> {
    let to = call.with.get("to");
    let text = to.and_then(|to| to.get("email").unwrap_or(to).as_str()).unwrap_or_default().trim();
    match is_address(text) {
        true => Ok(text.to_owned()),
        false => Err(ActionError::fail(format!("`{}` needs an address in `to`", call.action))),
    }
}
