//! A real WsgiDAV for one test. Below `files/` usher's user sees everybody's files; below `u/NAME/` is each person's own
//! share, between which the server moves nothing.

use std::path::PathBuf;
use std::process::Command;

use serde_json::json;

use crate::servers::{Server, program};

/// usher's user there, and its password.
pub const USHER: (&str, &str) = ("svc", "svcpass");

pub struct WsgiDav {
    server: Server,
    pub folder: tempfile::TempDir,
}

impl WsgiDav {
    /// A server on which `jdoe` and `boss` have no files yet.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path();
        for person in ["jdoe", "boss"] {
            std::fs::create_dir_all(at.join("files").join(person)).expect("a home");
        }
        std::fs::write(at.join("password"), USHER.1).expect("writes");
        let files = at.join("files");
        let server = Server::start(&at.join("wsgidav.log"), |port| {
            let usher = json!({ "svc": { "password": USHER.1 } });
            let configuration = json!({
                "host": "127.0.0.1", "port": port, "server": "cheroot", "verbose": 2,
                "provider_mapping": { "/files": files, "/u/jdoe": files.join("jdoe"), "/u/boss": files.join("boss") },
                "http_authenticator": {
                    "domain_controller": null, "accept_basic": true, "accept_digest": false, "default_to_digest": false,
                },
                "simple_dc": { "user_mapping": {
                    "/u/jdoe": { "jdoe": { "password": "jdoepass" }, "svc": { "password": USHER.1 } },
                    "/u/boss": { "boss": { "password": "bosspass" }, "svc": { "password": USHER.1 } },
                    "*": usher,
                } },
                "property_manager": true, "lock_storage": true, "dir_browser": { "enable": false },
            });
            std::fs::write(at.join("wsgidav.json"), configuration.to_string()).expect("writes");
            let mut command = Command::new(program("wsgidav"));
            command.arg("--config").arg(at.join("wsgidav.json"));
            command
        })
        .await;
        Self { server, folder }
    }

    pub fn port(&self) -> u16 {
        self.server.port
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.server.port)
    }

    /// Where a person's files are.
    pub fn root(&self, person: &str) -> PathBuf {
        self.folder.path().join("files").join(person)
    }
}
