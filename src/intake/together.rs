//! Events about different people, dealt with together: what they lead to is read, started and noted for all of them at
//! once. Each is carried out or parked by itself; one that changes runs under way is dealt with alone.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::events::{Dispatched, Outcome, key, listeners, request};
use super::{moved, standing};
use crate::engine::Engine;
use crate::engine::trigger::{Request, TriggerError};
use crate::run::Person;
use crate::run::book::{Book, public_id};
use crate::store::{Closing, EventRow, EventState, Halves, Started, StoreError};
use crate::workflow::HrEvent;

/// Events that are dealt with together.
const AT_ONCE: usize = 1000;

/// Deals with events in their order.
///
/// # Errors
/// When the database is in trouble; events that are not dealt with stay accepted.
pub(super) async fn deal_with_all(engine: &Engine, events: &[EventRow]) -> Result<Vec<Dispatched>, StoreError> {
    let mut dispatched = Vec::new();
    let mut left = events;
    while !left.is_empty() {
        let (some, rest) = left.split_at(different_people(left));
        left = rest;
        let mut halves = Halves::of(some);
        while let Some(some) = halves.next() {
            match Known::of(engine, some).await {
                Ok(known) => dispatched.extend(known.deal_with(engine, some).await?),
                Err(error) if error.is_outage() => return Err(error),
                Err(_) if halves.again(some) => {}
                Err(error) => dispatched.extend(park(engine, some, &error).await?),
            }
        }
    }
    Ok(dispatched)
}

/// How many events there are before one is about somebody again: what it leads to depends on what the earlier one led to.
fn different_people(events: &[EventRow]) -> usize {
    let mut people = HashSet::new();
    let some = &events[..events.len().min(AT_ONCE)];
    some.iter().position(|event| !people.insert(&event.employee_number)).unwrap_or(some.len())
}

/// Whom events are about, and their runs under way.
struct Known {
    people: HashMap<String, Person>,
    open: BTreeMap<i64, Vec<Book>>,
    /// Runs that some of the events have started already, by key.
    started: HashMap<String, i64>,
}

/// What an event asks for.
struct Asks {
    /// Runs that it has started already.
    started: Vec<i64>,
    /// Runs that follow what HR says now.
    follow: Vec<Book>,
    /// Workflows that it starts.
    start: Vec<String>,
}

impl Known {
    async fn of(engine: &Engine, events: &[EventRow]) -> Result<Self, StoreError> {
        let numbers: Vec<String> = events.iter().map(|event| event.employee_number.clone()).collect();
        let people = engine.store().known_people(&numbers).await?;
        let ids: Vec<i64> = people.values().map(|person| person.id).collect();
        let open = engine.store().open_books_of(&ids).await?;
        let keys = events.iter().flat_map(|event| {
            let person = people.get(&event.employee_number);
            let books = person.and_then(|person| open.get(&person.id)).into_iter().flatten();
            books.map(|book| key(event, &book.run.name))
        });
        let keys: Vec<String> = keys.collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let started = engine.store().runs_with_keys(&keys).await?;
        Ok(Self { people, open, started })
    }

    /// Every workflow that listens is started; one that the person has an open run of follows what HR says now.
    fn asks(&self, engine: &Engine, event: &EventRow, person: &Person) -> Asks {
        let listening = listeners(engine, event.kind, &event.facts.fields);
        let mut asks = Asks {
            started: Vec::new(),
            follow: Vec::new(),
            start: listening.map(|workflow| workflow.name.clone()).collect(),
        };
        // A run keeps following HR when its workflow is gone from the library.
        for book in self.open.get(&person.id).into_iter().flatten() {
            let run = &book.run;
            let listens = run.listens_for(event.kind) && event.kind != HrEvent::Changed;
            if !listens && (run.undoes.is_some() || !asks.start.contains(&run.name)) {
                continue;
            }
            asks.start.retain(|name| *name != run.name);
            if self.started.get(&key(event, &run.name)) == Some(&run.id) {
                asks.started.push(run.id);
            } else {
                asks.follow.push(book.clone());
            }
        }
        asks
    }

