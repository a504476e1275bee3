//! Files as HR systems write them, good and bad.

use jiff::civil::{Date, date};

use super::*;
use crate::run::{Person, PersonStatus};
use crate::workflow::HrEvent;

const TODAY: Date = date(2026, 11, 2);

/// A whole file in memory, as only tests have it.
#[derive(Debug)]
struct Feed {
    file: PeopleFile,
    rows: Vec<PersonRow>,
}

fn feed(bytes: &[u8], mapping: &Mapping) -> Result<Feed, String> {
    let file = read_people(bytes, mapping).map_err(|problems| problems.to_string())?;
    let (mut rows, mut found) = (Vec::new(), file.judged().unwrap());
    while let Some(row) = found.next_row().unwrap() {
        let Judged::Right(row) = row else { panic!("{row:?}") };
        rows.push(*row);
    }
    Ok(Feed { rows, file })
}

fn read(text: &str) -> Result<Feed, String> {
    feed(text.as_bytes(), &Mapping::default())
}

fn row(line: &str) -> PersonRow {
    let text = format!("employee_number;given_name;family_name;email;start_date;last_day;status\n{line}\n");
    read(&text).unwrap().rows.remove(0)
}

fn known(line: &str) -> Person {
    changes(None, &row(line), TODAY).0
}

fn events(old: &Person, line: &str) -> Vec<(HrEvent, Option<Date>)> {
    changes(Some(old), &row(line), TODAY).1.into_iter().map(|fact| (fact.event, fact.effective)).collect()
}

#[test]
fn a_german_export_in_windows_1252() {
    let text = "Personal-Nr.;Vorname;Nachname;E-Mail;Eintrittsdatum;Austrittsdatum\r\n\
                17;J\u{fc}rg;M\u{fc}ller;jm@example.org;01.02.2020;31.12.2026\r\n\
                18;Ada;Lovelace;ada@example.org;01.02.2020;\r\n";
    let bytes: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let feed = feed(&bytes, &Mapping::default()).unwrap();
    assert_eq!((feed.file.encoding(), feed.file.delimiter), ("windows-1252", ';'));
    assert_eq!(feed.rows[0].given_name, Told::Said("Jürg".into()));
    assert_eq!(feed.rows[0].last_day, Told::Said(date(2026, 12, 31)));
    assert_eq!(feed.rows[1].last_day, Told::Nothing);
    assert_eq!(feed.rows[1].status, Told::Silent);
    assert_eq!(feed.rows[1].line, 3);
}

#[test]
fn an_american_export_with_a_byte_order_mark() {
    let feed = read(
        "\u{feff}Employee ID,Name,Hire Date,Termination Date,Salary\n\
         1,\"Lovelace, Ada\",1/31/2020 12:00:00 AM,3/4/2027 12:00:00 AM,1\n",
    )
    .unwrap();
    assert_eq!(feed.rows[0].display_name, Told::Said("Lovelace, Ada".into()));
    assert_eq!(feed.rows[0].last_day, Told::Said(date(2027, 3, 4)), "the other column shows the order");
    assert_eq!(feed.file.ignored, ["Salary"]);
}

#[test]
fn columns_can_be_mapped_by_hand() {
    let mut mapping = Mapping::default();
    mapping.add("Kürzel=employee_number").unwrap();
    mapping.add("nome=given_name").unwrap();
    assert!(mapping.add("x").unwrap_err().contains("COLUMN=FIELD"));
    assert!(mapping.add("x=nmae").unwrap_err().contains("given_name"));
    let feed = feed("Kürzel\tNome\tCognome\n7\tAda\tLovelace\n".as_bytes(), &mapping).unwrap();
    assert_eq!(feed.rows[0].employee_number, "7");
    mapping.add("Telefon=department").unwrap();
    let problems = super::read_people("Kürzel\tNome\tCognome\n7\tAda\tLovelace\n".as_bytes(), &mapping).unwrap_err();
    assert!(problems.to_string().contains("no column `Telefon`"), "{problems}");
}

