//! A file is taken in once, however often it is interrupted and by however many.

use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::civil::date;
use proptest::prelude::*;
use usher::intake::events;
use usher::intake::feed::{self, Taken, Taking};
use usher::intake::people::{Mapping, PeopleFile, read_people};
use usher::run::Person;
use usher::store::{Piece, PieceTaken, RowOutcome};

use crate::database::Db;
use crate::harness::App;

const HEADING: &str = "employee_number;name;email;department;start_date;last_day;leave_from;leave_until\n";

/// Everything that a file leaves in the record: people, what follows, what became of each row.
#[derive(Debug, PartialEq)]
struct Left {
    people: Vec<Person>,
    events: Vec<(String, String, String)>,
    outcomes: Vec<RowOutcome>,
}

async fn left(app: &App, taken: &Taken) -> Left {
    let people = app.store.people(None).await.unwrap();
    let events = app.store.events_of_rows(&taken.import, 0, u64::MAX).await.unwrap();
    let mut outcomes = Vec::new();
    loop {
        let more = app.store.row_outcomes(&taken.import, outcomes.len() as u64).await.unwrap();
        if more.is_empty() {
            break;
        }
        outcomes.extend(more);
    }
    Left {
        people: people.into_iter().map(|person| Person { id: 0, ..person }).collect(),
        events: events
            .into_iter()
            .map(|(_, event)| (event.kind.as_str().into(), event.employee_number, format!("{:?}", event.facts)))
            .collect(),
        outcomes,
    }
}

fn file(csv: &str) -> PeopleFile {
    PeopleFile::of_bytes(csv.as_bytes().to_vec(), &Mapping::default()).unwrap_or_else(|why| panic!("{why}"))
}

/// Takes a file in with pieces of this size, stopping after so many of them.
async fn some(app: &App, csv: &str, piece: usize, pieces: usize) -> Taken {
    let asked = AtomicUsize::new(0);
    let go_on = || asked.fetch_add(1, Ordering::SeqCst) < pieces;
    let taking = Taking { source: "csv", actor: "os:test", go_on: &go_on, piece: Some(piece) };
    feed::take(&app.engine, &file(csv), &taking, |_| {}).await.expect("takes it in")
}

async fn whole(app: &App, csv: &str) -> Taken {
    some(app, csv, 1000, usize::MAX).await
}

fn crowd(rows: usize) -> String {
    (0..rows).fold(HEADING.to_owned(), |csv, row| {
        let leaves = if row % 7 == 3 { "2027-03-31" } else { "" };
        let away = if row % 5 == 1 { "2027-02-01;2027-03-01" } else { ";" };
        format!("{csv}{row};Robin {row};r{row}@x.org;Sales;2020-01-01;{leaves};{away}\n")
    })
}

