//! A mail host, against a real Dovecot: as any user.

mod accounts;
mod archive;
mod line;
mod mailbox;
mod rows;
mod scripts;
mod server;
mod story;
mod table;
mod target;
mod transfer;
mod way_in;

use serde_json::Value;
use usher::connectors::dovecot::DovecotSystem;
use usher::connectors::{ActionError, Connector, Observation};
use usher::run::{Evidence, EvidenceKind};
use usher::workflow::ActionKind;

use self::server::Dovecot;
use crate::conformance::{call, perform};
use crate::smtp;

/// The connector to a server, with these settings.
fn connector(server: &Dovecot) -> Connector {
    Connector::Dovecot(Box::new(DovecotSystem::new("mailhost", server.settings())))
}

/// A server with some accounts, and the one that its mail goes to.
async fn house(accounts: usize) -> (Dovecot, Connector, smtp::Server) {
    let post = smtp::Server::start(smtp::Behaviour::default()).await;
    let server = Dovecot::start(accounts, post.port).await;
    let connector = connector(&server);
    (server, connector, post)
}

async fn act(connector: &Connector, action: ActionKind, with: Value, account: &str) -> Result<Evidence, ActionError> {
    perform(connector, &call(action, &with, Some(account), &format!("run_1/{action}"), 1)).await
}

/// Does it, and it is done.
async fn done(connector: &Connector, action: ActionKind, with: Value, account: &str) -> String {
    let evidence = act(connector, action, with, account).await.unwrap_or_else(|why| panic!("{action}: {why:?}"));
    assert!(!evidence.detail.contains('@'), "{action}: {evidence:?}");
    evidence.detail
}

async fn observed(connector: &Connector, action: ActionKind, with: Value, account: &str) -> Observation {
    connector.observe(&call(action, &with, Some(account), "run_1/look", 1)).await.expect("a look")
}

fn failed(outcome: &Result<Evidence, ActionError>) -> &str {
    match outcome {
        Err(ActionError::Fail { reason }) => reason,
        other => panic!("{other:?}"),
    }
}

fn read_back(observation: &Observation) -> bool {
    matches!(observation, Observation::Reached(Evidence { kind: EvidenceKind::ReadBack, .. }))
}