#[test]
fn bad_files_are_refused_whole() {
    for (text, expected) in [
        ("", "the file is empty"),
        ("\n \r\n", "the file is empty"),
        ("employee_number,name\n", "no people"),
        ("employee_number,name\n1,Ada\0\n", "line 2: the file is binary"),
        ("PK\u{3}\u{4}rest", "workbook"),
        ("name,email\nAda,a@b.org\n", "no column for employee_number"),
        ("employee_number,given_name\n1,Ada\n", "no column for given_name and family_name"),
        ("employee_number,name\n1,Ada\n2\n", "line 3: 1 columns, the heading has 2; it is the last one"),
        ("employee_number,name\n1,Ada,x\n2,Bob\n", "line 2: 3 columns"),
        ("employee_number,name\n1,\"Ada\n2,Bob\n", "line 2: the quotation mark"),
        ("employee_number,name,email\n1,Ada,ada.example.org\n", "line 2: email: `ada.example.org` is no mail address"),
        ("employee_number,name,email\n1,Ada,ada@example\n", "is no mail address"),
        ("employee_number,name,last_day\n1,Ada,30.02.2027\n", "line 2: last_day: `30.02.2027`: there is no such date"),
        ("employee_number,name,last_day\n1,Ada,1/2/2027\n", "column `last_day`: `1/2/2027` may be day/month"),
        ("employee_number,name,tz\n1,Ada,Europe/Bern\n", "no IANA time zone"),
        ("employee_number,name,status\n1,Ada,asleep\n", "`asleep` is no status"),
        ("employee_number,name\n,Ada\n", "line 2: no employee number"),
        ("employee_number,name\n1,\n", "line 2: no name"),
        ("employee_number,name,nom complet\n1,Ada,Ada\n", "both look like `display_name`"),
    ] {
        let problems = read(text).unwrap_err();
        assert!(problems.contains(expected), "{text:?} gave: {problems}");
    }
}

#[test]
fn every_mistake_is_named_with_its_line() {
    let problems =
        read("employee_number,name,email\n1,Ada,x\n2,\"Bob\nTwo\",b@x.org\n1,Cy,c@x.org\n3,Dee,y\n").unwrap_err();
    let lines: Vec<&str> = problems.lines().collect();
    assert_eq!(
        lines,
        [
            "line 2: email: `x` is no mail address",
            "line 2: employee number 1 comes again on a later line",
            "line 3: display_name: has a line break",
            "line 5: employee number 1 is on line 2 already",
            "line 6: email: `y` is no mail address",
        ]
    );
}

#[test]
fn an_unknown_manager_is_a_warning_and_an_address_becomes_a_number() {
    let feed = read("employee_number,name,email,manager\n1,Ada,ada@x.org,99\n2,Bob,b@x.org,Ada@x.org\n").unwrap();
    assert_eq!(feed.file.tally.warnings[0].to_string(), "line 2: manager `99` is not in this file");
    assert_eq!(feed.rows[1].manager_number, Told::Said("1".into()));
}

#[test]
fn whoever_is_their_own_manager_is_warned_of() {
    let head = "Employee number,Name,Email,Manager\n";
    let rows = "1,Ada Keller,ada@example.org,1\n2,Bo Lind,Bo@example.org,bo@Example.org\n3,Cy Roth,,9\n4,Di Senn,,\n";
    let feed = read(&format!("{head}{rows}")).unwrap();
    let warned: Vec<String> = feed.file.tally.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warned,
        ["line 2: is their own manager", "line 3: is their own manager", "line 4: manager `9` is not in this file"]
    );
}

#[test]
fn a_mapped_order_or_none_at_all_settles_slashes() {
    let text = "employee_number,name,last_day\n1,Ada,1/2/2027\n";
    let mapping = Mapping { dates: Some(DateOrder::MonthFirst), ..Mapping::default() };
    let feed = feed(text.as_bytes(), &mapping).unwrap();
    assert_eq!(feed.rows[0].last_day, Told::Said(date(2027, 1, 2)));
    let forever = read("employee_number,name,last_day\n1,Ada,31.12.9999\n").unwrap();
    assert_eq!(forever.rows[0].last_day, Told::Nothing);
}

