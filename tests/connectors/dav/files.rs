//! Files handed over: moved by the server, or carried over; resumed, never written over.

use serde_json::{Value, json};
use usher::connectors::ActionError;
use usher::run::Evidence;
use usher::workflow::ActionKind;

use super::line::Fault;
use super::target::{Files, Share};
use crate::conformance::{call, perform};

fn to_boss() -> Value {
    json!({ "to": "boss@example.org", "folder": "From Jane" })
}

async fn transfer(at: &Files, with: &Value) -> Result<Evidence, ActionError> {
    perform(&at.connector, &call(ActionKind::FilesTransfer, with, Some("jdoe"), "run_1/files", 1)).await
}

/// Three files, one of them in a folder within a folder.
async fn leaver(share: Share) -> Files {
    let at = Files::start(share).await;
    at.write("jdoe", "a.txt", b"a");
    at.write("jdoe", "plans/b.txt", b"b");
    at.write("jdoe", "plans/2028/c.bin", &[7; 300_000]);
    at.write("boss", "a.txt", b"of my own");
    at
}

/// Whether everything is there once, and the colleague's own is as it was.
fn all_there(at: &Files) {
    let files = at.files();
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "boss/From Jane/.usher-from.json",
            "boss/From Jane/a.txt",
            "boss/From Jane/plans/2028/c.bin",
            "boss/From Jane/plans/b.txt",
            "boss/a.txt"
        ]
    );
    assert_eq!(files["boss/a.txt"], "of my own");
    assert_eq!((files["boss/From Jane/a.txt"].as_str(), files["boss/From Jane/plans/b.txt"].as_str()), ("a", "b"));
    assert_eq!(files["boss/From Jane/plans/2028/c.bin"].len(), 300_000);
}

#[tokio::test]
async fn a_transfer_that_is_cut_anywhere_is_gone_on_with() {
    for (share, faults) in [
        (Share::One, vec![(0, Fault::After("MKCOL")), (0, Fault::After("PUT")), (0, Fault::After("MOVE"))]),
        (
            Share::Several,
            vec![
                (0, Fault::After("MKCOL")),
                // The large one is the last.
                (3, Fault::Within("PUT", 1000)),
                (0, Fault::After("PUT")),
                (0, Fault::Before("DELETE")),
                (0, Fault::After("DELETE")),
            ],
        ),
    ] {
        let at = leaver(share).await;
        for (well, fault) in faults {
            at.line.once(well, fault.clone());
            let cut = transfer(&at, &to_boss()).await;
            assert!(matches!(cut, Err(ActionError::Unknown { .. })), "{share:?}, {fault:?}: {cut:?}");
        }
        let evidence = transfer(&at, &to_boss()).await.expect("handed over");
        assert!(evidence.detail.contains("has no file left"), "{evidence:?}");
        all_there(&at);
    }
}

#[tokio::test]
async fn a_folder_of_which_the_server_has_moved_a_part_is_gone_on_with() {
    let at = leaver(Share::One).await;
    at.write("boss", "From Jane/plans/b.txt", b"b");
    at.write("boss", "From Jane/.usher-from.json", b"{\"account\":\"jdoe\",\"system\":\"cloud\"}\n");
    transfer(&at, &to_boss()).await.expect("handed over");
    all_there(&at);
}

#[tokio::test]
async fn nothing_of_the_colleagues_is_written_over() {
    for share in [Share::One, Share::Several] {
        let at = leaver(share).await;
        at.write("boss", "From Jane/a.txt", b"of my own");
        let before = at.files();
        let refused = transfer(&at, &to_boss()).await;
        let named = "a folder of that name with other files";
        assert!(matches!(&refused, Err(ActionError::Fail { reason }) if reason.contains(named)), "{refused:?}");
        assert_eq!(at.files(), before);
        // The same within a folder that is known.
        at.write("boss", "From Jane/.usher-from.json", b"{\"account\":\"jdoe\",\"system\":\"cloud\"}\n");
        for _ in 0..2 {
            let refused = transfer(&at, &to_boss()).await;
            let words = match &refused {
                Err(ActionError::Fail { reason } | ActionError::Unknown { reason }) => reason,
                other => panic!("{other:?}"),
            };
            assert!(words.contains("left alone"), "{refused:?}");
        }
        assert_eq!(at.files()["boss/From Jane/a.txt"], "of my own");
        assert_eq!(at.files()["jdoe/a.txt"], "a");
    }
}

#[tokio::test]
async fn a_folder_has_a_name_and_is_no_path() {
    let at = leaver(Share::One).await;
    for folder in ["../jdoe", "a/b", "..", ".", "a\u{0}b"] {
        let refused = transfer(&at, &json!({ "to": "boss@example.org", "folder": folder })).await;
        assert!(matches!(&refused, Err(ActionError::Fail { reason }) if reason.contains("folder")), "{refused:?}");
    }
    let evidence = transfer(&at, &json!({ "to": "boss@example.org" })).await.expect("handed over");
    assert!(at.files().contains_key("boss/From jdoe/a.txt"), "{evidence:?}");
}

#[tokio::test]
async fn what_is_locked_waits() {
    let locked = "HTTP/1.1 423 Locked\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let at = leaver(Share::One).await;
    at.write("boss", "From Jane/.usher-from.json", b"{\"account\":\"jdoe\",\"system\":\"cloud\"}\n");
    at.line.once(0, Fault::Instead("MOVE", locked));
    let waits = transfer(&at, &to_boss()).await;
    assert!(matches!(waits, Err(ActionError::Retry { .. })), "{waits:?}");
    transfer(&at, &to_boss()).await.expect("handed over");
    all_there(&at);
}
