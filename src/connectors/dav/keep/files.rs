//! All files of an account in one archive: read one after the other, never held in memory, with the SHA-256 of each in lists
//! that `sha256sum -c` reads. A tar archive that was interrupted is gone on with behind the last part that was kept.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Keep;
use super::tar::Tar;
use super::zip::Zip;
use crate::archive::{Begun, Writing};
use crate::connectors::ActionError;
use crate::connectors::dav::client::Ask;
use crate::connectors::dav::collection::Resource;
use crate::connectors::dav::error::Effect;
use crate::connectors::dav::multistatus::{LENGTH, MODIFIED, RESOURCE_TYPE};
use crate::connectors::dav::place;
use crate::workflow::params::FilesFormat;

/// How many checksums a list has at most: so many are in memory.
const LIST: usize = 5_000;

/// Folders within folders.
const DEEPEST: usize = 100;

/// How far an archive has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Progress {
    /// The last thing in it, by its path from the account's home on.
    last: Vec<String>,
    files: u64,
    folders: u64,
    bytes: u64,
    lists: u64,
}

#[derive(Debug)]
enum Form {
    Tar(Tar),
    Zip(Box<Zip>),
}

/// An archive of files in the making.
struct Packing {
    form: Form,
    writing: Box<Writing>,
    progress: Progress,
    /// Checksums that are in no list yet.
    sums: String,
    listed: usize,
}

/// What cannot be made of bytes at hand will not be made of them later either.
fn broken(why: std::io::Error) -> ActionError {
    ActionError::fail(format!("the archive cannot be made: {why}"))
}

impl Packing {
    async fn begin_file(&mut self, path: &str, length: Option<u64>, modified: u64) -> Result<(), ActionError> {
        match &mut self.form {
            Form::Tar(tar) => {
                let unknown = || {
                    ActionError::retry("the server does not say how long a file is; the format `zip` needs no length")
                };
                tar.begin(path, length.ok_or_else(unknown)?, modified).map_err(broken)
            }
            Form::Zip(zip) => zip.begin(path).map_err(broken),
        }
    }

    async fn content(&mut self, bytes: &[u8]) -> Result<(), ActionError> {
        let ready = match &mut self.form {
            Form::Tar(tar) => tar.content(bytes).map(|()| tar.take()),
            Form::Zip(zip) => zip.content(bytes).map(|()| zip.take()),
        };
        Ok(self.writing.write(&ready.map_err(broken)?).await?)
    }

    fn end_file(&mut self, length: u64) -> Result<(), ActionError> {
        match &mut self.form {
            Form::Tar(tar) => tar.end(length).map_err(broken),
            Form::Zip(_) => Ok(()),
        }
    }

    fn folder(&mut self, path: &str) -> Result<(), ActionError> {
        match &mut self.form {
            Form::Tar(tar) => tar.folder(path).map_err(broken),
            Form::Zip(zip) => zip.folder(path).map_err(broken),
        }
    }

    /// Notes a checksum; a list that is long enough goes into the archive.
    async fn sum(&mut self, path: &str, digest: &[u8]) -> Result<(), ActionError> {
        // As `sha256sum` writes names that hold a line's end.
        let (mark, path) = match path.contains(['\\', '\n', '\r']) {
            true => ("\\", path.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r")),
            false => ("", path.to_owned()),
        };
        self.sums.push_str(&format!("{mark}{}  {path}\n", hex::encode(digest)));
        self.listed += 1;
        if self.listed >= LIST { self.list().await } else { Ok(()) }
    }

    async fn list(&mut self) -> Result<(), ActionError> {
        if self.listed == 0 {
            return Ok(());
        }
        self.progress.lists += 1;
        let (path, sums) = (format!("checksums/{:06}.sha256", self.progress.lists), std::mem::take(&mut self.sums));
        self.listed = 0;
        let length = sums.len() as u64;
        self.begin_file(&path, Some(length), 0).await?;
        self.content(sums.as_bytes()).await?;
        self.end_file(length)
    }

    /// Ends a part where it is long enough, so that an interruption costs no more than what comes behind it.
    async fn rest(&mut self) -> Result<(), ActionError> {
        if !self.writing.is_ripe() || matches!(self.form, Form::Zip(_)) {
            return Ok(());
        }
        self.list().await?;
        if let Form::Tar(tar) = &mut self.form {
            let ready = tar.pause().map_err(broken)?;
            self.writing.write(&ready).await?;
            let note = serde_json::to_value(&self.progress).map_err(ActionError::fail)?;
            self.writing.checkpoint(note).await?;
        }
        Ok(())
    }

    async fn finish(mut self, content: impl FnOnce(&Progress) -> Value) -> Result<(), ActionError> {
        self.list().await?;
        let ready = match self.form {
            Form::Tar(tar) => tar.finish(),
            Form::Zip(zip) => zip.finish(),
        };
        self.writing.write(&ready.map_err(broken)?).await?;
        let content = content(&self.progress);
        self.writing.finish(content).await?;
        Ok(())
    }
}

impl Keep<'_> {
    pub(super) async fn keep_files(&self, format: FilesFormat) -> Result<(), ActionError> {
        let file = match format {
            FilesFormat::Tar => "files.tar.zst",
            FilesFormat::Zip => "files.zip",
        };
        let Begun::Writing(writing) = self.archive.begin(&self.name, file).await? else { return Ok(()) };
        let progress = writing.note().map(|note| serde_json::from_value(note.clone()));
        let progress: Progress = progress.transpose().map_err(ActionError::fail)?.unwrap_or_default();
        let form = match format {
            FilesFormat::Tar => Form::Tar(Tar::new().map_err(broken)?),
            FilesFormat::Zip => Form::Zip(Box::new(Zip::new())),
        };
        let mut packing = Packing { form, writing, progress, sums: String::new(), listed: 0 };
        self.walk(&mut packing).await?;
        let told = |progress: &Progress| {
            let Progress { files, folders, bytes, .. } = progress;
            json!({
                "account": self.account,
                "system": self.at.system,
                "summary": format!("{files} files with {bytes} bytes in {folders} folders"),
            })
        };
        packing.finish(told).await
    }