#[test]
fn a_first_file_tells_who_is_there() {
    let facts = |line: &str| changes(None, &row(line), TODAY).1;
    assert_eq!(facts("1;Ada;Lovelace;;2020-01-01;;"), [], "an import into an empty record is a baseline");
    let leaving = &facts("1;Ada;Lovelace;;2020-01-01;2026-11-27;")[0];
    assert_eq!((leaving.event, leaving.effective), (HrEvent::Departure, Some(date(2026, 11, 27))));
    assert_eq!(facts("1;Ada;Lovelace;;2020-01-01;2021-01-01;left"), [], "former employees start nothing");
    assert_eq!(known("1;Ada;Lovelace;;2027-01-01;;").status, PersonStatus::Prehire);
    assert_eq!(known("1;Ada;Lovelace;;;2026-11-27;").display_name, "Ada Lovelace");
}

#[test]
fn who_begins_or_has_just_begun_has_joined() {
    let joined = |start: &str| changes(None, &row(&format!("1;Ada;Lovelace;;{start};;")), TODAY).1;
    for (start, news) in [
        ("2027-01-01", true),
        ("2026-11-03", true),
        ("2026-11-02", true),
        ("2026-10-03", true),
        ("2026-10-02", false),
        ("2020-01-01", false),
        ("", false),
    ] {
        let facts = joined(start);
        assert_eq!(!facts.is_empty(), news, "{start}");
        assert!(facts.iter().all(|fact| fact.event == HrEvent::Joined && fact.effective.is_some()), "{start}");
    }
}

#[test]
fn departures_come_move_and_are_taken_back() {
    let ada = known("1;Ada;Lovelace;;2020-01-01;;");
    let leaving = known("1;Ada;Lovelace;;2020-01-01;2026-11-27;");
    assert_eq!(events(&ada, "1;Ada;Lovelace;;2020-01-01;;"), []);
    assert_eq!(
        events(&ada, "1;Ada;Lovelace;;2020-01-01;2026-11-27;"),
        [(HrEvent::Departure, Some(date(2026, 11, 27)))]
    );
    assert_eq!(events(&leaving, "1;Ada;Lovelace;;2020-01-01;2026-11-27;"), []);
    assert_eq!(
        events(&leaving, "1;Ada;Lovelace;;2020-01-01;2026-12-31;"),
        [(HrEvent::Departure, Some(date(2026, 12, 31)))]
    );
    assert_eq!(events(&leaving, "1;Ada;Lovelace;;2020-01-01;;"), [(HrEvent::Rescinded, None)]);
    assert_eq!(events(&ada, "1;Ada;Lovelace;;2020-01-01;;left"), [(HrEvent::Departure, None)]);
}

#[test]
fn who_had_left_is_rehired() {
    let gone = known("1;Ada;Lovelace;;2020-01-01;2026-10-30;");
    assert_eq!(gone.status, PersonStatus::Left);
    assert_eq!(
        events(&gone, "1;Ada;Lovelace;;2026-12-01;;"),
        [(HrEvent::Rehired, Some(date(2026, 12, 1))), (HrEvent::Changed, None)]
    );
    let kept_old_date = "1;Ada;Lovelace;;2026-11-01;2026-10-30;active";
    assert_eq!(events(&gone, kept_old_date)[0], (HrEvent::Rehired, Some(date(2026, 11, 1))));
    assert_eq!(
        events(&gone, "1;Ada;Lovelace;;2020-01-01;2026-12-31;"),
        [(HrEvent::Rehired, Some(date(2020, 1, 1))), (HrEvent::Departure, Some(date(2026, 12, 31)))]
    );
}

#[test]
fn leave_return_and_changed_names() {
    let ada = known("1;Ada;Byron;;2020-01-01;;active");
    assert_eq!(events(&ada, "1;Ada;Byron;;2020-01-01;;on leave"), [(HrEvent::Leave, None)]);
    let away = known("1;Ada;Byron;;2020-01-01;;on leave");
    assert_eq!(events(&away, "1;Ada;Byron;;2020-01-01;;active"), [(HrEvent::Return, None)]);
    let (married, facts) = changes(Some(&ada), &row("1;Ada;Lovelace;;2020-01-01;;active"), TODAY);
    assert_eq!(facts[0].fields, ["family_name", "display_name"]);
    assert_eq!(married.display_name, "Ada Lovelace");
}

