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
async fn the_folder_of_another_leaver_is_somebody_elses() {
    let at = leaver(Share::One).await;
    for mark in ["{\"account\":\"john\",\"system\":\"cloud\"}\n", "{\"account\":\"jdoe\",\"system\":\"nas\"}\n"] {
        at.write("boss", "From Jane/.usher-from.json", mark.as_bytes());
        let refused = transfer(&at, &to_boss()).await;
        let named = "a folder of that name with other files";
        assert!(matches!(&refused, Err(ActionError::Fail { reason }) if reason.contains(named)), "{refused:?}");
        assert!(at.files().contains_key("jdoe/a.txt"));
    }
    // What is too long for one object is not read to its end.
    at.write("boss", "From Jane/.usher-from.json", &[b' '; 17 * 1024 * 1024]);
    let refused = transfer(&at, &to_boss()).await;
    assert!(
        matches!(&refused, Err(ActionError::Retry { reason, .. }) if reason.contains("more than 16777216 bytes")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_carried_over_is_not_lost() {
    let at = leaver(Share::Several).await;
    let changed = at.server.root("jdoe").join("a.txt");
    at.line.once(0, Fault::Meanwhile("DELETE", changed, "written since".to_owned()));
    let outcome = transfer(&at, &to_boss()).await;
    assert!(
        matches!(&outcome, Err(ActionError::Unknown { reason }) if reason.contains("changed meanwhile")),
        "{outcome:?}"
    );
    assert_eq!(at.files()["jdoe/a.txt"], "written since");
}

#[tokio::test]
async fn what_was_written_is_read_back_before_the_original_goes() {
    let at = leaver(Share::Several).await;
    // The server says that it has it, and keeps nothing of it.
    at.line.once(1, Fault::Instead("PUT", "HTTP/1.1 201 Created\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"));
    let outcome = transfer(&at, &to_boss()).await;
    let named = "does not read back as what was sent";
    assert!(matches!(&outcome, Err(ActionError::Unknown { reason }) if reason.contains(named)), "{outcome:?}");
    transfer(&at, &to_boss()).await.expect("handed over");
    all_there(&at);
}

#[tokio::test]
async fn what_is_done_in_part_is_unknown() {
    let part = "HTTP/1.1 207 Multi-Status\r\ncontent-type: application/xml\r\ncontent-length: 112\r\nconnection: close\r\n\r\n\
        <multistatus xmlns='DAV:'><response><href>/x</href><status>HTTP/1.1 423 Locked</status></response></multistatus>";
    let at = leaver(Share::One).await;
    at.line.once(0, Fault::Instead("MOVE", part));
    let outcome = transfer(&at, &to_boss()).await;
    assert!(matches!(&outcome, Err(ActionError::Unknown { reason }) if reason.contains("207")), "{outcome:?}");
    transfer(&at, &to_boss()).await.expect("handed over");
    all_there(&at);
}

#[tokio::test]
async fn folders_within_folders_have_an_end() {
    let at = Files::start(Share::Several).await;
    at.write("jdoe", &format!("{}a.txt", "d/".repeat(110)), b"a");
    let refused = transfer(&at, &to_boss()).await;
    let words = match &refused {
        Err(ActionError::Fail { reason } | ActionError::Unknown { reason }) => reason,
        other => panic!("{other:?}"),
    };
    assert!(words.contains("nested too deep"), "{refused:?}");
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
