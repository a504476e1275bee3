//! Handing credentials over: the system makes them, usher brings them to whoever is to have them, and nowhere else.
//!
//! A link goes by mail: to the person's private address, else to their manager for handing over, never to the mailbox
//! that it opens. A first password is kept sealed until somebody opens it. Neither is ever in the journal, in a log or
//! in evidence.

use super::Engine;
use super::post::{key, outage};
use crate::connectors::{ActionError, Call, Connector, Credential};
use crate::mail::{Addressee, Facts};
use crate::run::book::public_id;
use crate::run::settle::Outcome;
use crate::run::{Account, Evidence, EvidenceKind, HoldReason, NO_MAIL, Person};
use crate::store::{Claim, Scene, StoreError};
use crate::workflow::Params;
use crate::workflow::params::{CredentialsMethod, Recipient, ResetMethod};

/// What is handed over, how.
struct Order {
    /// The template of the mail; none for what is kept sealed.
    template: Option<&'static str>,
    to: Option<Recipient>,
}

impl Engine {
    /// One attempt at `credentials.send`, or at `password.reset` by link; `None` for anything else.
    pub(super) async fn hand_over(&self, claim: &Claim, connector: &Connector, call: &Call) -> Option<Outcome> {
        let order = order(claim)?;
        Some(outage(match order.template {
            Some(template) => self.by_mail(claim, connector, call, template, order.to.as_ref()).await,
            None => self.sealed(claim, connector, call, order.to.as_ref()).await,
        }))
    }

    async fn by_mail(
        &self,
        claim: &Claim,
        connector: &Connector,
        call: &Call,
        template: &str,
        to: Option<&Recipient>,
    ) -> Result<Outcome, StoreError> {
        let Some(room) = self.mail() else {
            let what = format!("{NO_MAIL}: a link cannot be sent; `method: sealed` needs no mail");
            return Ok(Outcome::Held(HoldReason::Missing(what)));
        };
        let posted = self.ask(self.store().mails_of_step(claim.run, claim.ordinal)).await?;
        if !posted.is_empty() {
            return self.send_step(room, claim, &posted, &[]).await;
        }
        let scene = self.ask(self.store().scene(claim.run, claim.ordinal)).await?;
        let (to, by_hand) = match self.receiver(&scene, claim.account.as_ref(), to).await? {
            Ok(found) => found,
            Err(why) => return Ok(Outcome::Held(HoldReason::Missing(why))),
        };
        let link = match super::execute::within(claim.timeout, connector.issue(call, Credential::Link)).await {
            Ok(issued) => issued.secret,
            Err(error) => return Ok(refused(error)),
        };
        let facts = Facts { link: Some(link), by_hand, ..Facts::of(&scene.scope) };
        // A welcome is for the person; whoever hands a link over gets the words for that.
        let template = if by_hand && template == "welcome" { "setup-link" } else { template };
        let letter = match room.write(&to, template, &facts) {
            Ok(letter) => letter,
            Err(why) => return Ok(Outcome::Held(HoldReason::Missing(why.to_string()))),
        };
        let mail = room.mail(key(claim, &to.email), template, &letter, Some((claim.run, claim.ordinal)));
        self.send_step(room, claim, &[], &[mail]).await
    }

    /// Who is to have the link, and whether only to hand it over.
    async fn receiver(
        &self,
        scene: &Scene,
        account: Option<&Account>,
        to: Option<&Recipient>,
    ) -> Result<Result<(Addressee, bool), String>, StoreError> {
        let private = scene.person.as_ref().and_then(|person| Some((person, person.private_email.clone()?)));
        let found = match (to, private) {
            (Some(to), _) => self.addressee(to).await?.map(|found| {
                let by_hand = !belongs_to(&found.email, scene.person.as_ref());
                (found, by_hand)
            }),
            (None, Some((person, email))) => Some((Addressee::person(person, email), false)),
            (None, None) => Self::manager_of(scene).map(|manager| (manager, true)),
        };
        let Some((to, by_hand)) = found else {
            let why =
                "neither a private address nor a manager with an address is known; give `to`, or use `method: sealed`";
            return Ok(Err(why.to_owned()));
        };
        if account.is_some_and(|account| opens(account, &to.email)) {
            return Ok(Err("the link would go to the mailbox that it opens; give another `to`".to_owned()));
        }
        Ok(Ok((to, by_hand)))
    }

