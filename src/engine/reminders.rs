//! Who waits for whom: tasks to those who are to do them, what has stopped to the administrators.
//!
//! What waits is told once it has waited ten minutes, together with everything else for the same person, and again
//! every few days while it lasts. Administrators also hear when it is over.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use super::Engine;
use crate::clock::plus;
use crate::mail::{Addressee, Facts, MailRoom, Problem, Task};
use crate::store::{About, NewMail, StoreError, Told, Wait, WaitKind, Waiting};

/// So long is waited for more of the same before somebody is told: many failures at once are one mail.
pub const GATHER: Duration = Duration::from_secs(600);

/// At most so many are listed in one mail.
const LISTED: usize = 50;

/// Somebody, and what waits for them.
type Reader<'a> = (Addressee, Vec<(&'a Wait, &'a Waiting)>);

impl Engine {
    /// Tells what is due to be told; answers how many mails were posted.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub async fn remind(&self) -> Result<usize, StoreError> {
        let Some(room) = self.mail() else { return Ok(0) };
        self.store().watch_waits().await?;
        let remind = room.settings().remind;
        if !self.store().waits_are_ripe(GATHER, remind).await? {
            return Ok(0);
        }
        let (waits, now) = self.store().waits().await?;
        let alerts = self.alerts(room, &waits, now).await?;
        Ok(alerts + self.tasks(room, &waits, now).await?)
    }

    async fn alerts(&self, room: &MailRoom, waits: &[Wait], now: Timestamp) -> Result<usize, StoreError> {
        let remind = room.settings().remind;
        let mine = || waits.iter().filter(|wait| wait.kind == WaitKind::Alert);
        if !mine().any(|wait| is_ripe(wait, now, remind)) {
            return Ok(0);
        }
        let told: Vec<&Wait> = mine().filter(|wait| is_news(wait) || is_ripe(wait, now, remind)).collect();
        let described = self.described(&told).await?;
        let zone = self.own_zone();
        let mut facts = Facts::default();
        let mut written = Vec::new();
        for wait in told {
            let (words, command, goes_on) = described.get(&wait.id).cloned().unwrap_or_else(|| {
                // It has just ended: the all-clear names it as it was told.
                (wait.words.clone().unwrap_or_default(), String::new(), false)
            });
            let problem = Problem { what: words.clone(), command, since: day(wait.since, &zone) };
            written.push(Told { wait: wait.clone(), words });
            let list = match (wait.over_at, wait.told) {
                (Some(_), _) => &mut facts.gone,
                (None, 0) => &mut facts.problems,
                // The run goes on without it: once is enough.
                (None, _) if goes_on => continue,
                (None, _) => &mut facts.still,
            };
            if list.len() < LISTED { list.push(problem) } else { facts.more += 1 }
        }
        let mut mails = Vec::new();
        if !(facts.problems.is_empty() && facts.still.is_empty() && facts.gone.is_empty()) {
            for to in room.administrators() {
                mails.extend(mail(room, "alert", &self.known(to).await?, &facts, now));
            }
        }
        self.tell(&mails, &written).await
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

    async fn tell(&self, mails: &[NewMail], told: &[Told]) -> Result<usize, StoreError> {
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

    /// Words, command and whether the run goes on, for alerts that are still there.
    async fn described(&self, waits: &[&Wait]) -> Result<BTreeMap<i64, (String, String, bool)>, StoreError> {
        let steps: Vec<(i64, u16)> = waits.iter().filter_map(|wait| step(wait)).collect();
        let waiting = self.store().waiting_of(&steps).await?;
        let mut found = BTreeMap::new();
        for wait in waits.iter().filter(|wait| wait.over_at.is_none()) {
            let described = match wait.about {
                About::Step(..) => waiting.iter().find(|task| step(wait) == Some(task.key)).map(|task| {
                    let about = task.person.as_ref().map(|name| format!(", {name}")).unwrap_or_default();
                    let words =
                        format!("{} of {} ({}{about}): {}, {}", task.step, task.run, task.title, task.state, task.what);
                    (words, task.way_on(), task.goes_on)
                }),
                About::Event(id) => {
                    let event = self.store().event(id).await?;
                    let note = event.note.as_deref().unwrap_or("no reason");
                    let words = format!(
                        "HR's event {} ({} of {}) is parked: {note}",
                        event.public_id(),
                        event.kind.as_str(),
                        event.employee_number
                    );
                    Some((words, format!("usher events show {}", event.public_id()), false))
                }
            };
            found.extend(described.map(|described| (wait.id, described)));
        }
        Ok(found)
    }

    fn own_zone(&self) -> TimeZone {
        TimeZone::get(self.zone()).unwrap_or(TimeZone::UTC)
    }
}

fn step(wait: &Wait) -> Option<(i64, u16)> {
    match wait.about {
        About::Step(run, ordinal) => Some((run, ordinal)),
        About::Event(_) => None,
    }
}

/// Whether it must be told now.
fn is_ripe(wait: &Wait, now: Timestamp, remind: Duration) -> bool {
    match (wait.over_at, wait.told_at) {
        (Some(over), _) => now >= plus(over, GATHER),
        (None, None) => now >= plus(wait.since, GATHER),
        (None, Some(told)) => now >= plus(told, remind),
    }
}

/// Whether it goes along when something else is told.
fn is_news(wait: &Wait) -> bool {
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

fn day(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).date().to_string()
}

/// A template that cannot be filled must not keep everybody else from being told.
fn mail(room: &MailRoom, template: &str, to: &Addressee, facts: &Facts, now: Timestamp) -> Option<NewMail> {
    let digest = hex::encode(&Sha256::digest(to.email.to_lowercase().as_bytes())[..12]);
    match room.write(to, template, facts) {
        Ok(letter) => Some(room.mail(format!("{template}/{digest}/{}", now.as_millisecond()), template, &letter, None)),
        Err(error) => {
            tracing::error!(%error, template, "somebody cannot be told what waits");
            None
        }
    }
}
