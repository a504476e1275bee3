//! Who reads along: rights on the folders there are (RFC 4314). Whom usher let in is noted in its script, before they get
//! any right: so it takes back what it gave, and not what the person shares of their own will.

use super::rules::Desk;
use super::settings::address;
use crate::connectors::dovecot::DovecotSystem;
use crate::connectors::dovecot::account::Subject;
use crate::connectors::dovecot::name::UserName;
use crate::connectors::dovecot::scripts::Scripts;
use crate::connectors::looking::in_doubt;
use crate::connectors::{ActionError, Call, Observation};

/// Who is to read along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sharing {
    /// This colleague too.
    With(UserName),
    /// Nobody whom usher let in.
    Nobody,
}

impl Sharing {
    pub(super) fn with(call: &Call) -> Result<Self, ActionError> {
        let to = address(call)?.to_lowercase();
        let none = || ActionError::fail(format!("`{to}` is no account of a mail host"));
        UserName::parse(&to).map(Self::With).ok_or_else(none)
    }

    pub(super) async fn observe(&self, subject: &Subject, at: &DovecotSystem) -> Result<Observation, ActionError> {
        match self {
            Self::With(reader) => {
                let open = at.folders_where(&subject.name, reader, false).await?;
                Ok(Observation::seen(open.is_empty(), "delegated", format!("{} folders are not shared", open.len())))
            }
            Self::Nobody => {
                let noted = Desk::look_at(&subject.name, at).await?.wishes.delegates.len();
                Ok(Observation::seen(noted == 0, "not delegated", format!("delegated to {noted}")))
            }
        }
    }

    /// Looks at everything first: a change that is cut in its middle is seen as one that is not done.
    pub(super) async fn apply(&self, subject: &Subject, at: &DovecotSystem) -> Result<(), ActionError> {
        let mut scripts = Scripts::open(at, &subject.name).await?;
        let applied = match self {
            Self::With(reader) => let_in(reader, subject, at, &mut scripts).await,
            Self::Nobody => let_out(subject, at, &mut scripts).await,
        };
        scripts.close().await;
        applied
    }
}

async fn let_in(
    reader: &UserName,
    subject: &Subject,
    at: &DovecotSystem,
    scripts: &mut Scripts<'_>,
) -> Result<(), ActionError> {
    if *reader == subject.name {
        return Err(ActionError::fail("an account cannot be its own target"));
    }
    if at.find(reader).await?.is_none() {
        return Err(ActionError::fail(format!("the colleague has no account on {}", at.name)));
    }
    let open = at.folders_where(&subject.name, reader, false).await?;
    let desk = Desk::look(scripts).await?;
    let mut wishes = desk.wishes.clone();
    if wishes.delegates.insert(reader.to_string()) {
        desk.write(wishes, scripts).await?;
    }
    at.share(&subject.name, reader, &open).await.map_err(in_doubt)
}

async fn let_out(subject: &Subject, at: &DovecotSystem, scripts: &mut Scripts<'_>) -> Result<(), ActionError> {
    let desk = Desk::look(scripts).await?;
    let mut shared = Vec::new();
    for reader in desk.wishes.delegates.iter().filter_map(|reader| UserName::parse(reader)) {
        let folders = at.folders_where(&subject.name, &reader, true).await?;
        shared.push((reader, folders));
    }
    for (reader, folders) in shared {
        at.unshare(&subject.name, &reader, &folders).await?;
    }
    let mut wishes = desk.wishes.clone();
    wishes.delegates.clear();
    desk.write(wishes, scripts).await.map_err(in_doubt)
}
