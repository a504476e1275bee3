//! What the daemon's door answers.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use usher::queue::Counts;
use usher::run::trip::TripKind;
use usher::store::MarkPlace;
use usher::web::{Door, serve};

use crate::harness::App;

/// Head and body of the answer to a request.
async fn get(port: u16, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("connects");
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await.expect("asks");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    (head.to_owned(), body.to_owned())
}

async fn open(app: &App) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let door = Door { store: app.store.clone(), counts: Arc::new(Counts::default()) };
    tokio::spawn(serve(listener, door, std::future::pending()));
    port
}

fn value(text: &str, series: &str) -> i64 {
    let line = text.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_else(|| panic!("no {series} in\n{text}"))
}

/// The names in the first column of the table of metrics.
fn documented() -> BTreeSet<String> {
    let text = include_str!("../../docs/ALERTS.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `usher_")?.split_once('`'));
    rows.map(|(name, _)| format!("usher_{}", name.split('{').next().unwrap_or(name))).collect()
}

both! {
    metrics_tell_how_the_work_stands_and_nothing_of_anybody, async |app: &App| {
        app.staffed().await;
        app.drain().await;
        app.store.show_life().await.unwrap();
        app.store.trip(TripKind::Clock, None, "the clock jumped").await.unwrap();
        for (id, over) in [(9001, "NULL"), (9002, "1")] {
            let wait = format!(
                "INSERT INTO waits (id, cause, kind, about, since, told, told_at, over_at, data_key)
                 VALUES ({id}, 'unread:{id}', 'alert', 0, 0, 1, 1, {over}, '')"
            );
            app.sql(&wait).await.unwrap();
        }
        let port = open(app).await;
        let (head, text) = get(port, "/metrics").await;
        assert!(head.starts_with("HTTP/1.0 200") && head.contains("openmetrics-text"), "{head}");
        let steps = |state: &str| value(&text, &format!("usher_steps{{state=\"{state}\"}}"));
        let done = app.number("SELECT COUNT(*) FROM steps WHERE state = 'done'").await;
        assert!(steps("done") == done && done > 0, "{text}");
        assert_eq!(steps("unknown"), 0, "a state that nothing is in is told too");
        let alerts = app.number("SELECT COUNT(*) FROM waits WHERE kind = 'alert' AND over_at IS NULL").await;
        assert_eq!(value(&text, "usher_waits{kind=\"alert\"}"), alerts, "what is over waits no more");
        assert_eq!(value(&text, "usher_guards_tripped{guard=\"clock\"}"), 1);
        assert_eq!(value(&text, "usher_guards_tripped{guard=\"restore\"}"), 0);
        assert_eq!(value(&text, "usher_cuts_overdue"), 0);
        assert_eq!((value(&text, "usher_tide"), value(&text, "usher_database_up")), (1, 1));
        assert!(text.ends_with("# EOF\n"), "{text}");
        for word in ["Ada", "Keller", "1005", "alpine", "run_", "mailhost"] {
            assert!(!text.contains(word), "{word} in\n{text}");
        }
        app.sql("DELETE FROM waits WHERE id > 9000").await.unwrap();
        let told: BTreeSet<String> =
            text.lines().filter_map(|line| Some(line.strip_prefix("# TYPE ")?.split(' ').next()?.to_owned())).collect();
        assert_eq!(told, documented(), "what is told (left) and what docs/ALERTS.md lists (right)");
    };

    a_write_or_a_mark_that_fails_shows_until_the_next_one_succeeds, async |app: &App| {
        let port = open(app).await;
        let figures = async || {
            let text = get(port, "/metrics").await.1;
            (value(&text, "usher_database_up"), value(&text, "usher_database_writes_failing"), value(&text, "usher_mark_failing"))
        };
        let folder = app.folder.path().join("marks");
        std::fs::write(&folder, "in the way").unwrap();
        app.store.keep_mark(&MarkPlace::In(folder.clone())).await.unwrap();
        app.store.post(&[]).await.unwrap();
        app.store.show_life().await.unwrap();
        assert_eq!(figures().await, (1, 0, 1));
        std::fs::remove_file(&folder).unwrap();
        app.sql("ALTER TABLE counters RENAME TO gone").await.unwrap();
        app.store.post(&[]).await.unwrap_err();
        app.sql("ALTER TABLE gone RENAME TO counters").await.unwrap();
        assert_eq!(figures().await, (1, 1, 1), "it can be read, and was not written");
        let (head, body) = get(port, "/health/ready").await;
        assert!(head.starts_with("HTTP/1.0 503") && body.contains("counters"), "{head} {body}");
        app.store.post(&[]).await.unwrap();
        app.store.show_life().await.unwrap();
        assert_eq!(figures().await, (1, 0, 0));
        assert!(get(port, "/health/ready").await.0.starts_with("HTTP/1.0 200"));
    };

    without_its_database_the_door_still_answers, async |app: &App| {
        let (store, port) = (app.another_store().await, 0_u16);
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(serve(listener, Door { store: store.clone(), counts: Arc::default() }, std::future::pending()));
        assert!(get(port, "/health/ready").await.0.starts_with("HTTP/1.0 200"));
        store.close().await;
        let (head, text) = get(port, "/metrics").await;
        assert!(head.starts_with("HTTP/1.0 200"), "{head}");
        assert_eq!(value(&text, "usher_database_up"), 0);
        assert!(!text.contains("usher_steps"), "what is not known is not told: {text}");
        assert!(get(port, "/health/ready").await.0.starts_with("HTTP/1.0 503"));
    };
}
