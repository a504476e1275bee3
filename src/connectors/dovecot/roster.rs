//! Where accounts are kept, seen as one: lines of a passwd-file, or rows of a table.

use std::path::Path;

use super::file::{self, Turn};
use super::name::UserName;
use super::note::Note;
use super::passwd::{self, Entry};
use super::table::Table;
use crate::connectors::ActionError;

/// Accounts on one page.
pub(super) const PAGE: usize = 100;

/// What is held of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// What usher has noted.
    pub(super) note: Note,
    /// The digest of the key that made it, whole.
    pub(super) made_by: Option<String>,
    /// The storage limit of its own, in bytes.
    pub(super) quota: Option<u64>,
    /// Whether it may sign in, where that is said here and not in a file of those who may not.
    pub(super) open: Option<bool>,
}

/// Some accounts, in the order of their names.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) accounts: Vec<(UserName, Held)>,
    /// Where the next page begins.
    pub(super) next: Option<String>,
}

/// A field of an account as it is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// The hash of another password, with its scheme.
    Password(String),
    /// The storage limit, in bytes.
    Quota(u64),
    /// Whether it waits for its purge.
    Deleted(bool),
    /// Whether it may sign in.
    Open(bool),
}

/// An account that is to be there.
#[derive(Clone, Debug)]
pub(super) struct New {
    pub(super) name: UserName,
    /// The hash of its password, with its scheme.
    pub(super) hash: String,
    pub(super) note: Note,
    pub(super) quota: Option<u64>,
    pub(super) open: bool,
}

/// An account store that usher changes.
#[derive(Clone, Copy)]
pub(super) enum Roster<'a> {
    Lines(&'a Path, &'a Turn),
    Rows(&'a Table),
}

impl Roster<'_> {
    /// The account of this name.
    ///
    /// # Errors
    /// A final failure where there are two: nobody knows which of them Dovecot takes.
    pub(super) async fn find(self, name: &UserName) -> Result<Option<Held>, ActionError> {
        match self {
            Self::Lines(path, _) => Ok(passwd::find(&file::read(path).await?, name.as_str())?.as_ref().map(Held::of)),
            Self::Rows(table) => table.find(name).await,
        }
    }

    /// The accounts behind the name `from`. A name that could mean something else is left out.
    pub(super) async fn page(self, from: Option<String>) -> Result<Page, ActionError> {
        match self {
            Self::Rows(table) => table.page(from).await,
            Self::Lines(path, _) => {
                let text = file::read(path).await?;
                let named = passwd::entries(&text).filter_map(|entry| Some((UserName::parse(entry.name())?, entry)));
                let behind = named.filter(|(name, _)| from.as_deref().is_none_or(|from| name.as_str() > from));
                let mut accounts: Vec<(UserName, Held)> =
                    behind.map(|(name, entry)| (name, Held::of(&entry))).collect();
                accounts.sort_by(|(one, _), (other, _)| one.cmp(other));
                accounts.dedup_by(|(one, _), (other, _)| one == other);
                let next = accounts.get(PAGE - 1).filter(|_| accounts.len() > PAGE).map(|(name, _)| name.to_string());
                accounts.truncate(PAGE);
                Ok(Page { accounts, next })
            }
        }
    }

    /// Changes one field of an account.
    pub(super) async fn set(self, name: &UserName, field: Field) -> Result<(), ActionError> {
        let (path, turn) = match self {
            Self::Rows(table) => return table.set(name, field).await,
            Self::Lines(path, turn) => (path, turn),
        };
        let who = name.clone();
        turn.change(path, move |text| {
            let gone = || ActionError::fail(format!("there is no account `{who}` any more"));
            let entry = passwd::find(text, who.as_str())?.ok_or_else(gone)?;
            let entry = match field {
                Field::Password(hash) => entry.with_password(&hash),
                Field::Quota(bytes) => entry.with_quota(bytes),
                Field::Deleted(deleted) => {
                    let note = Note { deleted, ..entry.note() };
                    entry.with_note(&note)
                }
                Field::Open(_) => return Err(ActionError::fail("a passwd-file does not say who may sign in")),
            };
            Ok(passwd::with(text, &entry))
        })
        .await
    }

    /// Makes an account. One that the same key has made is left as it is.
    ///
    /// # Errors
    /// A final failure where the name is somebody else's.
    pub(super) async fn add(self, new: New) -> Result<(), ActionError> {
        let (path, turn) = match self {
            Self::Rows(table) => return table.add(&new).await,
            Self::Lines(path, turn) => (path, turn),
        };
        turn.change(path, move |text| match passwd::find(text, new.name.as_str())? {
            Some(entry) if Held::of(&entry).made_by == new.note.made_by => Ok(text.to_owned()),
            Some(_) => Err(ActionError::fail(TAKEN)),
            None => {
                let entry = Entry::new(new.name.as_str(), &new.hash, &new.note);
                Ok(passwd::with(text, &new.quota.map_or(entry.clone(), |bytes| entry.with_quota(bytes))))
            }
        })
        .await
    }

    /// The account is no longer there.
    pub(super) async fn remove(self, name: &UserName) -> Result<(), ActionError> {
        match self {
            Self::Rows(table) => table.remove(name).await,
            Self::Lines(path, turn) => {
                let who = name.clone();
                turn.change(path, move |text| Ok(passwd::without(text, who.as_str()))).await
            }
        }
    }

    /// Whether what was written is only seen when Dovecot looks at the file again.
    pub(super) const fn is_a_file(self) -> bool {
        matches!(self, Self::Lines(..))
    }
}

/// What is said where a name is somebody else's.
pub(super) const TAKEN: &str = "the name is taken: bind that account, or choose another name";

impl Held {
    /// A line without a password was not made whole.
    fn of(entry: &Entry) -> Self {
        let note = entry.note();
        let made_by = note.made_by.clone().filter(|_| entry.has_password());
        Self { note, made_by, quota: entry.quota(), open: None }
    }
}
