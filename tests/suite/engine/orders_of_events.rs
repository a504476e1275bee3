//! HR's words in every order (guarantee 10): told once or twice, dealt with at once or later, the end is the same.

use std::collections::BTreeSet;

use usher::intake::events;
use usher::run::{EventFacts, HoldReason, Person, PersonStatus, StepState};
use usher::store::{EventFilter, EventState, NewEvent};
use usher::workflow::HrEvent;

use crate::harness::{App, zurich};

/// What HR says about somebody, and where that leaves them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Leaves(&'static str),
    Stays,
    Back,
}

use Word::{Back, Leaves, Stays};

impl Word {
    fn person(self, number: &str) -> Person {
        let (last_day, status) = match self {
            Leaves(day) => (Some(day.parse().unwrap()), PersonStatus::Leaving),
            Stays | Back => (None, PersonStatus::Active),
        };
        Person {
            employee_number: number.into(),
            given_name: "Test".into(),
            family_name: number.into(),
            display_name: format!("Test {number}"),
            email: Some(format!("{number}@alpine-instruments.example")),
            timezone: Some("Europe/Zurich".into()),
            manager_number: Some("1004".into()),
            last_day,
            status,
            ..Person::default()
        }
    }

    fn event(self, number: &str, position: usize) -> NewEvent {
        let (kind, facts) = match self {
            Leaves(day) => (HrEvent::Departure, EventFacts::on(day.parse().unwrap())),
            Stays => (HrEvent::Rescinded, EventFacts::default()),
            Back => (HrEvent::Rehired, EventFacts::default()),
        };
        NewEvent {
            source: "test".into(),
            key: format!("{number}:{position}"),
            kind,
            employee_number: number.into(),
            facts,
        }
    }
}

/// HR's words in a row, each told twice; bit n of `when` says whether the nth is dealt with before the next is told.
async fn told(app: &App, number: &str, words: &[Word], when: usize) {
    for (position, word) in words.iter().enumerate() {
        let (person, event) = (word.person(number), word.event(number, position));
        assert_eq!(app.store.save_people(&[person], std::slice::from_ref(&event)).await.unwrap().len(), 1);
        // An older fact that is told again is no news, whoever it is about by now.
        let again: Vec<NewEvent> =
            words[..=position].iter().enumerate().map(|(n, word)| word.event(number, n)).collect();
        assert!(app.store.save_people(&[], &again).await.unwrap().is_empty(), "a duplicate counts");
        if when & (1 << position) != 0 {
            events::dispatch_read(&app.engine).await.unwrap();
        }
    }
    events::dispatch_read(&app.engine).await.unwrap();
}

/// What will happen to somebody: live runs with their dates, what HR's word holds, what waits for a person.
async fn stands(app: &App, number: &str) -> BTreeSet<String> {
    let mut told = BTreeSet::new();
    let person = app.store.person(number).await.unwrap().unwrap();
    for book in app.store.books_of(person.id, true).await.unwrap() {
        let hr =
            |step: &&usher::run::book::Step| matches!(&step.state, StepState::Held { reason: HoldReason::Hr(_), .. });
        let (held, day) = (book.steps.iter().filter(hr).count(), book.run.inputs["last_day"].clone());
        told.insert(format!("{} {} on {day}, {held} held", book.run.name, book.run.state.as_str()));
    }
    let parked = EventFilter { person: Some(number.into()), state: Some(EventState::Parked), ..EventFilter::default() };
    told.extend(app.store.events(&parked).await.unwrap().iter().map(|event| format!("parked {}", event.kind.as_str())));
    told
}

both! {
    whenever_each_word_is_dealt_with_the_last_one_counts, async |app: &App| {
        app.staffed().await;
        let rows: [&[Word]; 7] = [
            &[Leaves("2027-02-26"), Leaves("2027-03-31")],
            &[Leaves("2027-02-26"), Stays],
            &[Leaves("2027-02-26"), Stays, Leaves("2027-03-31")],
            &[Leaves("2027-02-26"), Leaves("2027-03-31"), Stays],
            &[Leaves("2027-02-26"), Stays, Leaves("2027-02-26"), Leaves("2027-03-31")],
            &[Leaves("2027-02-26"), Back, Leaves("2027-03-31")],
            &[Stays, Leaves("2027-02-26"), Stays, Back],
        ];
        let mut number = 5000;
        for words in rows {
            let mut first = None;
            for when in 0..1 << (words.len() - 1) {
                number += 1;
                told(app, &number.to_string(), words, when).await;
                let stands = stands(app, &number.to_string()).await;
                assert_eq!(*first.get_or_insert_with(|| stands.clone()), stands, "{words:?}, dealt with by {when:b}");
            }
            let leaves = matches!(words.last(), Some(Leaves(_)));
            let live = first.unwrap();
            assert_eq!(live.iter().any(|told| told.starts_with("departure open on \"2027-03-31\", 0 held")), leaves, "{words:?}: {live:?}");
        }
    };

    once_access_is_closed_every_order_ends_with_a_person, async |app: &App| {
        app.staffed().await;
        let rows: [&[Word]; 4] = [
            &[Stays],
            &[Stays, Leaves("2027-12-31")],
            &[Leaves("2027-12-31"), Stays],
            &[Back, Leaves("2027-12-31")],
        ];
        let mut leavers = ["1006", "1007", "1010", "1012", "1014", "1015", "1016", "1017"].into_iter();
        let mut cases = Vec::new();
        for words in rows {
            for when in 0..1_usize << (words.len() - 1) {
                let leaver = leavers.next().expect("somebody");
                told(app, leaver, &[Leaves("2027-01-22")], 1).await;
                cases.push((words, when, leaver));
            }
        }
        app.walk_to(zurich("2027-01-25T09:00")).await;
        let mut ends: Vec<(&[Word], BTreeSet<String>)> = Vec::new();
        for (words, when, leaver) in cases {
            for (position, word) in words.iter().enumerate() {
                let event = word.event(leaver, 10 + position);
                app.store.save_people(&[word.person(leaver)], &[event.clone(), event]).await.unwrap();
                if when & (1 << position) != 0 {
                    events::dispatch_read(&app.engine).await.unwrap();
                }
            }
            events::dispatch_read(&app.engine).await.unwrap();
            let stands = stands(app, leaver).await;
            assert!(stands.iter().any(|told| told.starts_with("parked")), "{words:?}: {stands:?}");
            assert!(stands.iter().all(|told| !told.contains(" 0 held")), "{words:?}: {stands:?}");
            match ends.iter().find(|(others, _)| *others == words) {
                Some((_, end)) => assert_eq!(*end, stands, "{words:?}, dealt with by {when:b}"),
                None => ends.push((words, stands)),
            }
        }
    };
}
