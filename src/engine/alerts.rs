//! What has gone wrong, told to the administrators by mail and to a program by the webhook: once per cause, again while
//! it lasts, and once more when it is over. Mail, message and "told" are one commit.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Engine;
use super::reminders::{LISTED, day, is_news, is_ripe, mail, step};
use crate::mail::{Facts, Problem, Webhook};
use crate::store::{About, NewMail, StoreError, Told, TripRow, Wait, WaitKind, Waiting};

/// An alert in words and in data.
#[derive(Clone, Debug, Default)]
struct Described {
    /// What, with its reason: for the administrators.
    words: String,
    /// What to do about it.
    command: String,
    /// Whether the run goes on without it.
    goes_on: bool,
    /// What a program is told: keys, names of things, codes; neither names of people nor anybody's free words.
    data: Value,
}

/// Something that is wrong, as `usher alerts list` shows it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct OpenAlert {
    /// Stays the same while it lasts, and in every message about it.
    pub id: String,
    /// What kind of thing it is.
    pub kind: &'static str,
    /// Whether it is told at once.
    pub urgent: bool,
    /// Since when.
    #[serde(skip)]
    pub since: Timestamp,
    /// How often it was told.
    pub told: i64,
    /// What, with its reason.
    pub what: String,
    /// What to do about it.
    pub command: String,
}

impl Engine {
    /// Everything that is wrong now and that somebody was, or is to be, told of.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn open_alerts(&self) -> Result<Vec<OpenAlert>, StoreError> {
        let (waits, _) = self.store().waits().await?;
        let open: Vec<&Wait> = waits.iter().filter(|it| it.kind == WaitKind::Alert && it.over_at.is_none()).collect();
        let mut described = self.described(&open).await?;
        let shown = |wait: &&Wait| {
            let Described { words, command, .. } = described.remove(&wait.id)?;
            let (kind, id) = (kind(wait), alert_id(wait));
            Some(OpenAlert { id, kind, urgent: wait.urgent, since: wait.since, told: wait.told, what: words, command })
        };
        Ok(open.iter().filter_map(shown).collect())
    }

    pub(super) async fn alert(&self, waits: &[Wait], now: Timestamp) -> Result<usize, StoreError> {
        let remind = self.remind_after();
        let mine = || waits.iter().filter(|wait| wait.kind == WaitKind::Alert);
        if !mine().any(|wait| is_ripe(wait, now, remind)) {
            return Ok(0);
        }
        // What is urgent does not wait for the others, and the others do not lose their ten minutes by it.
        let gathered = mine().any(|wait| !wait.urgent && is_ripe(wait, now, remind));
        let goes_along = |wait: &&Wait| is_ripe(wait, now, remind) || (gathered && is_news(wait));
        let told: Vec<&Wait> = mine().filter(goes_along).collect();
        let mut described = self.described(&told).await?;
        let zone = self.own_zone();
        let (mut facts, mut written, mut messages) = (Facts::default(), Vec::new(), Messages::default());
        for wait in told {
            // What has just ended is named by the all-clear as it was told.
            let ended = || Described { words: wait.words.clone().unwrap_or_default(), ..Described::default() };
            let described = described.remove(&wait.id).unwrap_or_else(ended);
            let problem = Problem {
                what: described.words.clone(),
                command: described.command.clone(),
                since: day(wait.since, &zone),
            };
            written.push(Told { wait: wait.clone(), words: described.words.clone() });
            let (list, stage) = match (wait.over_at, wait.told) {
                (Some(_), _) => (&mut facts.gone, "alert.closed"),
                (None, 0) => (&mut facts.problems, "alert.opened"),
                // The run goes on without it: once is enough.
                (None, _) if described.goes_on => continue,
                (None, _) => (&mut facts.still, "alert.reminded"),
            };
            if stage == "alert.opened" && wait.urgent {
                facts.urgent += 1;
            }
            if list.len() < LISTED {
                list.push(problem)
            } else {
                facts.more += 1
            }
            messages.add(self.webhook(), stage, wait, &described, now);
        }
        let mut mails = messages.all(self.webhook(), now);
        if let Some(room) = self.mail().filter(|_| facts.says_something()) {
            for to in room.administrators() {
                mails.extend(mail(room, "alert", &self.known(to).await?, &facts, now));
            }
        }
        self.tell(&mails, &written).await
    }

    /// Those that are still there, in words and in data.
    async fn described(&self, waits: &[&Wait]) -> Result<BTreeMap<i64, Described>, StoreError> {
        let open = || waits.iter().filter(|wait| wait.over_at.is_none());
        let cuts: Vec<(i64, u16)> =
            open().filter(|it| matches!(it.about, About::Cut(..))).filter_map(|it| step(it)).collect();
        let late = self.store().late_of(&cuts).await?;
        let others: Vec<(i64, u16)> =
            open().filter(|it| matches!(it.about, About::Step(..))).filter_map(|it| step(it)).collect();
        let waiting = self.store().waiting_of(&others).await?;
        let trips = self.store().trips(false).await?;
        let mut found = BTreeMap::new();
        for wait in open() {
            let described = match &wait.about {
                About::Step(..) => waiting.iter().find(|task| step(wait) == Some(task.key)).map(of_step),
                About::Cut(..) => late.iter().find(|task| step(wait) == Some(task.key)).map(of_step),
                About::Trip(id) => trips.iter().find(|row| row.trip.id == *id).map(of_trip),
                About::Event(id) => Some(self.of_event(*id).await?),
                About::Silent(source) => Some(self.of_silence(source).await?),
                About::Unread(system) => self.of_unread(system).await?,
            };
            found.extend(described.map(|described| (wait.id, described)));
        }
        Ok(found)
    }

    async fn of_event(&self, id: i64) -> Result<Described, StoreError> {
        let event = self.store().event(id).await?;
        let note = event.note.as_deref().unwrap_or("no reason");
        let (public, kind) = (event.public_id(), event.kind.as_str());
        Ok(Described {
            words: format!("HR's event {public} ({kind} of {}) is parked: {note}", event.employee_number),
            command: format!("usher events show {public}"),
            goes_on: false,
            data: json!({ "event": public, "event_kind": kind }),
        })
    }

    async fn of_silence(&self, source: &str) -> Result<Described, StoreError> {
        let after = self.silent_after().unwrap_or_default();
        let silent = self.store().silent_sources(after).await?.into_iter().find(|row| row.source == source);
        let since = silent.map(|row| format!(" since {}", day(row.heard_at, &self.own_zone()))).unwrap_or_default();
        Ok(Described {
            words: format!("nothing has been heard of HR's source {source}{since}: joiners and leavers may be missing"),
            command: "usher people import FILE".to_owned(),
            goes_on: false,
            data: json!({ "source": source }),
        })
    }

    async fn of_unread(&self, system: &str) -> Result<Option<Described>, StoreError> {
        let unread = self.store().unread_systems().await?.into_iter().find(|row| row.system == system);
        Ok(unread.map(|row| Described {
            words: format!("the accounts of {system} cannot be read: {}", row.why),
            command: format!("usher systems test {system}"),
            goes_on: false,
            data: json!({ "system": system }),
        }))
    }
}

