//! A real SCIM server for one test: scim2-server, which keeps everything in memory.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::TOKEN;

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

pub struct Server {
    process: Child,
    pub port: u16,
    pub folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn program() -> PathBuf {
    let beside =
        std::env::current_exe().expect("this test").ancestors().nth(3).map(|target| target.join("test-servers/bin"));
    let folders = std::env::var_os("USHER_TEST_SERVERS").map(PathBuf::from).into_iter().chain(beside);
    let mut programs = folders.map(|folder| folder.join("scim2-server"));
    programs.find(|program| program.is_file()).expect(
        "scim2-server is missing, and this test needs it: run tests/servers.sh, or name the folder in USHER_TEST_SERVERS",
    )
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

async fn serve(at: &Path, port: u16) -> Option<Child> {
    let log = std::fs::File::create(at.join("log")).expect("a file");
    let mut process = Command::new(program())
        .args(["--hostname", "127.0.0.1", "--port", &port.to_string(), "--bearer-token", TOKEN])
        .arg("--service-provider-config")
        .arg(at.join("config.json"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("scim2-server");
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(60) {
        if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            return Some(process);
        }
        if process.try_wait().expect("a process").is_some() {
            return None;
        }
        usher::clock::pause(Duration::from_millis(20)).await;
    }
    process.kill().ok();
    process.wait().ok();
    None
}

impl Server {
    /// One that can everything.
    pub async fn start() -> Self {
        Self::that_cannot(&[]).await
    }

    /// One that says that it cannot do this, and does not.
    pub async fn that_cannot(parts: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut said = json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
            "bulk": { "supported": false, "maxOperations": 0, "maxPayloadSize": 0 },
            "filter": { "supported": true, "maxResults": 1000 } });
        for part in ["patch", "changePassword", "sort", "etag"] {
            said[part] = json!({ "supported": true });
        }
        for part in parts {
            said[*part]["supported"] = json!(false);
        }
        std::fs::write(folder.path().join("config.json"), said.to_string()).expect("writes");
        for _ in 0..5 {
            let port = free_port();
            if let Some(process) = serve(folder.path(), port).await {
                return Self { process, port, folder };
            }
        }
        panic!(
            "scim2-server does not start: {}",
            std::fs::read_to_string(folder.path().join("log")).unwrap_or_default()
        );
    }

    /// One request past the connector: the status, and what was answered.
    pub async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = format!(
            "{method} /v2/{path} HTTP/1.0\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n\
             Content-Type: application/scim+json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut line = TcpStream::connect(("127.0.0.1", self.port)).await.expect("connects");
        line.write_all(request.as_bytes()).await.expect("asks");
        let mut answer = Vec::new();
        line.read_to_end(&mut answer).await.expect("an answer");
        let answer = String::from_utf8(answer).expect("text");
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }

    /// Somebody new, with everything that can be taken away. Their id.
    pub async fn hire(&self, login: &str, number: &str) -> String {
        let person = json!({ "schemas": [USER, ENTERPRISE], "userName": login, "active": true,
            "name": { "givenName": "Ada", "familyName": "Keller", "formatted": "Ada Keller" }, "displayName": "Ada Keller",
            "emails": [{ "value": format!("{login}@home.example"), "type": "home" },
                { "value": format!("{login}@example.org"), "type": "work", "primary": true }],
            "roles": [{ "value": "editor", "primary": true }], "entitlements": [{ "value": "seat" }],
            (ENTERPRISE): { "employeeNumber": number } });
        let (status, made) = self.ask("POST", "Users", Some(&person)).await;
        assert_eq!(status, 201, "{made}");
        made["id"].as_str().expect("an id").to_owned()
    }

    /// A group of these accounts. Its id.
    pub async fn found(&self, name: &str, members: &[&str]) -> String {
        let members: Vec<Value> = members.iter().map(|id| json!({ "value": id })).collect();
        let group = json!({ "schemas": [GROUP], "displayName": name, "members": members });
        let (status, made) = self.ask("POST", "Groups", Some(&group)).await;
        assert_eq!(status, 201, "{made}");
        made["id"].as_str().expect("an id").to_owned()
    }

    /// All resources of a kind.
    pub async fn all(&self, kind: &str) -> Vec<Value> {
        let (_, list) = self.ask("GET", &format!("{kind}?count=1000"), None).await;
        list["Resources"].as_array().cloned().unwrap_or_default()
    }

    /// The names of the groups that hold an account.
    pub async fn groups_of(&self, id: &str) -> Vec<String> {
        let groups = self.all("Groups").await;
        let holds = |group: &&Value| {
            group["members"].as_array().is_some_and(|members| members.iter().any(|member| member["value"] == *id))
        };
        let mut names: Vec<String> =
            groups.iter().filter(holds).filter_map(|group| Some(group["displayName"].as_str()?.to_owned())).collect();
        names.sort_unstable();
        names
    }
}
