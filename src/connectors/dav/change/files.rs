//! Files to a colleague, into a folder of their own there. The server moves them where it does that; else each is carried
//! over (see `upload`). What is in the folder already is never written over.
//!
//! The folder is known again by a small file in it that says whose files they are. Its own earlier success is recognised by
//! that: no file is left.

use reqwest::Url;
use serde_json::json;

use crate::connectors::dav::client::Ask;
use crate::connectors::dav::collection::{Moved, Resource};
use crate::connectors::dav::house::House;
use crate::connectors::dav::multistatus::{ETAG, LENGTH, RESOURCE_TYPE};
use crate::connectors::dav::place;
use crate::connectors::{ActionError, Call, Observation};

/// The file that says whose files a folder has.
const MARK: &str = ".usher-from.json";

/// Folders within folders.
const DEEPEST: usize = 100;

/// What a walk asks of everything it passes.
const WANTED: [&str; 3] = [RESOURCE_TYPE, ETAG, LENGTH];

/// One account's files on their way to another.
pub(super) struct Files<'a> {
    pub(super) at: &'a House<'a>,
    from: String,
    home: Option<Url>,
    pub(super) to: String,
    folder: Url,
}

impl<'a> Files<'a> {
    pub(super) async fn of(call: &Call, at: &'a House<'a>) -> Result<Self, ActionError> {
        let from = at.subject(call).await?;
        let (to, folder) = at.colleague(call, &from).await?;
        let folder = folder.unwrap_or_else(|| format!("From {from}"));
        if let Some(why) = place::wrong_with_segment(&folder) {
            return Err(ActionError::fail(format!("`folder` is no name of a folder: {why}")));
        }
        let template = at.settings.files.as_ref();
        let home = at.home(template, &from).await?;
        let none = || ActionError::fail(format!("account `{to}` has no place for files on {}", at.system));
        let to_home = at.home(template, &to).await?.ok_or_else(none)?;
        Ok(Self { at, from, home, to, folder: place::below(&to_home, [folder.as_str()].into_iter()) })
    }

    pub(super) async fn observe(&self) -> Result<Observation, ActionError> {
        if self.are_left().await? {
            return Ok(Observation::NotReached("files are left that are not handed over".to_owned()));
        }
        let given = match self.is_marked().await? {
            true => self.at.server.inside(&self.folder, &WANTED).await?.unwrap_or_default().len().saturating_sub(1),
            false => 0,
        };
        Ok(Observation::read_back(format!(
            "account `{}` has no file left; {given} files and folders of it are in a folder of account `{}`",
            self.from, self.to
        )))
    }

    pub(super) async fn apply(&self) -> Result<(), ActionError> {
        let Some(home) = &self.home else { return Ok(()) };
        self.prepare().await?;
        let mut moves = true;
        let mut open = vec![(home.clone(), self.folder.clone())];
        while let Some((from, to)) = open.pop() {
            if place::segments(&from).is_none_or(|segments| segments.len() > DEEPEST) {
                return Err(ActionError::fail(format!("folders of account `{}` are nested too deep", self.from)));
            }
            for thing in self.at.server.inside(&from, &WANTED).await?.unwrap_or_default() {
                let target = place::in_collection(&to, &thing.name);
                if moves {
                    match self.at.server.move_to(&thing.url, &target).await? {
                        Moved::Done | Moved::Gone => continue,
                        // A folder of which an earlier attempt has moved a part.
                        Moved::Taken => {}
                        Moved::Refused(_) => moves = false,
                    }
                }
                match thing.described.is_collection() {
                    true => open.push((place::as_collection(&thing.url), self.folder_at(&target).await?)),
                    false => self.carry(&thing, &to, &target).await?,
                }
            }
        }
        Ok(())
    }

    /// Whether there is a file, anywhere below the account's home.
    async fn are_left(&self) -> Result<bool, ActionError> {
        let mut open: Vec<Url> = self.home.iter().cloned().collect();
        while let Some(folder) = open.pop() {
            for thing in self.at.server.inside(&folder, &WANTED).await?.unwrap_or_default() {
                match thing.described.is_collection() {
                    true => open.push(place::as_collection(&thing.url)),
                    false => return Ok(true),
                }
            }
        }
        Ok(false)
    }

    /// Makes the folder, where an earlier attempt has not. One that has other files in it is somebody's own.
    async fn prepare(&self) -> Result<(), ActionError> {
        if self.is_marked().await? {
            return Ok(());
        }
        let folder = self.folder_at(&self.folder).await?;
        let inside = self.at.server.inside(&folder, &WANTED).await?.unwrap_or_default();
        if !inside.is_empty() {
            return Err(ActionError::fail(format!(
                "account `{}` has a folder of that name with other files: name another (`folder`)",
                self.to
            )));
        }
        let mark = place::in_collection(&folder, MARK);
        match self.at.server.put_new(&mark, "application/json", self.mark()).await? {
            true => Ok(()),
            false => Err(ActionError::retry("somebody else writes into the folder at this moment")),
        }
    }

    fn mark(&self) -> Vec<u8> {
        format!("{}\n", json!({ "account": self.from, "system": self.at.system })).into_bytes()
    }

    async fn is_marked(&self) -> Result<bool, ActionError> {
        let found = self.at.server.object(&place::in_collection(&self.folder, MARK)).await?;
        Ok(found.is_some_and(|(mark, _)| mark == self.mark()))
    }

    /// The folder at a place, made where it is not there.
    async fn folder_at(&self, target: &Url) -> Result<Url, ActionError> {
        let folder = place::as_collection(target);
        if self.is_folder(&folder).await? {
            return Ok(folder);
        }
        if self.at.server.make(Ask::changes("MKCOL", &folder)).await? || self.is_folder(&folder).await? {
            return Ok(folder);
        }
        Err(ActionError::fail(format!("{} makes no folder for account `{}`", self.at.system, self.to)))
    }

    async fn is_folder(&self, folder: &Url) -> Result<bool, ActionError> {
        match self.at.server.at(folder, &[RESOURCE_TYPE]).await? {
            None => Ok(false),
            Some(found) if found.described.is_collection() => Ok(true),
            Some(_) => Err(self.in_the_way()),
        }
    }

    pub(super) fn in_the_way(&self) -> ActionError {
        ActionError::fail(format!(
            "account `{}` has something else under a name that is needed: it is left alone",
            self.to
        ))
    }

    /// Takes away what was carried over, where it still is what it was then.
    pub(super) async fn take_away(&self, thing: &Resource, etag: Option<String>) -> Result<(), ActionError> {
        let without =
            || ActionError::fail("the server names no versions (ETag), so that nothing can be taken away safely");
        let etag = etag.or_else(|| thing.etag()).ok_or_else(without)?;
        self.at.server.delete_version(&thing.url, &etag).await
    }
}
