//! Canaries: secrets that are easily recognised go in everywhere a secret can go in, and are looked for everywhere they
//! must not come out (guarantee 18).

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once};

use sqlx::{AssertSqlSafe, Row};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use usher::connectors::{Call, Credential, Issued};
use usher::run::{Evidence, EvidenceKind};
use usher::secret::{NoteSigner, Secret, SecretRef};
use usher::store::{NewPassword, RunFilter};

use crate::database::Db;
use crate::harness::App;

const IMPORTED: &str = "Canary-imported-7Yq2";
const STORED: &str = "Canary-stored-9Kw4";

/// Every column of every table as text, and on SQLite every byte of the database and its log.
pub async fn record(app: &App) -> String {
    let (list, dump) = match app.home.db {
        Db::Sqlite => ("SELECT name FROM sqlite_master WHERE type = 'table'", None),
        Db::Postgres => (
            "SELECT CAST(table_name AS TEXT) FROM information_schema.tables WHERE table_schema = current_schema()",
            Some(()),
        ),
    };
    let mut conn = app.home.connect().await;
    let tables: Vec<String> = sqlx::query_scalar(list).fetch_all(&mut conn).await.expect("tables");
    assert!(tables.len() > 20, "{tables:?}");
    let mut found = String::new();
    if dump.is_some() {
        for table in tables {
            let text = format!("SELECT COALESCE(string_agg(CAST(t AS TEXT), ' '), '') FROM {table} t");
            let row = sqlx::query(AssertSqlSafe(text)).fetch_one(&mut conn).await.expect("reads");
            found.push_str(&row.get::<String, _>(0));
        }
        return found;
    }
    for file in ["usher.db", "usher.db-wal"] {
        if let Ok(bytes) = std::fs::read(app.folder.path().join(file)) {
            found.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
    found
}

/// What is logged while somebody listens, by any thread: the drivers of databases have threads of their own.
static KEPT: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static LISTENERS: AtomicUsize = AtomicUsize::new(0);

/// Writes into what is kept.
struct Pen;

impl std::io::Write for Pen {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        KEPT.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Everything that is logged from now on, at every level.
struct Log;

impl Log {
    fn begin() -> Self {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let listening = dynamic_filter_fn(|_, _| LISTENERS.load(Ordering::Relaxed) > 0);
            let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(|| Pen).with_filter(listening);
            tracing_subscriber::registry().with(layer).init();
        });
        LISTENERS.fetch_add(1, Ordering::Relaxed);
        Self
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&KEPT.lock().unwrap()).into_owned()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        LISTENERS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a panic says that shows this value.
fn panic_over(value: impl std::fmt::Debug + Send + 'static) -> String {
    let caught = std::thread::spawn(move || {
        let message = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| panic!("on purpose: {value:?}")));
        message.err().and_then(|why| why.downcast_ref::<String>().cloned())
    });
    caught.join().ok().flatten().expect("it panics with words")
}

