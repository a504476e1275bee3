//! What must hold for any bytes that people, files or tables may give usher. Each target panics where it does not.
//!
//! Shared by the short run on stable Rust (`main.rs`) and the long one with cargo-fuzz (`fuzz_targets/`).

use std::collections::BTreeSet;

use jiff::civil::{Date, date};
use serde_json::Value;
use usher::config::{Config, Surroundings};
use usher::intake::people::{Judged, Mapping, PeopleFile, PersonRow, changes};
use usher::run::journal::{ERASED, Entry, Fact, facts as facts_of, join, replay, split, verify};
use usher::workflow::{Amount, At, Condition, Diagnostic, Scope, Span, Template, check_all, parse};

/// A target, as both runs know it.
pub type Target = fn(&[u8]);

/// All of them, by the name of their corpus.
pub const TARGETS: [(&str, Target); 7] = [
    ("workflow", workflow),
    ("expression", expression),
    ("people", people),
    ("at", at),
    ("span", span),
    ("journal", journal),
    ("config", config),
];

/// A workflow file: every finding has a place within the text and can be shown; reading it again gives the same.
pub fn workflow(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let read = parse("fuzz.yaml", &text);
    let findings = match &read {
        Ok((workflow, warnings)) => {
            assert!(!workflow.name.is_empty(), "a workflow without a name");
            assert!(!workflow.steps.is_empty(), "a workflow without steps");
            let names: BTreeSet<&str> = workflow.steps.iter().map(|step| step.id.as_str()).collect();
            assert_eq!(names.len(), workflow.steps.len(), "two steps of one name");
            warnings
        }
        Err(mistakes) => {
            assert!(!mistakes.is_empty(), "a file is refused without a word");
            mistakes
        }
    };
    for finding in findings {
        has_its_place(finding, &text);
    }
    match (&read, parse("fuzz.yaml", &text)) {
        (Ok((one, _)), Ok((other, _))) => assert_eq!(one.version, other.version),
        (Err(one), Err(other)) => assert_eq!(*one, other),
        _ => panic!("a file is read in two ways"),
    }
    let twice = check_all([("one.yaml", &text), ("two.yaml", &text)]);
    assert!(twice.workflows.len() <= 1, "two workflows of one name");
}

fn has_its_place(finding: &Diagnostic, text: &str) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = text.split('\n').count();
    assert!((1..=lines).contains(&finding.line), "line {} of {lines}: {}", finding.line, finding.message);
    let characters = finding.source_line.chars().count();
    assert!(
        (1..=characters + 1).contains(&finding.column),
        "column {} of {characters}: {}",
        finding.column,
        finding.message
    );
    let line = text.split('\n').nth(finding.line - 1).unwrap_or_default();
    assert!(
        line.starts_with(&finding.source_line),
        "{:?} is not line {} ({line:?})",
        finding.source_line,
        finding.line
    );
    assert!(!finding.message.is_empty());
    assert!(!finding.render(false).is_empty());
}

/// A condition or a template: what is compiled can be asked for its names and be filled in, at a bounded price.
pub fn expression(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let scope = Scope {
        person: serde_json::json!({ "display_name": "Ada Keller", "email": "ada@example.org", "manager": null }),
        inputs: serde_json::json!({ "last_day": "2027-01-29", "redirect": null, "count": 3, "list": ["a", "b"] }),
        account: Value::Null,
        run: serde_json::json!({ "id": "run_1", "workflow": "departure" }),
    };
    if let Ok(condition) = Condition::parse(&text) {
        assert_eq!(condition.source(), text);
        sorted_once(&condition.names());
        let holds = condition.holds(&scope).ok();
        assert_eq!(condition.holds(&scope).ok(), holds, "a condition holds by chance");
    }
    if let Ok(template) = Template::parse(&text) {
        assert_eq!(template.source(), text);
        sorted_once(&template.names());
        let filled = template.render(&scope).ok();
        assert_eq!(template.render(&scope).ok(), filled, "a template is filled in by chance");
        assert_eq!(template.render_text(&scope).is_ok(), filled.is_some());
        if !text.contains("{{") && !text.contains("{%") && !text.contains("{#") && !text.ends_with(['\n', '\r']) {
            let as_is = text.replace("\r\n", "\n").replace('\r', "\n");
            let filled =
                filled.and_then(|filled| filled.as_str().map(|text| text.replace("\r\n", "\n").replace('\r', "\n")));
            assert_eq!(filled.as_deref(), Some(as_is.as_str()), "text without expressions changes");
        }
    }
}

fn sorted_once(names: &[String]) {
    assert!(names.windows(2).all(|pair| pair[0] < pair[1]), "names are not in order: {names:?}");
}

const TODAY: Date = date(2027, 1, 20);

/// HR's file: every row is judged, keys are there and come once, and the same row told again says nothing.
pub fn people(bytes: &[u8]) {
    let lines = bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() as u64 + 1;
    let file = match PeopleFile::of_bytes(bytes.to_vec(), &Mapping::default()) {
        Ok(file) => file,
        Err(problems) => {
            assert!(!problems.0.is_empty(), "a file is refused without a word");
            return;
        }
    };
    let (mut judged, mut wrong, mut keys) = (0, 0, BTreeSet::new());
    let mut rows = file.judged().expect("it was read before");
    while let Some(row) = rows.next_row().expect("it was read before") {
        judged += 1;
        match row {
            Judged::Right(row) => {
                assert!(!row.employee_number.is_empty(), "a row without a key");
                assert!(keys.insert(row.employee_number.clone()), "{} comes twice", row.employee_number);
                assert!(row.line <= lines, "line {} of {lines}", row.line);
                says_nothing_again(&row);
            }
            Judged::Wrong { line, problems, .. } => {
                wrong += 1;
                assert!(line <= lines && !problems.is_empty(), "line {line} of {lines}: {problems:?}");
            }
        }
    }
    assert_eq!((judged, wrong), (file.rows, file.tally.wrong), "rows and wrong rows");
    assert_eq!(file.without_mistake().is_ok(), wrong == 0);
}