    /// Deals with events about different people. Those that only start something are begun and noted together: what they
    /// start is keyed, so that dying in between starts nothing twice.
    async fn deal_with(&self, engine: &Engine, events: &[EventRow]) -> Result<Vec<Dispatched>, StoreError> {
        let mut came: Vec<Outcome> = events.iter().map(|_| Outcome::default()).collect();
        let (mut requests, mut places, mut together, mut alone) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (place, event) in events.iter().enumerate() {
            let (outcome, who) = (&mut came[place], &event.employee_number);
            together.push(place);
            let Some(person) = self.people.get(who) else {
                outcome.dropped = Some(format!("{who} is not known"));
                continue;
            };
            if let Some(why) = standing::overtaken(event, person) {
                outcome.notes.push(why);
                continue;
            }
            let asks = self.asks(engine, event, person);
            if !asks.follow.is_empty() || standing::goes_beyond(event) {
                together.pop();
                alone.push((place, person, asks));
                continue;
            }
            outcome.runs = asks.started.into_iter().map(public_id).collect();
            places.extend(asks.start.iter().map(|_| place));
            requests.extend(asks.start.into_iter().map(|workflow| request(event, workflow)));
        }
        for (place, answer) in places.into_iter().zip(engine.start_many(&requests).await?) {
            came[place].take(answer);
        }
        close(engine, events, &came, &together).await?;
        for (place, person, asks) in alone {
            match change_runs(engine, &events[place], person, asks, &mut came[place]).await {
                // What stops it for good parks it, so that it stops nobody else.
                Err(error) if !error.is_outage() => came[place].park(error.to_string()),
                done => done?,
            }
            close(engine, events, &came, &[place]).await?;
        }
        Ok(events.iter().zip(came).filter_map(|(event, outcome)| outcome.told(event)).collect())
    }
}

/// An event that changes runs under way.
async fn change_runs(
    engine: &Engine,
    event: &EventRow,
    person: &Person,
    asks: Asks,
    came: &mut Outcome,
) -> Result<(), StoreError> {
    came.runs.extend(asks.started.into_iter().map(public_id));
    for book in &asks.follow {
        moved::follow(engine, book, &event.facts, event, came).await?;
    }
    let requests: Vec<Request> = asks.start.into_iter().map(|workflow| request(event, workflow)).collect();
    for answer in engine.start_many(&requests).await? {
        came.take(answer);
    }
    standing::beyond_listeners(engine, event, person, came).await
}

impl Outcome {
    fn take(&mut self, answer: Result<Started, TriggerError>) {
        match answer {
            Ok(started) => self.runs.push(public_id(started.id())),
            Err(error) => self.park(error.to_string()),
        }
    }

    /// What people are told of it; nothing where nothing came of it.
    fn told(self, event: &EventRow) -> Option<Dispatched> {
        (self.said().0 != EventState::Dropped).then(|| Dispatched {
            event: event.kind,
            employee_number: event.employee_number.clone(),
            parked: (!self.parked.is_empty()).then(|| self.parked.join("; ")),
            runs: self.runs,
            noted: self.notes,
            proposes: self.proposes,
        })
    }
}

/// Says of the events at `places` what became of them.
async fn close(engine: &Engine, events: &[EventRow], came: &[Outcome], places: &[usize]) -> Result<(), StoreError> {
    let said: Vec<(usize, (EventState, String))> = places.iter().map(|place| (*place, came[*place].said())).collect();
    let closings: Vec<Closing<'_>> = said
        .iter()
        .map(|(place, (state, note))| Closing {
            event: &events[*place],
            state: *state,
            note,
            proposes: &came[*place].proposes,
        })
        .collect();
    engine.store().close_events(&closings).await
}

/// Parks what cannot even be looked at.
async fn park(engine: &Engine, events: &[EventRow], why: &StoreError) -> Result<Vec<Dispatched>, StoreError> {
    let came = |_: &EventRow| Outcome { parked: vec![why.to_string()], ..Outcome::default() };
    let came: Vec<Outcome> = events.iter().map(came).collect();
    let places: Vec<usize> = (0..events.len()).collect();
    close(engine, events, &came, &places).await?;
    Ok(events.iter().zip(came).filter_map(|(event, outcome)| outcome.told(event)).collect())
}
