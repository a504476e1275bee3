//! A person's Sieve scripts, by ManageSieve where the configuration names it, else by doveadm.

use serde_json::json;

use super::DovecotSystem;
use super::doveadm::{Answer, Doveadm, NOT_FOUND, column};
use super::error::Effect;
use super::managesieve::{ManageSieve, SignIn};
use super::name::UserName;
use crate::connectors::ActionError;
use crate::store;

/// A script by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Script {
    pub(super) name: String,
    /// Whether it is the one that acts.
    pub(super) active: bool,
}

/// The way to one person's scripts.
pub(super) enum Scripts<'a> {
    Wire(Box<ManageSieve<'a>>),
    Doveadm { doveadm: &'a Doveadm, user: &'a UserName },
}

impl<'a> Scripts<'a> {
    pub(super) async fn open(at: &'a DovecotSystem, user: &'a UserName) -> Result<Self, ActionError> {
        let (Some(server), Some(master)) = (&at.settings.sieve, &at.settings.master) else {
            return Ok(Self::Doveadm { doveadm: &at.doveadm, user });
        };
        let password = store::resolve(at.store.as_ref(), &master.password).await;
        let password = password.map_err(|why| ActionError::retry(format!("the password of {}: {why}", master.user)))?;
        let who = SignIn { user: &master.user, password: &password, acts_as: Some(user) };
        Ok(Self::Wire(Box::new(ManageSieve::open(at, server, &who).await?)))
    }

    pub(super) async fn list(&mut self) -> Result<Vec<Script>, ActionError> {
        match self {
            Self::Wire(session) => session.list().await,
            Self::Doveadm { doveadm, user } => {
                let table = doveadm.one(Effect::Looks, "sieveList", json!({ "user": user.as_str() })).await?;
                let names = column(&table, "script").into_iter().zip(column(&table, "active"));
                Ok(names.map(|(name, active)| Script { name, active: active == "ACTIVE" }).collect())
            }
        }
    }

    /// A script's text; `None` where there is none of that name.
    pub(super) async fn get(&mut self, name: &str) -> Result<Option<String>, ActionError> {
        match self {
            Self::Wire(session) => session.get(name).await,
            Self::Doveadm { doveadm, user } => {
                let asked = json!({ "user": user.as_str(), "scriptname": name });
                match doveadm.any(Effect::Looks, "sieveGet", asked).await? {
                    Answer::Refused { code: NOT_FOUND, .. } => Ok(None),
                    answer => {
                        let table = doveadm.done(Effect::Looks, "sieveGet", answer)?;
                        Ok(column(&table, "sieve script").into_iter().next())
                    }
                }
            }
        }
    }

    pub(super) async fn put(&mut self, name: &str, text: &str) -> Result<(), ActionError> {
        match self {
            Self::Wire(session) => session.put(name, text).await,
            Self::Doveadm { doveadm, user } => {
                let asked = json!({ "user": user.as_str(), "scriptname": name, "file": text });
                doveadm.one(Effect::Changes, "sievePut", asked).await.map(drop)
            }
        }
    }

    /// The one script that acts.
    pub(super) async fn activate(&mut self, name: &str) -> Result<(), ActionError> {
        match self {
            Self::Wire(session) => session.activate(name).await,
            Self::Doveadm { doveadm, user } => {
                let asked = json!({ "user": user.as_str(), "scriptname": name });
                doveadm.one(Effect::Changes, "sieveActivate", asked).await.map(drop)
            }
        }
    }

    /// No script acts.
    pub(super) async fn deactivate(&mut self) -> Result<(), ActionError> {
        match self {
            Self::Wire(session) => session.activate("").await,
            Self::Doveadm { doveadm, user } => {
                doveadm.one(Effect::Changes, "sieveDeactivate", json!({ "user": user.as_str() })).await.map(drop)
            }
        }
    }

    /// A script that does not act is there no more.
    pub(super) async fn delete(&mut self, name: &str) -> Result<(), ActionError> {
        match self {
            Self::Wire(session) => session.delete(name).await,
            Self::Doveadm { doveadm, user } => {
                let asked = json!({ "user": user.as_str(), "scriptname": [name] });
                doveadm.one(Effect::Changes, "sieveDelete", asked).await.map(drop)
            }
        }
    }

    pub(super) async fn close(self) {
        if let Self::Wire(session) = self {
            session.close().await;
        }
    }
}