fn says_nothing_again(row: &PersonRow) {
    let (person, _) = changes(None, row, TODAY);
    let (same, facts) = changes(Some(&person), row, TODAY);
    assert_eq!(same, person, "the same row changes somebody: {row:?}");
    assert!(facts.is_empty(), "the same row says something: {facts:?}: {row:?}");
}

/// `at:`, as written and as kept.
pub fn at(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(at) = At::parse(&text) else { return };
    assert_eq!(at.text, text.trim());
    assert_eq!(At::parse(&at.text).as_ref(), Ok(&at), "an instant reads in two ways");
    for (_, amount) in &at.offsets {
        assert_eq!(Amount::parse(&amount.to_string()).as_ref(), Ok(amount), "an amount reads otherwise as printed");
    }
}

/// A span reads back as it is printed and stored.
pub fn span(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(span) = Span::parse(&text) else { return };
    assert_eq!(Span::parse(&span.to_string()).as_ref(), Ok(&span), "{text:?} prints as {span}");
    let stored = serde_json::to_string(&span).expect("a text");
    assert_eq!(serde_json::from_str::<Span>(&stored).ok().as_ref(), Some(&span));
    assert!(span.days() >= 0.0 && span.days() < 30.0 * 366.0 + 1.0, "{} days", span.days());
    assert_eq!(span.is_zero(), span.days() == 0.0, "{text:?}");
    assert_eq!(Span::parse(&span.words()).as_ref(), Ok(&span), "{text:?} is said as {:?}", span.words());
}

/// A fact of the journal, or a list of them: taking personal words out and putting them back gives the fact, without
/// them no word stays; the chain finds what is changed; a replay ends.
pub fn journal(bytes: &[u8]) {
    let facts: Vec<Fact> = match serde_json::from_slice::<Value>(bytes) {
        Ok(Value::Array(all)) => all.into_iter().filter_map(|one| serde_json::from_value(one).ok()).collect(),
        Ok(one) => serde_json::from_value(one).into_iter().collect(),
        Err(_) => return,
    };
    let mut entries: Vec<Entry> = Vec::new();
    for fact in &facts {
        let (body, words) = split(fact);
        let whole = join(body.clone(), Some(&words));
        assert_eq!(whole, serde_json::to_value(fact).expect("a fact is JSON"), "a fact is not what it was");
        assert_eq!(serde_json::from_value::<Fact>(whole).ok().as_ref(), Some(fact), "a fact reads otherwise");
        let erased = join(body.clone(), None).to_string();
        assert!(words.is_empty() || erased.contains(ERASED), "words are gone without a trace");
        entries.push(next(&entries, body.to_string()));
    }
    let together: Vec<(Option<i64>, &Fact)> = (0..).map(Some).zip(&facts).collect();
    let (body, words) = split(&together);
    let read = facts_of(join(body, Some(&words)), None);
    let whole = together.iter().map(|(step, fact)| (*step, serde_json::to_value(fact).expect("a fact is JSON")));
    assert_eq!(read, whole.collect::<Vec<_>>(), "several facts of one entry are not what they were");
    let head = entries.last().map_or(usher::run::journal::GENESIS.to_owned(), |entry| entry.hash.clone());
    let last = entries.len() as i64;
    assert_eq!(verify(&entries, last, &head), Ok(()));
    for n in 0..entries.len() {
        let mut changed = entries.clone();
        changed[n].body.push(' ');
        assert!(verify(&changed, last, &head).is_err(), "a changed entry is not found");
        changed = entries.clone();
        changed.remove(n);
        assert!(verify(&changed, last, &head).is_err(), "a missing entry is not found");
    }
    let numbered = facts.iter().zip(1..).map(|(fact, seq)| (seq, Some(usize::try_from(seq).unwrap_or(0) % 4), fact));
    let once = replay(numbered.clone()).map_err(|why| why.to_string());
    assert_eq!(replay(numbered).map_err(|why| why.to_string()), once);
}

fn next(entries: &[Entry], body: String) -> Entry {
    let previous = entries.last().map_or(usher::run::journal::GENESIS, |entry| entry.hash.as_str());
    let mut entry = Entry {
        run: 1,
        seq: entries.len() as i64 + 1,
        at: 0,
        step: None,
        actor: "usher".into(),
        body,
        sealed: String::new(),
        hash: String::new(),
    };
    entry.hash = entry.chain(previous);
    entry
}

/// A configuration: whatever it says, there are settings with defaults and a list of mistakes with their places.
pub fn config(bytes: &[u8]) {
    thread_local! {
        static FOLDER: tempfile::TempDir = tempfile::tempdir().expect("a folder");
    }
    FOLDER.with(|folder| {
        let file = folder.path().join("usher.toml");
        std::fs::write(&file, bytes).expect("writes");
        let around = Surroundings { folder: folder.path().to_owned(), ..Surroundings::default() };
        let (_, problems) = Config::inspect(std::slice::from_ref(&file), None, &around);
        let told: Vec<String> = problems.iter().map(|problem| format!("{problem:?}")).collect();
        for problem in &problems {
            assert!(!problem.place.is_empty() && !problem.message.is_empty(), "{problem:?}");
        }
        let (_, again) = Config::inspect(&[file], None, &around);
        assert_eq!(again.iter().map(|problem| format!("{problem:?}")).collect::<Vec<_>>(), told);
    });
}