/// A row with the columns of a leave: from, first day back, reason.
fn leave_row(line: &str) -> PersonRow {
    read(&format!("employee_number;name;leave_from;return date;leave_reason;status\n{line}\n")).unwrap().rows.remove(0)
}

#[test]
fn a_leave_with_dates_is_told_once_moved_and_taken_back() {
    let told = |old: Option<&Person>, line: &str, today: Date| {
        let (person, facts) = changes(old, &leave_row(line), today);
        (person, facts.into_iter().map(|fact| (fact.event, fact.effective)).collect::<Vec<_>>())
    };
    let march = date(2027, 3, 1);
    let (ada, said) = told(None, "1;Ada;2027-03-01;2027-09-01;parental;", TODAY);
    assert_eq!((ada.status, said), (PersonStatus::Active, vec![(HrEvent::Leave, Some(march))]));
    let line = "1;Ada;2027-03-01;2027-09-01;parental;";
    assert_eq!(told(Some(&ada), line, TODAY).1, []);
    // The day comes, and the day of return: both were told before.
    let (away, said) = told(Some(&ada), line, date(2027, 3, 1));
    assert_eq!((away.status, said), (PersonStatus::OnLeave, vec![]));
    let (back, said) = told(Some(&away), line, date(2027, 9, 1));
    assert_eq!((back.status, said), (PersonStatus::Active, vec![]));
    // Moved while away, cut short, taken back before it began.
    let later = "1;Ada;2027-03-01;2027-10-01;parental;";
    assert_eq!(told(Some(&away), later, date(2027, 4, 1)).1, [(HrEvent::Leave, Some(march))]);
    let (early, said) = told(Some(&away), "1;Ada;2027-03-01;2027-04-01;parental;", date(2027, 4, 1));
    assert_eq!((early.status, said), (PersonStatus::Active, vec![(HrEvent::Return, Some(date(2027, 4, 1)))]));
    assert_eq!(told(Some(&ada), "1;Ada;;;;", TODAY).1, [(HrEvent::Return, None), (HrEvent::Changed, None)]);
    // A leave that is over starts nothing in a first file.
    assert_eq!(told(None, "1;Ada;2026-01-01;2026-02-01;;", TODAY).1, []);
}

#[test]
fn an_event_carries_what_workflows_ask_for() {
    let (ada, facts) = changes(None, &leave_row("1;Ada;2027-03-01;2027-09-01;parental;"), TODAY);
    let told = facts[0].told(&ada);
    assert_eq!(told.effective, Some(date(2027, 3, 1)));
    assert_eq!(told.facts["until"], "2027-09-01");
    assert_eq!(told.facts["reason"], "parental");
    assert_eq!(told.facts["display_name"], "Ada");
    assert_eq!(told.fields, ["leave_from", "leave_until"]);
    let kept: crate::run::EventFacts = serde_json::from_str(&serde_json::to_string(&told).unwrap()).unwrap();
    assert_eq!(kept, told, "as the record keeps it");
}

#[test]
fn the_last_day_of_a_leave_is_the_day_before_the_return() {
    let feed = read("employee_number;name;Abwesend ab;Abwesend bis\n1;Ada;01.03.2027;31.08.2027\n").unwrap();
    assert_eq!(feed.rows[0].leave_until, Told::Said(date(2027, 9, 1)));
    let both = "employee_number,name,leave_until,leave_last_day\n1,Ada,2027-09-01,2027-09-01\n";
    assert!(read(both).unwrap_err().contains("is not the day after"));
}

