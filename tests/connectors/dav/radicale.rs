//! A real Radicale for one test, with a user of usher's who may see everybody's collections.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::servers::{Server, program};

/// usher's user there, and its password.
pub const USHER: (&str, &str) = ("svc", "svcpass");

const PEOPLE: &str = "jdoe:jdoepass\nboss:bosspass\nsvc:svcpass\n";

/// usher's rights, as the page on the connector has them.
const OF_USHER: &str = "[usher]\nuser: svc\ncollection: .*\npermissions: RrWw\n";

/// Everybody's rights.
const OF_ALL: &str = "[root]\nuser: .+\ncollection:\npermissions: R\n\
    [principal]\nuser: .+\ncollection: {user}\npermissions: RW\n\
    [collections]\nuser: .+\ncollection: {user}/[^/]+\npermissions: rw\n";

/// What is shared, as Radicale itself writes it down.
const SHARES: &str = "ShareType;PathOrToken;PathMapped;Conversion;Owner;User;Permissions;EnabledByOwner;EnabledByUser;\
    HiddenByOwner;HiddenByUser;TimestampCreated;TimestampUpdated;Properties;Actions\r\n\
    map;/jdoe/boss-team/;/boss/team/;none;boss;jdoe;rw;True;True;False;False;1;1;;\r\n";

pub struct Radicale {
    server: Server,
    pub folder: tempfile::TempDir,
}

impl Radicale {
    /// A server on which `jdoe` and `boss` have empty homes.
    pub async fn start() -> Self {
        Self::start_with(OF_USHER).await
    }

    /// The same, where usher's user has these rights besides everybody's.
    pub async fn start_with(rights: &str) -> Self {
        Self::made(rights, "").await
    }

    /// One on which `boss` lets `jdoe` write into the calendar `team`, as Radicale's own sharing has it:
    /// `jdoe` sees it as `boss-team`.
    pub async fn start_sharing() -> Self {
        Self::made(OF_USHER, SHARES).await
    }

    async fn made(rights: &str, shares: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path();
        std::fs::write(at.join("people"), PEOPLE).expect("writes");
        std::fs::write(at.join("rights"), format!("{rights}{OF_ALL}")).expect("writes");
        std::fs::write(at.join("password"), USHER.1).expect("writes");
        let server = Server::start(&at.join("radicale.log"), |port| {
            let mut text = configuration(at, port);
            if !shares.is_empty() {
                std::fs::write(at.join("shares.csv"), shares).expect("writes");
                let at = at.display();
                text.push_str(&format!(
                    "[sharing]\ntype = csv\ndatabase_path = {at}/shares.csv\ncollection_by_map = true\n"
                ));
            }
            std::fs::write(at.join("radicale.conf"), text).expect("writes");
            let mut command = Command::new(program("radicale"));
            command.arg("--config").arg(at.join("radicale.conf"));
            command
        })
        .await;
        for person in ["jdoe", "boss"] {
            std::fs::create_dir_all(at.join("collections/collection-root").join(person)).expect("a home");
        }
        Self { server, folder }
    }

    pub fn port(&self) -> u16 {
        self.server.port
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.server.port)
    }

    /// Where it keeps its collections, one file for each event and card.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("collections/collection-root")
    }
}

fn configuration(at: &Path, port: u16) -> String {
    let at = at.display();
    format!(
        "[server]\nhosts = 127.0.0.1:{port}\n\
         [auth]\ntype = htpasswd\nhtpasswd_filename = {at}/people\nhtpasswd_encryption = plain\ndelay = 0\n\
         [rights]\ntype = from_file\nfile = {at}/rights\n\
         [storage]\nfilesystem_folder = {at}/collections\n\
         [web]\ntype = none\n"
    )
}
