//! A real Radicale for one test, with a user of usher's who may see everybody's collections.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::servers::{Server, program};

/// usher's user there, and its password.
pub const USHER: (&str, &str) = ("svc", "svcpass");

const PEOPLE: &str = "jdoe:jdoepass\nboss:bosspass\nsvc:svcpass\n";

/// The file of rights from the page on the connector.
const RIGHTS: &str = "[usher]\nuser: svc\ncollection: .*\npermissions: RrWw\n\
    [root]\nuser: .+\ncollection:\npermissions: R\n\
    [principal]\nuser: .+\ncollection: {user}\npermissions: RW\n\
    [collections]\nuser: .+\ncollection: {user}/[^/]+\npermissions: rw\n";

pub struct Radicale {
    server: Server,
    pub folder: tempfile::TempDir,
}

impl Radicale {
    /// A server on which `jdoe` and `boss` have empty homes.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path();
        std::fs::write(at.join("people"), PEOPLE).expect("writes");
        std::fs::write(at.join("rights"), RIGHTS).expect("writes");
        std::fs::write(at.join("password"), USHER.1).expect("writes");
        let server = Server::start(&at.join("radicale.log"), |port| {
            std::fs::write(at.join("radicale.conf"), configuration(at, port)).expect("writes");
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