#[test]
fn people_without_numbers_have_a_key_of_their_name_or_address() {
    let keyed = |text: &str, rule| {
        let mapping = Mapping { key_from: Some(rule), ..Mapping::default() };
        feed(text.as_bytes(), &mapping)
            .map(|feed| feed.rows.iter().map(|row| row.employee_number.clone()).collect::<Vec<_>>())
    };
    let guide = "first_name,last_name,password\nAda,Lovelace,s3cret\nGrace,Hopper,\n";
    assert!(read(guide).unwrap_err().contains("--key-from email or --key-from name"));
    assert_eq!(keyed(guide, KeyFrom::Name).unwrap(), ["ada.lovelace", "grace.hopper"]);
    assert!(keyed(guide, KeyFrom::Email).unwrap_err().contains("no column for email"));
    let mails = "name,email\nAda,Ada@X.org\nBob,\n";
    assert!(keyed(mails, KeyFrom::Email).unwrap_err().contains("line 3: no mail address"));
    let twins = "first_name,last_name\nAda,Lovelace\nada,LOVELACE\n";
    assert!(keyed(twins, KeyFrom::Name).unwrap_err().contains("line 3: employee number ada.lovelace is on line 2"));
    // A column of numbers goes before any rule.
    assert_eq!(keyed("employee_number,name\n7,Ada\n", KeyFrom::Name).unwrap(), ["7"]);
}

#[test]
fn a_password_is_read_and_shown_nowhere() {
    let text = "employee_number,name,Kennwort,email\n1,Ada,Tr0ub4dor,x\n";
    assert!(!read(text).unwrap_err().contains("Tr0ub4dor"));
    let feed = read("employee_number,name,password\n1,Ada,Tr0ub4dor\n").unwrap();
    assert_eq!(feed.rows[0].password.as_ref().unwrap().expose(), "Tr0ub4dor");
    assert!(!format!("{:?}", feed.rows).contains("Tr0ub4dor"));
    let long = format!("employee_number,name,password\n1,Ada,{}\n", "Tr0ub4dor".repeat(30));
    assert!(!read(&long).unwrap_err().contains("Tr0ub4dor"));
}

#[test]
fn a_file_without_a_column_takes_nothing_back() {
    let leaving = known("1;Ada;Lovelace;ada@x.org;2020-01-01;2026-11-27;");
    let text = "employee_number,name\n1,Ada Lovelace\n";
    let (person, facts) = changes(Some(&leaving), &read(text).unwrap().rows[0], TODAY);
    assert_eq!(facts, []);
    assert_eq!(person, leaving);
}

proptest::proptest! {
    /// Whatever the bytes, an answer and no panic; and what is read has unique keys.
    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
        let _ = read_people(&bytes, &Mapping::default());
        let mut text = b"employee_number,name,last_day\n".to_vec();
        text.extend(&bytes);
        if let Ok(feed) = feed(&text, &Mapping::default()) {
            let mut keys: Vec<_> = feed.rows.iter().map(|row| &row.employee_number).collect();
            keys.sort();
            keys.dedup();
            proptest::prop_assert_eq!(keys.len(), feed.rows.len());
        }
    }

    /// The same row twice is news once.
    #[test]
    fn the_same_row_again_says_nothing(last in 0_i32..800, start in 0_i32..800, status in "(active|left|on leave|)") {
        let day = |offset: i32| date(2025, 11, 2).checked_add(jiff::Span::new().days(offset)).unwrap();
        let line = format!("1;Ada;Lovelace;;{};{};{status}", day(start), day(last));
        let person = known(&line);
        proptest::prop_assert_eq!(events(&person, &line), []);
    }

    /// So with leaves, whatever the day.
    #[test]
    fn the_same_leave_again_says_nothing(
        from in 0_i32..800, length in -5_i32..200, today in 0_i64..800, later in 0_i64..800, status in "(active|on leave|)",
    ) {
        let day = |offset: i32| date(2025, 11, 2).checked_add(jiff::Span::new().days(offset)).unwrap();
        let row = leave_row(&format!("1;Ada;{};{};;{status}", day(from), day(from + length)));
        let today = date(2025, 11, 2).checked_add(jiff::Span::new().days(today)).unwrap();
        let later = today.checked_add(jiff::Span::new().days(later)).unwrap();
        let (known, _) = changes(None, &row, today);
        proptest::prop_assert_eq!(changes(Some(&known), &row, today), (known.clone(), vec![]));
        proptest::prop_assert_eq!(changes(Some(&known), &row, later).1, vec![]);
    }
}
