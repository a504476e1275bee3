//! One file carried over: read and written at the same time, so that none is ever in memory; under a name of its own, until
//! what was written is read back with the same SHA-256. Whoever is interrupted begins this one file anew.

use std::sync::{Arc, Mutex, PoisonError};

use futures::stream;
use reqwest::{Body, Url};
use sha2::{Digest, Sha256};

use super::files::Files;
use crate::connectors::ActionError;
use crate::connectors::dav::client::{Ask, Incoming};
use crate::connectors::dav::collection::{Moved, Resource};
use crate::connectors::dav::error::Effect;
use crate::connectors::dav::multistatus::RESOURCE_TYPE;
use crate::connectors::dav::place;

impl Files<'_> {
    /// Carries one file into the folder `to`, as `target`, and takes it away where it was.
    pub(super) async fn carry(&self, thing: &Resource, to: &Url, target: &Url) -> Result<(), ActionError> {
        let server = &self.at.server;
        if let Some(found) = server.at(target, &[RESOURCE_TYPE]).await? {
            if found.described.is_collection() {
                return Err(self.in_the_way());
            }
            // An earlier attempt may have got that far.
            let (Some(there), Some((own, etag))) = (self.digest(&found.url).await?, self.digest(&thing.url).await?)
            else {
                return Err(ActionError::unknown("a file has vanished while it was looked at"));
            };
            return match there.0 == own {
                true => self.take_away(thing, etag).await,
                false => Err(self.in_the_way()),
            };
        }
        let mark = hex::encode(Sha256::digest(target.as_str().as_bytes()));
        let part = place::in_collection(to, &format!(".usher-part-{}", mark.get(..16).unwrap_or(&mark)));
        let Some((sent, etag)) = self.send(&thing.url, &part).await? else { return Ok(()) };
        if self.digest(&part).await?.is_none_or(|(written, _)| written != sent) {
            return Err(ActionError::unknown("what was written does not read back as what was sent"));
        }
        match server.move_to(&part, target).await? {
            Moved::Done => self.take_away(thing, etag).await,
            Moved::Taken => Err(ActionError::unknown("somebody else has written a file of that name meanwhile")),
            Moved::Gone => Err(ActionError::unknown("what was written has vanished")),
            Moved::Refused(answer) => Err(answer.refused(Effect::Changes)),
        }
    }

    /// Writes what is at one place to another; its SHA-256 and its version. `None` where there is nothing.
    async fn send(&self, from: &Url, to: &Url) -> Result<Option<([u8; 32], Option<String>)>, ActionError> {
        let server = &self.at.server;
        let incoming = match server.open(Ask::looks("GET", from)).await? {
            Ok(incoming) => incoming,
            Err(answer) if answer.is_absent() => return Ok(None),
            Err(answer) => return Err(answer.refused(Effect::Looks)),
        };
        let (etag, length) = (incoming.etag(), incoming.length());
        let digest = Arc::new(Mutex::new(Sha256::new()));
        let body = Body::wrap_stream(stream::try_unfold(incoming, {
            let digest = Arc::clone(&digest);
            move |mut incoming: Incoming| {
                let digest = Arc::clone(&digest);
                async move {
                    let chunk = incoming.next().await?;
                    if let Some(chunk) = &chunk {
                        digest.lock().unwrap_or_else(PoisonError::into_inner).update(chunk);
                    }
                    Ok::<_, ActionError>(chunk.map(|chunk| (chunk, incoming)))
                }
            }
        }));
        let mut ask = Ask::changes("PUT", to).body("application/octet-stream", body).long();
        if let Some(length) = length {
            ask = ask.header("content-length", length.to_string());
        }
        let answer = server.send(ask).await?;
        if !answer.is_good() {
            return Err(answer.refused(Effect::Changes));
        }
        let digest = digest.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(Some((digest.finalize().into(), etag)))
    }

    /// The SHA-256 of what is at a place, and its version; `None` where there is nothing.
    async fn digest(&self, url: &Url) -> Result<Option<([u8; 32], Option<String>)>, ActionError> {
        let mut incoming = match self.at.server.open(Ask::looks("GET", url)).await? {
            Ok(incoming) => incoming,
            Err(answer) if answer.is_absent() => return Ok(None),
            Err(answer) => return Err(answer.refused(Effect::Looks)),
        };
        let etag = incoming.etag();
        let mut digest = Sha256::new();
        while let Some(chunk) = incoming.next().await? {
            digest.update(chunk);
        }
        Ok(Some((digest.finalize().into(), etag)))
    }
}
