//! Who waits for whom: tasks to those who are to do them, what has stopped to the administrators.
//!
//! What waits is told once it has waited ten minutes (what is urgent at once), together with everything else for the same
//! person, and again every few days while it lasts. What administrators are told stands in [`super::alerts`].

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use super::Engine;
use crate::clock::plus;
use crate::mail::{Addressee, Facts, MailRoom, MailSettings, Task};
use crate::store::{About, Expected, NewMail, StoreError, Told, Wait, WaitKind, Waiting};

/// So long is waited for more of the same before somebody is told: many failures at once are one mail.
pub const GATHER: Duration = Duration::from_secs(600);

/// At most so many are listed in one mail.
pub(super) const LISTED: usize = 50;

/// Somebody, and what waits for them.
type Reader<'a> = (Addressee, Vec<(&'a Wait, &'a Waiting)>);

impl Engine {
    /// Tells what is due to be told; answers how many mails and messages were posted.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub async fn remind(&self) -> Result<usize, StoreError> {
        if !self.tells_somebody() {
            return Ok(0);
        }
        self.store().watch_waits(&self.expected()).await?;
        let remind = self.remind_after();
        if !self.store().waits_are_ripe(GATHER, remind, self.mail().is_some()).await? {
            return Ok(0);
        }
        let (waits, now) = self.store().waits().await?;
        let told = self.alert(&waits, now).await?;
        match self.mail() {
            Some(room) => Ok(told + self.tasks(room, &waits, now).await?),
            None => Ok(told),
        }
    }

    /// How soon somebody is told again.
    pub(super) fn remind_after(&self) -> Duration {
        self.mail().map_or(MailSettings::REMIND, |room| room.settings().remind)
    }

    fn expected(&self) -> Expected {
        Expected { systems: self.system_names().as_ref().clone(), silent_after: self.silent_after() }
    }

    async fn tasks(&self, room: &MailRoom, waits: &[Wait], now: Timestamp) -> Result<usize, StoreError> {
        let remind = room.settings().remind;
        let mine: Vec<&Wait> = waits.iter().filter(|wait| wait.kind == WaitKind::Task).collect();
        let steps: Vec<(i64, u16)> = mine.iter().filter_map(|wait| step(wait)).collect();
        let waiting = self.store().waiting_of(&steps).await?;
        let mut of: BTreeMap<String, Reader<'_>> = BTreeMap::new();
        for task in &waiting {
            let Some(wait) = mine.iter().find(|wait| step(wait) == Some(task.key)) else { continue };
            for to in self.doers(room, task).await? {
                of.entry(to.email.to_lowercase()).or_insert((to, Vec::new())).1.push((wait, task));
            }
        }
        let (mut mails, mut told) = (Vec::new(), BTreeMap::new());
        for (to, tasks) in of.into_values() {
            if !tasks.iter().any(|(wait, _)| is_ripe(wait, now, remind)) {
                continue;
            }
            let listed = tasks.iter().filter(|(wait, _)| is_news(wait) || is_ripe(wait, now, remind));
            let listed: Vec<&(&Wait, &Waiting)> = listed.collect();
            for (wait, task) in &listed {
                told.insert(wait.id, Told { wait: (*wait).clone(), words: task.what.clone() });
            }
            let zone = self.own_zone();
            let tasks = listed.iter().take(LISTED).map(|(wait, task)| told_task(wait, task, &zone)).collect();
            mails.extend(mail(room, "tasks-waiting", &to, &Facts { tasks, ..Facts::default() }, now));
        }
        // Nobody to tell it to: it is not looked at every second.
        for wait in mine.iter().filter(|wait| is_ripe(wait, now, remind)) {
            told.entry(wait.id).or_insert_with(|| Told { wait: (*wait).clone(), words: String::new() });
        }
        let told: Vec<Told> = told.into_values().collect();
        self.tell(&mails, &told).await
    }

    pub(super) async fn tell(&self, mails: &[NewMail], told: &[Told]) -> Result<usize, StoreError> {
        if told.is_empty() {
            return Ok(0);
        }
        let posted = self.store().tell(mails, told).await?;
        Ok(if posted { mails.len() } else { 0 })
    }

    /// Who does it: an approval is the administrators', everything else its assignee's, and theirs where there is none.
    async fn doers(&self, room: &MailRoom, task: &Waiting) -> Result<Vec<Addressee>, StoreError> {
        let assignee = task.assignee.as_ref().filter(|_| task.state == "awaiting_person");
        if let Some(assignee) = assignee
            && let Some(to) = self.addressee(assignee).await?
        {
            return Ok(vec![to]);
        }
        let mut found = Vec::new();
        for to in room.administrators() {
            found.push(self.known(to).await?);
        }
        Ok(found)
    }

    pub(super) fn own_zone(&self) -> TimeZone {
        TimeZone::get(self.zone()).unwrap_or(TimeZone::UTC)
    }
}

pub(super) fn step(wait: &Wait) -> Option<(i64, u16)> {
    match &wait.about {
        About::Step(run, ordinal, _) | About::Cut(run, ordinal) => Some((*run, *ordinal)),
        About::Trip(_) | About::Event(_) | About::Silent(_) | About::Unread(_) => None,
    }
}

/// Whether it must be told now.
pub(super) fn is_ripe(wait: &Wait, now: Timestamp, remind: Duration) -> bool {
    match (wait.over_at, wait.told_at) {
        (Some(over), _) => now >= plus(over, GATHER),
        (None, None) => wait.urgent || now >= plus(wait.since, GATHER),
        (None, Some(told)) => now >= plus(told, remind),
    }
}

/// Whether it goes along when something else is told.
pub(super) fn is_news(wait: &Wait) -> bool {
    wait.told_at.is_none() || wait.over_at.is_some()
}

fn told_task(wait: &Wait, task: &Waiting, zone: &TimeZone) -> Task {
    Task {
        title: task.title.clone(),
        person: task.person.clone(),
        what: task.what.clone(),
        items: task.items.iter().filter(|(_, ticked)| !ticked).map(|(item, _)| item.clone()).collect(),
        command: task.way_on(),
        since: day(wait.since, zone),
        again: wait.told > 0,
    }
}

pub(super) fn day(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).date().to_string()
}

/// A template that cannot be filled must not keep everybody else from being told.
pub(super) fn mail(room: &MailRoom, template: &str, to: &Addressee, facts: &Facts, now: Timestamp) -> Option<NewMail> {
    let digest = hex::encode(&Sha256::digest(to.email.to_lowercase().as_bytes())[..12]);
    match room.write(to, template, facts) {
        Ok(letter) => Some(room.mail(format!("{template}/{digest}/{}", now.as_millisecond()), template, &letter, None)),
        Err(error) => {
            tracing::error!(%error, template, "somebody cannot be told what waits");
            None
        }
    }
}
