//! Calendars, address books and files, against real servers: Radicale and WsgiDAV.

mod calendars;
mod files;
mod hostile;
mod line;
mod radicale;
mod target;
pub mod wsgidav;

use serde_json::{Value, json};
use usher::workflow::ActionKind;

use self::target::{Calendars, Files, Share, carried_over, handed_over};
use crate::conformance::{Case, conforms, lists};

/// Who takes over.
fn to_boss() -> Value {
    json!({ "to": "boss@example.org" })
}

#[tokio::test]
async fn a_server_of_calendars_conforms() {
    let cases = [Case::new(ActionKind::CalendarsTransfer, handed_over).with(to_boss())];
    let mut target = Calendars::start().await;
    conforms(&mut target, &cases).await;
    lists(&mut target).await;
}

#[tokio::test]
async fn a_server_of_files_conforms_whoever_moves_them() {
    let with = json!({ "to": "boss@example.org", "folder": "From Jane" });
    let cases = [Case::new(ActionKind::FilesTransfer, carried_over).with(with)];
    for share in [Share::One, Share::Several] {
        let mut target = Files::start(share).await;
        conforms(&mut target, &cases).await;
        if share == Share::One {
            lists(&mut target).await;
        }
    }
}
