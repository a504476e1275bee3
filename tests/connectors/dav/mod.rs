//! Calendars, address books and files, against real servers: Radicale, WsgiDAV and Cyrus.

mod calendars;
mod cyrus;
mod exports;
mod files;
mod hostile;
mod line;
mod radicale;
mod reach;
mod shares;
mod story;
mod target;
pub mod wsgidav;

use serde_json::{Value, json};
use usher::workflow::ActionKind;

use self::target::{
    Calendars, Files, Share, calendar_is_kept, carried_over, contacts_are_kept, files_are_kept, handed_over,
};
use crate::conformance::{Case, conforms, lists};

/// Who takes over.
fn to_boss() -> Value {
    json!({ "to": "boss@example.org" })
}

#[tokio::test]
async fn a_server_of_calendars_conforms() {
    let cases = [
        Case::new(ActionKind::CalendarsTransfer, handed_over).with(to_boss()),
        Case::new(ActionKind::CalendarsExport, calendar_is_kept).kept_elsewhere(),
        Case::new(ActionKind::ContactsExport, contacts_are_kept).kept_elsewhere(),
    ];
    let mut target = Calendars::start().await;
    conforms(&mut target, &cases).await;
    lists(&mut target).await;
}

#[tokio::test]
async fn a_server_of_files_conforms_whoever_moves_them() {
    let with = json!({ "to": "boss@example.org", "folder": "From Jane" });
    let cases = [
        Case::new(ActionKind::FilesTransfer, carried_over).with(with),
        Case::new(ActionKind::FilesArchive, files_are_kept).kept_elsewhere(),
    ];
    for share in [Share::One, Share::Several] {
        let mut target = Files::start(share).await;
        conforms(&mut target, &cases).await;
        if share == Share::One {
            lists(&mut target).await;
        }
    }
}