both_posting! {
    no_canary_is_heard_outside_of_its_cage, async |app: &App| {
        let log = Log::begin();
        app.company.listen();
        app.staffed().await;
        app.store.set_secret("webhook", &Secret::new(STORED), "os:nils").await.unwrap();
        app.import(&format!(
            "employee_number,given_name,family_name,department,start_date,status,private_email,password\n\
             1030,Jo,May,Sales,2027-01-25,prehire,jo@example.org,{IMPORTED}\n\
             1031,Al,Roe,Sales,2027-01-25,prehire,al@example.org,\n"
        ))
        .await;
        app.walk_to(crate::harness::zurich("2027-01-25T12:00")).await;
        app.start("emergency-block", "1007", &[]).await;
        app.start("password-reset", "1008", &[("method", "set")]).await;
        app.start("password-reset", "1009", &[]).await;
        app.drain().await;
        app.store.checkpoint(std::time::Duration::ZERO).await.unwrap();

        let heard: BTreeSet<String> = app.company.heard().iter().map(|one| one.expose().to_owned()).collect();
        let links: Vec<&String> = heard.iter().filter(|one| one.contains("/set-up/")).collect();
        assert!(heard.contains(IMPORTED), "the imported password has arrived where it belongs");
        assert!(heard.len() >= 12 && links.len() >= 3, "{} secrets, {} links", heard.len(), links.len());
        let generated = heard.iter().filter(|one| one.len() == 24 && !one.contains('/')).count();
        assert!(generated >= 8, "{generated} passwords were drawn");

        let key = std::fs::read_to_string(app.folder.path().join("usher.key")).unwrap();
        let master = key.split_whitespace().last().unwrap().to_owned();
        let caged: Vec<&str> = heard.iter().map(String::as_str).chain([STORED, master.as_str()]).collect();
        let mut places = vec![("the record", record(app).await), ("the log", log.text())];
        assert!(places[1].1.contains("sqlx::query"), "statements are among what is logged: {}", places[1].1.len());
        let mut told = String::new();
        for row in app.store.runs(&RunFilter::default()).await.unwrap() {
            let run = usher::run::book::parse_public_id(&row.id).unwrap();
            told.push_str(&serde_json::to_string(&app.store.audit(run).await.unwrap()).unwrap());
            told.push_str(&serde_json::to_string(&app.store.journal(run).await.unwrap()).unwrap());
            told.push_str(&format!("{row:?}{:?}", app.book(run).await));
        }
        places.push(("the journal, with its words", told));
        let mails = serde_json::to_string(&app.store.mails(None, 1000).await.unwrap()).unwrap();
        places.push(("the outbox as it is listed", mails));
        places.push(("the stored secrets as they are listed", format!("{:?}", app.store.stored_secrets().await.unwrap())));
        places.push(("the ledger of the systems", std::fs::read_to_string(app.company.ledger_path()).unwrap()));
        for (place, text) in &places {
            for canary in &caged {
                assert!(!text.contains(canary), "a canary sings in {place}");
            }
        }
        // A link is in the one mail that brings it, a password in none.
        let sent = app.engine.mail().unwrap().transport().kept();
        for canary in &caged {
            let count = sent.iter().filter(|mail| mail.replace("=\r\n", "").replace("=3D", "=").contains(*canary)).count();
            assert!(count <= usize::from(canary.contains("/set-up/")), "a canary is in {count} mails");
        }
        assert!(!sent.is_empty());
    };
}

/// Panics print values with `Debug`; so do logs of errors, and tests.
#[test]
fn no_canary_is_heard_in_a_panic() {
    let secret = || Secret::new(IMPORTED);
    let call = Call {
        action: usher::workflow::ActionKind::AccountCreate,
        with: serde_json::Map::new(),
        account: None,
        idempotency_key: "k".into(),
        fence: 1,
        now: crate::harness::at_start(),
    };
    let evidence = Evidence { kind: EvidenceKind::ReadBack, detail: "done".into() };
    let folder = tempfile::tempdir().unwrap();
    let ring = usher::secret::KeyRing::open_or_create(&folder.path().join("usher.key")).unwrap();
    let (data_key, _) = ring.new_data_key("people:1").unwrap();
    let signer = NoteSigner::of(&data_key);
    let password = NewPassword { employee_number: "1".into(), password: secret(), anew: false };
    let said = [
        panic_over(secret()),
        panic_over((call, Issued { secret: secret(), evidence })),
        panic_over(password),
        panic_over((ring.clone(), data_key, signer)),
        panic_over(SecretRef::Env("PASSWORD".into())),
        format!("{:?}", Credential::Password(&secret())),
    ];
    let key = std::fs::read_to_string(folder.path().join("usher.key")).unwrap();
    for text in said {
        assert!(!text.contains(IMPORTED) && !text.contains(key.trim()), "a canary sings in a panic: {text}");
    }
}