fn of_trip(row: &TripRow) -> Described {
    let (trip, id) = (&row.trip, row.trip.public_id());
    let (guard, stops) = (trip.kind.as_str(), trip.stops.words());
    Described {
        words: format!(
            "the guard `{guard}` has tripped on {}: {}; {stops} wait for a person",
            trip.scope(),
            trip.words
        ),
        command: format!("usher guard release {id} --reason …"),
        goes_on: false,
        data: json!({ "trip": id, "guard": guard, "system": trip.system, "stops": trip.stops.as_str() }),
    }
}

fn of_step(task: &Waiting) -> Described {
    let about = task.person.as_ref().map(|name| format!(", {name}")).unwrap_or_default();
    let mut data = json!({ "run": task.run, "step": task.step, "workflow": task.workflow, "state": task.state });
    for (name, value) in [("system", task.system.as_deref()), ("reason", task.reason)] {
        if let Some(value) = value {
            data[name] = json!(value);
        }
    }
    Described {
        words: format!("{} of {} ({}{about}): {}, {}", task.step, task.run, task.title, task.state, task.what),
        command: task.way_on(),
        goes_on: task.goes_on,
        data,
    }
}

/// What kind of thing a wait is, for programs.
fn kind(wait: &Wait) -> &'static str {
    match &wait.about {
        About::Cut(..) => "cut_overdue",
        About::Step(_, _, state) if state == "failed" => "step_failed",
        About::Step(_, _, state) if state == "lapsed" => "approval_lapsed",
        About::Step(..) => "step_held",
        About::Trip(_) => "guard_tripped",
        About::Event(_) => "event_parked",
        About::Silent(_) => "feed_silent",
        About::Unread(_) => "system_unread",
    }
}

/// Stays the same from the first message to the last.
fn alert_id(wait: &Wait) -> String {
    format!("alert_{}", wait.id)
}

/// The messages of one telling: one for each alert, so that a receiver can match the end with the beginning; as many as
/// a mail would list, and one that counts the others.
#[derive(Default)]
struct Messages {
    messages: Vec<NewMail>,
    left_out: usize,
}

impl Messages {
    fn add(&mut self, to: Option<&Webhook>, stage: &str, wait: &Wait, described: &Described, now: Timestamp) {
        let Some(webhook) = to else { return };
        if self.messages.len() >= LISTED {
            self.left_out += 1;
            return;
        }
        let mut data = described.data.clone();
        data["alert"] = json!(alert_id(wait));
        data["kind"] = json!(kind(wait));
        data["urgent"] = json!(wait.urgent);
        data["since"] = json!(wait.since.to_string());
        let happened = match (stage, wait.over_at) {
            ("alert.opened", _) => wait.since,
            (_, Some(over)) => over,
            _ => now,
        };
        let key = format!("{stage}/{}/{}", wait.id, wait.told);
        self.messages.push(webhook.message(key, stage, happened, &data));
    }

    fn all(mut self, to: Option<&Webhook>, now: Timestamp) -> Vec<NewMail> {
        if let Some(webhook) = to.filter(|_| self.left_out > 0) {
            let key = format!("alert.more/{}", now.as_millisecond());
            self.messages.push(webhook.message(key, "alert.more", now, &json!({ "count": self.left_out })));
        }
        self.messages
    }
}
