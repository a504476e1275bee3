//! Calendars and address books, each as a file that other programs read, and a list of them all.

use futures::future::join_all;
use serde_json::{Value, json};

use super::ics::{Merge, card};
use super::{Further, Keep};
use crate::archive::Begun;
use crate::connectors::ActionError;
use crate::connectors::dav::agenda::{Shared, shared};
use crate::connectors::dav::collection::Resource;
use crate::connectors::dav::multistatus::NAME;

/// How many objects are asked for at once.
const AT_ONCE: usize = 8;

/// What becomes of the objects of a collection.
enum Form {
    Calendar(Merge),
    Cards,
}

impl Form {
    const fn ending(&self) -> &'static str {
        match self {
            Self::Calendar(_) => "ics",
            Self::Cards => "vcf",
        }
    }

    fn add(&mut self, object: &[u8]) -> Result<Vec<u8>, String> {
        match self {
            Self::Calendar(merge) => merge.add(object),
            Self::Cards => card(object),
        }
    }

    fn end(&mut self) -> Vec<u8> {
        match self {
            Self::Calendar(merge) => merge.end(),
            Self::Cards => Vec::new(),
        }
    }
}

impl Keep<'_> {
    /// Every calendar, with whom it is shared and the meetings to come that the account has called.
    pub(super) async fn keep_calendars(&self) -> Result<(), ActionError> {
        let home = self.at.home(self.at.settings.calendars.as_ref(), &self.account).await?;
        let mut told = Vec::new();
        let mut archives = Vec::new();
        let (mut objects, mut meetings, mut with_others, mut by_others, mut unknown) = (0, 0, 0, 0, false);
        for calendar in self.at.all_calendars(home.as_ref()).await? {
            let shared = shared(&calendar.described);
            if shared == Shared::ByOthers {
                by_others += 1;
                told.push(
                    json!({ "calendar": calendar.name, "name": calendar.described.text(NAME), "shared": shared }),
                );
                continue;
            }
            with_others += usize::from(shared != Shared::No);
            let to_come = self.at.meetings(&calendar.url, &self.account, self.now).await?;
            unknown |= to_come.is_none();
            meetings += to_come.as_ref().map_or(0, Vec::len);
            let (kept, count) = self.keep_collection(&calendar, Form::Calendar(Merge::default())).await?;
            objects += count;
            told.push(json!({
                "calendar": calendar.name,
                "name": calendar.described.text(NAME),
                "objects": count,
                "shared": shared,
                "meetings_to_come": to_come,
                "archive": kept.archive,
            }));
            archives.push(kept);
        }
        let mut summary = format!(
            "{} calendars with {objects} events and tasks; {with_others} are shared with others, {by_others} are somebody \
             else's and not kept; {meetings} meetings to come were called by this account",
            archives.len()
        );
        if unknown {
            summary.push_str(" (the server does not list those of every calendar)");
        }
        self.list("calendars", told, archives, summary).await
    }

    pub(super) async fn keep_contacts(&self) -> Result<(), ActionError> {
        let home = self.at.home(self.at.settings.contacts.as_ref(), &self.account).await?;
        let (mut told, mut archives, mut cards) = (Vec::new(), Vec::new(), 0);
        for book in self.at.address_books(home.as_ref()).await? {
            let (kept, count) = self.keep_collection(&book, Form::Cards).await?;
            cards += count;
            told.push(json!({
                "address_book": book.name,
                "name": book.described.text(NAME),
                "objects": count,
                "archive": kept.archive,
            }));
            archives.push(kept);
        }
        let summary = format!("{} address books with {cards} cards", archives.len());
        self.list("address_books", told, archives, summary).await
    }

    /// One collection as one file in an archive of its own; how many objects are in it.
    async fn keep_collection(&self, collection: &Resource, mut form: Form) -> Result<(Further, u64), ActionError> {
        let (name, key) = self.further(&collection.name);
        let file = format!("{}.{}", collection.name, form.ending());
        let mut writing = match self.archive.begin(&name, &file).await? {
            Begun::Kept(kept) => {
                let content = self.archive.read(&name).await?.manifest().content.clone();
                let count = content.get("objects").and_then(Value::as_u64).unwrap_or_default();
                return Ok((Further::of(&kept, key), count));
            }
            Begun::Writing(writing) => writing,
        };
        let objects = self.at.objects(&collection.url).await?.unwrap_or_default();
        let mut count = 0_u64;
        for some in objects.chunks(AT_ONCE) {
            let found = join_all(some.iter().map(|object| self.at.server.object(&object.url))).await;
            for (object, found) in some.iter().zip(found) {
                // Deleted since the list was read.
                let Some((content, _)) = found? else { continue };
                let wrong = |why| ActionError::fail(format!("{} cannot be kept: {why}", object.url.path()));
                writing.write(&form.add(&content).map_err(wrong)?).await?;
                count += 1;
            }
        }
        writing.write(&form.end()).await?;
        let kept = writing.finish(json!({ "objects": count })).await?;
        Ok((Further::of(&kept, key), count))
    }

    /// The step's own archive: written last, it says that all others are there.
    async fn list(
        &self,
        what: &str,
        told: Vec<Value>,
        archives: Vec<Further>,
        summary: String,
    ) -> Result<(), ActionError> {
        let Begun::Writing(mut writing) = self.archive.begin(&self.name, &format!("{what}.json")).await? else {
            return Ok(());
        };
        let list = format!("{:#}\n", json!({ "account": self.account, "system": self.at.system, what: told }));
        writing.write(list.as_bytes()).await?;
        let content = json!({
            "account": self.account,
            "system": self.at.system,
            "summary": summary,
            "archives": archives,
        });
        writing.finish(content).await?;
        Ok(())
    }
}