    /// Everything below the account's home, each folder before what is in it, in the order of names.
    async fn walk(&self, packing: &mut Packing) -> Result<(), ActionError> {
        let Some(home) = self.at.home(self.at.settings.files.as_ref(), &self.account).await? else { return Ok(()) };
        let resumed = packing.progress.last.clone();
        let mut open = self.inside(&home, &[]).await?;
        open.reverse();
        while let Some((path, thing)) = open.pop() {
            let is_done = path <= resumed;
            if path.len() > DEEPEST {
                return Err(ActionError::fail(format!("folders of account `{}` are nested too deep", self.account)));
            }
            if thing.described.is_collection() {
                if !is_done {
                    packing.folder(&in_archive(&path))?;
                    packing.progress.folders += 1;
                }
                // A folder that is passed may hold what is not.
                if !is_done || resumed.starts_with(&path) {
                    let mut inside = self.inside(&place::as_collection(&thing.url), &path).await?;
                    inside.reverse();
                    open.extend(inside);
                }
            } else if !is_done {
                self.pack(packing, &path, &thing).await?;
            }
            if !is_done {
                packing.progress.last = path;
                packing.rest().await?;
            }
        }
        Ok(())
    }

    async fn inside(
        &self,
        folder: &reqwest::Url,
        path: &[String],
    ) -> Result<Vec<(Vec<String>, Resource)>, ActionError> {
        let found = self.at.server.inside(folder, &[RESOURCE_TYPE, LENGTH, MODIFIED]).await?.unwrap_or_default();
        let with_path = |thing: Resource| {
            let own = path.iter().cloned().chain([thing.name.clone()]).collect();
            (own, thing)
        };
        Ok(found.into_iter().map(with_path).collect())
    }

    async fn pack(&self, packing: &mut Packing, path: &[String], thing: &Resource) -> Result<(), ActionError> {
        let mut incoming = match self.at.server.open(Ask::looks("GET", &thing.url)).await? {
            Ok(incoming) => incoming,
            // Deleted since the list was read.
            Err(answer) if answer.is_absent() => return Ok(()),
            Err(answer) => return Err(answer.refused(Effect::Looks)),
        };
        let (name, told) = (in_archive(path), incoming.length().or_else(|| thing.length()));
        packing.begin_file(&name, told, modified(thing)).await?;
        let (mut digest, mut length) = (Sha256::new(), 0_u64);
        while let Some(chunk) = incoming.next().await? {
            digest.update(&chunk);
            length += chunk.len() as u64;
            if told.is_some_and(|told| length > told) {
                break;
            }
            packing.content(&chunk).await?;
        }
        if told.is_some_and(|told| told != length) {
            return Err(ActionError::retry(
                "a file has another length than the server said: it changes at this moment",
            ));
        }
        packing.end_file(length)?;
        packing.progress.files += 1;
        packing.progress.bytes += length;
        packing.sum(&name, &digest.finalize()).await
    }
}

fn in_archive(path: &[String]) -> String {
    format!("files/{}", path.join("/"))
}

/// When it was last changed, in epoch seconds; 0 where the server does not say.
fn modified(thing: &Resource) -> u64 {
    let told = thing.described.text(MODIFIED).and_then(|text| jiff::fmt::rfc2822::parse(text).ok());
    told.and_then(|at| u64::try_from(at.timestamp().as_second()).ok()).unwrap_or_default()
}