    async fn sealed(
        &self,
        claim: &Claim,
        connector: &Connector,
        call: &Call,
        to: Option<&Recipient>,
    ) -> Result<Outcome, StoreError> {
        let command = format!("usher credentials open {} {}", public_id(claim.run), claim.label);
        let done = |found: &str| {
            let detail = format!("{found}kept sealed; `{command}` shows them once");
            Outcome::Done(Evidence { kind: EvidenceKind::Acknowledged, detail })
        };
        if self.ask(self.store().keeps_credentials(claim.run, claim.ordinal)).await? {
            // An attempt that was cut has perhaps told nobody of them; each is told once.
            self.tell_of_sealed(claim, &command, to).await?;
            return Ok(done("found done: "));
        }
        let password = self.new_password(claim)?;
        match super::execute::within(claim.timeout, connector.issue(call, Credential::Password(&password))).await {
            Ok(_) => {}
            Err(error) => return Ok(refused(error)),
        }
        self.ask(self.store().keep_credentials(claim.run, claim.ordinal, &password)).await?;
        self.tell_of_sealed(claim, &command, to).await?;
        Ok(done(""))
    }

    /// Tells whoever hands them over. The credentials are there without it, so nothing waits for this mail.
    async fn tell_of_sealed(&self, claim: &Claim, command: &str, to: Option<&Recipient>) -> Result<(), StoreError> {
        let Some(room) = self.mail() else { return Ok(()) };
        let scene = self.ask(self.store().scene(claim.run, claim.ordinal)).await?;
        let to = match to {
            Some(to) => self.addressee(to).await?,
            None => Self::manager_of(&scene),
        };
        let to = to.map_or_else(|| room.administrators(), |to| vec![to]);
        let facts = Facts { command: Some(format!("{command} --reason 'handed over'")), ..Facts::of(&scene.scope) };
        let mut mails = Vec::new();
        for to in to {
            match room.write(&to, "credentials-sealed", &facts) {
                Ok(letter) => {
                    let step = Some((claim.run, claim.ordinal));
                    mails.push(room.mail(key(claim, &to.email), "credentials-sealed", &letter, step));
                }
                Err(error) => tracing::warn!(%error, "nobody is told of sealed credentials"),
            }
        }
        self.ask(self.store().post(&mails)).await
    }
}

fn order(claim: &Claim) -> Option<Order> {
    match Params::from_json(claim.action, &claim.with).ok()? {
        Params::Credentials(params) => Some(Order {
            template: match params.method {
                CredentialsMethod::SetupLink => Some("setup-link"),
                CredentialsMethod::WelcomeMail => Some("welcome"),
                CredentialsMethod::Sealed => None,
            },
            to: params.to,
        }),
        Params::Reset(params) if params.method == ResetMethod::Link => {
            Some(Order { template: Some("password-reset"), to: params.to })
        }
        _ => None,
    }
}

/// A system that was asked twice has made two links, or two passwords: the later one is the one that is handed over.
fn refused(error: ActionError) -> Outcome {
    match error {
        ActionError::Retry { reason, after } => Outcome::Retry { reason, after },
        ActionError::Fail { reason } => Outcome::Failed(reason),
        ActionError::Unknown { reason } => Outcome::Unknown(reason),
    }
}

fn belongs_to(email: &str, person: Option<&Person>) -> bool {
    let own = |address: &Option<String>| address.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(email));
    person.is_some_and(|person| own(&person.email) || own(&person.private_email))
}

/// Whether mail to this address arrives in the account.
fn opens(account: &Account, email: &str) -> bool {
    let attribute = account.attributes.get("email").and_then(serde_json::Value::as_str);
    let aliases = account.attributes.get("aliases").and_then(serde_json::Value::as_array);
    let aliases = aliases.into_iter().flatten().filter_map(serde_json::Value::as_str);
    attribute.into_iter().chain(aliases).chain([account.login.as_str()]).any(|own| own.eq_ignore_ascii_case(email))
}