both! {
    an_interrupted_import_goes_on_and_ends_as_if_it_had_not_been, async |app: &App| {
        let csv = crowd(40);
        let first = some(app, &csv, 7, 3).await;
        assert_eq!((first.complete, first.new), (false, 21));
        // The clock goes on: what dates mean is what they meant at the beginning.
        app.clock.set(app.now() + jiff::SignedDuration::from_hours(24 * 80));
        let rest = some(app, &csv, 4, usize::MAX).await;
        assert_eq!((rest.complete, rest.before, rest.new), (true, 21, 40));
        let interrupted = left(app, &rest).await;

        let other = App::new(app.home.db).await;
        let once = whole(&other, &csv).await;
        assert_eq!(interrupted, left(&other, &once).await);
        other.end().await;

        // The same file again is another import, in which nothing is new; whoever has left by now has left.
        let again = whole(app, &csv).await;
        assert_eq!((again.before, again.new, again.events), (0, 0, 0));
    };

    what_follows_waits_for_the_end_of_the_file_or_five_minutes, async |app: &App| {
        app.sync().await;
        let csv = crowd(20);
        some(app, &csv, 5, 2).await;
        assert!(events::dispatch(&app.engine).await.unwrap().is_empty(), "the file is being taken in");
        assert!(app.number("SELECT COUNT(*) FROM hr_events WHERE state = 'accepted'").await > 0);
        app.clock.set(app.now() + jiff::SignedDuration::from_mins(5));
        assert!(!events::dispatch(&app.engine).await.unwrap().is_empty(), "it was left");
        assert!(some(app, &csv, 5, usize::MAX).await.complete);
        assert!(!events::dispatch(&app.engine).await.unwrap().is_empty(), "and ended");
    };

    a_file_that_was_left_and_overtaken_begins_anew, async |app: &App| {
        let csv = crowd(20);
        assert_eq!(some(app, &csv, 5, 2).await.new, 10);
        let newer = csv.replace("0;Robin 0;", "0;Robin Zero;");
        assert_eq!(whole(app, &newer).await.new, 10);
        let again = whole(app, &csv).await;
        assert_eq!((again.before, again.changed, again.unchanged), (0, 1, 19), "Robin 0 is called as this file says");
    };

    two_imports_of_one_file_at_once_take_each_row_once, async |app: &App| {
        let csv = crowd(60);
        let beside = app.restarted(app.systems(), &[]).await;
        let (one, other) = (file(&csv), file(&csv));
        let taking = Taking { source: "csv", actor: "os:test", go_on: &|| true, piece: Some(3) };
        let (first, second) = tokio::join!(
            feed::take(&app.engine, &one, &taking, |_| {}),
            feed::take(&beside, &other, &taking, |_| {}),
        );
        let (first, second) = (first.unwrap(), second.unwrap());
        // Whichever began comes first.
        let (first, second) = if first.import.id <= second.import.id { (first, second) } else { (second, first) };
        assert!(first.complete && second.complete);
        // The second one joins in, or comes when all is done.
        assert_eq!(left(app, &first).await.outcomes, [RowOutcome::New; 60]);
        let joined = first.import.id == second.import.id;
        assert_eq!((second.new, second.unchanged), if joined { (60, 0) } else { (0, 60) });
        let events = app.number("SELECT COUNT(*) FROM hr_events").await;
        let other = App::new(app.home.db).await;
        whole(&other, &csv).await;
        assert_eq!(events, other.number("SELECT COUNT(*) FROM hr_events").await);
        other.end().await;
        beside.store().close().await;
    };

    rows_that_somebody_else_has_taken_are_passed_over, async |app: &App| {
        let beside = app.another_store().await;
        let today = date(2027, 1, 20);
        let (mine, theirs) = (
            app.store.begin_import("one file", "csv", today, "os:test").await.unwrap(),
            beside.begin_import("one file", "csv", today, "os:other").await.unwrap(),
        );
        assert_eq!(mine, theirs, "the second one joins in");
        let three = || Piece { outcomes: vec![RowOutcome::Unchanged; 3], ..Piece::default() };
        let taken = beside.take_piece(&theirs, 0, &[], |_| three()).await.unwrap();
        assert!(matches!(taken, PieceTaken::Taken(0)), "{taken:?}");
        let late = app.store.take_piece(&mine, 0, &[], |_| panic!("these rows are not judged again")).await.unwrap();
        assert!(matches!(late, PieceTaken::Ahead(3)), "{late:?}");
        assert!(matches!(app.store.take_piece(&mine, 3, &[], |_| three()).await.unwrap(), PieceTaken::Taken(0)));
        beside.close().await;
    };

    wrong_rows_are_left_out_and_the_others_taken, async |app: &App| {
        let csv = format!("{HEADING}1;Ada;ada@x.org;;;;;\n2;Bob;nonsense;;;;;\n3;Cy;;;;;;\n3;Cy again;;;;;;\n4;Dee;;;;;;\n");
        assert!(read_people(csv.as_bytes(), &Mapping::default()).is_err(), "refused whole, unless asked for");
        assert_eq!(file(&csv).tally.wrong, 3);
        let taken = whole(app, &csv).await;
        assert_eq!((taken.new, taken.wrong), (2, 3));
        let numbers: Vec<String> =
            app.store.people(None).await.unwrap().into_iter().map(|person| person.employee_number).collect();
        assert_eq!(numbers, ["1", "4"], "of two rows about one person neither counts");
    };

    a_file_on_disk_that_changes_meanwhile_is_not_gone_on_with, async |app: &App| {
        let path = app.folder.path().join("people.csv");
        std::fs::write(&path, crowd(30)).unwrap();
        let file = PeopleFile::open(&path, &Mapping::default()).unwrap();
        std::fs::write(&path, crowd(31)).unwrap();
        let taken = feed::take_in(&app.engine, &file, "csv", |_| {}).await;
        assert!(taken.unwrap_err().to_string().contains("has changed while it was being read"));
        assert_eq!(app.number("SELECT COUNT(*) FROM people").await, 0);
    };
}

fn row() -> impl Strategy<Value = String> {
    let day = |days: u32| date(2026, 6, 1).checked_add(jiff::Span::new().days(i64::from(days))).unwrap();
    (0_u32..8, prop::option::of(0_u32..700), prop::option::of(0_u32..700), 0_u32..6).prop_map(
        move |(name, last, leave, department)| {
            let cell = |days: Option<u32>| days.map(|days| day(days).to_string()).unwrap_or_default();
            let back = cell(leave.map(|days| days + 30));
            format!("Robin {name};r{name}@x.org;D{department};2020-01-01;{};{};{back}", cell(last), cell(leave))
        },
    )
}

fn csv(rows: &[String]) -> String {
    rows.iter().enumerate().fold(HEADING.to_owned(), |csv, (number, row)| format!("{csv}{number};{row}\n"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the files, the pieces and the interruptions: the record is the one of whole imports.
    #[test]
    fn in_pieces_or_whole_is_the_same(
        first in prop::collection::vec(row(), 1..25),
        second in prop::collection::vec(row(), 1..25),
        pieces in prop::collection::vec((1_usize..9, 0_usize..4), 0..5),
    ) {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let (one, other) = (App::new(Db::Sqlite).await, App::new(Db::Sqlite).await);
            for rows in [first, second] {
                let csv = csv(&rows);
                for (piece, stop) in &pieces {
                    if some(&one, &csv, *piece, *stop).await.complete {
                        break;
                    }
                }
                // After the last stop, or once more where it had ended.
                let in_pieces = some(&one, &csv, 5, usize::MAX).await;
                let at_once = whole(&other, &csv).await;
                let (mut in_pieces, mut at_once) = (left(&one, &in_pieces).await, left(&other, &at_once).await);
                if in_pieces.outcomes.iter().all(|outcome| *outcome == RowOutcome::Unchanged) {
                    in_pieces.outcomes.clear();
                    at_once.outcomes.clear();
                    in_pieces.events.clear();
                    at_once.events.clear();
                }
                assert_eq!(in_pieces, at_once);
                let count = "SELECT COUNT(*) FROM hr_events";
                assert_eq!(one.number(count).await, other.number(count).await);
            }
            one.end().await;
            other.end().await;
        });
    }
}
