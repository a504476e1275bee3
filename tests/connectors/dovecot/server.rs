//! A real Dovecot for one test: IMAP, ManageSieve, LMTP and doveadm's HTTP interface on free ports, accounts in a passwd-file,
//! and mail that it sends goes to a small server of the test's.

use std::fmt::Write as _;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use usher::connectors::dovecot::{Accounts, DovecotSettings, Master, Server};
use usher::outbound::Security;
use usher::secret::SecretRef;

use super::rows::Rows;
use crate::database::Db;
use crate::ldap::{certificates, free_port};

const INSTALL: &str = "install Dovecot (Debian: apt-get install dovecot-core dovecot-imapd dovecot-managesieved dovecot-lmtpd \
    dovecot-sieve dovecot-sqlite dovecot-pgsql)";
const KEY: &str = "topsecret";
pub const MASTER: &str = "usher@example.org";
const MASTER_PASSWORD: &str = "master-Password-1";

/// How a server differs from the usual one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Variant {
    #[default]
    Usual,
    /// doveadm answers over TLS.
    Tls,
    /// Whoever acts as somebody is refused where that one is closed.
    MastersAreDenied,
    /// Access lists hold for the master user, who is on none of them.
    MastersSeeNothing,
    /// Accounts are rows of a table.
    Rows(Db),
    /// Whoever was refused is answered late, and whoever comes from the same address too: as Dovecot comes.
    Penalises,
}

pub struct Dovecot {
    server: Child,
    pub folder: tempfile::TempDir,
    pub ports: Ports,
    /// The table that accounts are rows of, where they are.
    pub rows: Option<Rows>,
    tls: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct Ports {
    pub imap: u16,
    pub imaps: u16,
    pub sieve: u16,
    pub lmtp: u16,
    pub http: u16,
}

impl Drop for Dovecot {
    /// Its processes are a group: none is left behind.
    fn drop(&mut self) {
        if let Some(group) = Pid::from_raw(self.server.id().cast_signed()) {
            kill_process_group(group, Signal::KILL).ok();
        }
        self.server.wait().ok();
    }
}

impl Dovecot {
    /// With so many accounts, `ada1@example.org` and so on, and `boss@example.org`. Mail goes out by `smtp`.
    pub async fn start(accounts: usize, smtp: u16) -> Self {
        Self::start_as(Variant::Usual, accounts, smtp).await
    }

    pub async fn start_as(variant: Variant, accounts: usize, smtp: u16) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path();
        certificates(at, &["127.0.0.1", "localhost"]);
        for name in ["run", "state", "mail"] {
            std::fs::create_dir(at.join(name)).expect("a folder");
        }
        let mut users = String::from("boss@example.org:{PLAIN}first-boss:::Berta Brunner:::\n");
        for number in 1..=accounts {
            writeln!(users, "ada{number}@example.org:{{PLAIN}}first-ada{number}:::Ada Keller,nr=1005:::")
                .expect("writes");
        }
        for (name, text) in [
            ("users", users.as_str()),
            ("deny", ""),
            ("masters", &format!("{MASTER}:{{PLAIN}}{MASTER_PASSWORD}::::::\n")),
            ("master-password", MASTER_PASSWORD),
            ("key", KEY),
        ] {
            std::fs::write(at.join(name), text).expect("writes");
        }
        let rows = match variant {
            Variant::Rows(db) => Some(Rows::furnish(db, at, accounts).await),
            _ => None,
        };
        for _ in 0..5 {
            let [imap, imaps, sieve, lmtp, http] = [(); 5].map(|()| free_port());
            let ports = Ports { imap, imaps, sieve, lmtp, http };
            std::fs::write(at.join("dovecot.conf"), configuration(at, ports, smtp, variant, rows.as_ref()))
                .expect("writes");
            give(at);
            if let Some(server) = serve(at, ports).await {
                return Self { server, folder, ports, rows, tls: variant == Variant::Tls };
            }
        }
        let log = std::fs::read_to_string(at.join("dovecot.out")).unwrap_or_default();
        panic!("Dovecot does not start: {INSTALL}\n{log}");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Everything in a folder belongs to whom it runs as.
    pub fn give(&self, at: &Path) {
        if let Some((_, user, group)) = owner() {
            let mut open = vec![at.to_owned()];
            while let Some(path) = open.pop() {
                chown(&path, Some(user), Some(group)).expect("gives");
                if path.is_dir() {
                    open.extend(std::fs::read_dir(path).expect("reads").map(|entry| entry.expect("an entry").path()));
                }
            }
        }
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("reads")
    }

    /// In the clear to this machine; tests of their own show the other ways in.
    pub fn settings(&self) -> DovecotSettings {
        let settings = self.settings_of_files();
        match &self.rows {
            Some(rows) => rows.settings(settings, None),
            None => settings,
        }
    }

    fn settings_of_files(&self) -> DovecotSettings {
        let server = |port| Server { host: "127.0.0.1".to_owned(), port, security: Security::None };
        DovecotSettings {
            url: format!("{}://127.0.0.1:{}", if self.tls { "https" } else { "http" }, self.ports.http),
            api_key: SecretRef::File(self.path("key")),
            ca: None,
            imap: Some(server(self.ports.imap)),
            sieve: Some(server(self.ports.sieve)),
            master: Some(Master { user: MASTER.to_owned(), password: SecretRef::File(self.path("master-password")) }),
            accounts: Some(Accounts::File(self.path("users"))),
            deny_file: Some(self.path("deny")),
            last_login: Some(format!("file:{}", self.path("state/last-login").display())),
            timeout: Duration::from_secs(10),
        }
    }

    /// A command of doveadm's, past the connector.
    pub async fn doveadm(&self, command: &str, with: Value) -> Value {
        let client =
            usher::outbound::client(None, Duration::from_secs(20)).expect("a client").build().expect("a client");
        let answer = client
            .post(format!("http://127.0.0.1:{}/doveadm/v1", self.ports.http))
            .header("Authorization", "X-Dovecot-API dG9wc2VjcmV0")
            .header("Content-Type", "application/json")
            .body(json!([[command, with, "t"]]).to_string())
            .send()
            .await
            .expect("an answer");
        let text = answer.text().await.expect("a text");
        let mut answer: Value = serde_json::from_str(&text).unwrap_or_else(|why| panic!("{why}: {text}"));
        answer[0][1].take()
    }

    /// Signs in by IMAP: a session, or what the server says to it.
    pub async fn sign_in(&self, user: &str, password: &str) -> Result<Session, String> {
        let stream = TcpStream::connect(("127.0.0.1", self.ports.imap)).await.expect("connects");
        let mut session = Session(BufReader::new(stream));
        session.line().await.expect("a greeting");
        session.ask(&format!("LOGIN \"{user}\" \"{password}\"")).await.map(|_| session)
    }

    /// Delivers a mail by LMTP; what the server says to it.
    pub async fn deliver(&self, from: &str, to: &str, subject: &str) -> String {
        let stream = TcpStream::connect(("127.0.0.1", self.ports.lmtp)).await.expect("connects");
        let mut stream = BufReader::new(stream);
        let id = free_port();
        let mail = format!(
            "From: <{from}>\r\nTo: <{to}>\r\nSubject: {subject}\r\nMessage-ID: <{id}.{subject}@partner.example>\r\n\r\nhello\r\n.\r\n"
        );
        let mut said = hear(&mut stream).await;
        for line in
            ["LHLO test\r\n", &format!("MAIL FROM:<{from}>\r\n"), &format!("RCPT TO:<{to}>\r\n"), "DATA\r\n", &mail]
        {
            stream.write_all(line.as_bytes()).await.expect("writes");
            said = hear(&mut stream).await;
            if !said.starts_with(['2', '3']) {
                return said;
            }
        }
        said
    }

    /// How many mails are in a folder.
    pub async fn mails(&self, user: &str, folder: &str) -> u64 {
        let asked = json!({ "user": user, "mailboxMask": [folder], "field": ["messages"] });
        let table = self.doveadm("mailboxStatus", asked).await;
        table[0]["messages"].as_str().map_or(0, |count| count.parse().expect("a number"))
    }
}

/// The last line of an answer.
async fn hear(stream: &mut BufReader<TcpStream>) -> String {
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.expect("a line");
        if line.as_bytes().get(3) != Some(&b'-') {
            return line.trim_end().to_owned();
        }
    }
}

/// A session by IMAP.
pub struct Session(BufReader<TcpStream>);

impl Session {
    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.0.read_line(&mut line).await.ok()?;
        (read > 0).then(|| line.trim_end().to_owned())
    }

    /// What the server says before the end of a command, or why it refuses it.
    pub async fn ask(&mut self, command: &str) -> Result<Vec<String>, String> {
        self.0.write_all(format!("a1 {command}\r\n").as_bytes()).await.map_err(|why| why.to_string())?;
        let mut lines = Vec::new();
        loop {
            let line = self.line().await.ok_or("the connection was closed")?;
            match line.strip_prefix("a1 ") {
                Some(ending) if ending.starts_with("OK") => return Ok(lines),
                Some(ending) => return Err(ending.to_owned()),
                None if line.starts_with("* BYE") => return Err(line),
                None => lines.push(line),
            }
        }
    }
}

/// Whom it runs as: itself where that is not root.
fn owner() -> Option<(String, u32, u32)> {
    if !rustix::process::getuid().is_root() {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").expect("users");
    let line = users
        .lines()
        .find(|line| line.starts_with("dovecot:"))
        .unwrap_or_else(|| panic!("no user `dovecot`: {INSTALL}"));
    let parts: Vec<&str> = line.split(':').collect();
    Some(("dovecot".to_owned(), parts[2].parse().expect("a number"), parts[3].parse().expect("a number")))
}

/// Everything below belongs to whom it runs as.
fn give(at: &Path) {
    let Some((_, user, group)) = owner() else { return };
    chown(at, Some(user), Some(group)).expect("gives");
    for entry in std::fs::read_dir(at).expect("reads") {
        chown(entry.expect("an entry").path(), Some(user), Some(group)).expect("gives");
    }
}

async fn serve(at: &Path, ports: Ports) -> Option<Child> {
    let program = ["/usr/sbin/dovecot", "/usr/local/sbin/dovecot"].into_iter().find(|path| Path::new(path).exists());
    let out = std::fs::File::create(at.join("dovecot.out")).expect("a file");
    let mut command = Command::new(program.unwrap_or_else(|| panic!("dovecot is missing: {INSTALL}")));
    command.args(["-F", "-c"]).arg(at.join("dovecot.conf")).stdin(Stdio::null()).process_group(0);
    command.stdout(out.try_clone().expect("a file")).stderr(out);
    if let Some((_, user, group)) = owner() {
        command.uid(user).gid(group);
    }
    let mut server = command.spawn().expect("dovecot");
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(20) {
        let mut up = true;
        for port in [ports.imap, ports.sieve, ports.lmtp, ports.http] {
            up &= TcpStream::connect(("127.0.0.1", port)).await.is_ok();
        }
        if up {
            return Some(server);
        }
        if server.try_wait().expect("a process").is_some() {
            return None;
        }
        usher::clock::pause(Duration::from_millis(20)).await;
    }
    server.kill().ok();
    server.wait().ok();
    None
}

/// Where accounts are lines of a file.
fn lines(at: &Path, user: &str, group: &str) -> String {
    let at = at.display();
    format!(
        "passdb {{\n  driver = passwd-file\n  args = scheme=PLAIN username_format=%u {at}/users\n}}\nuserdb {{\n  \
         driver = passwd-file\n  args = username_format=%u {at}/users\n  default_fields = uid={user} gid={group}\n}}\n"
    )
}

fn configuration(at: &Path, ports: Ports, smtp: u16, variant: Variant, rows: Option<&Rows>) -> String {
    let (user, group) = match owner() {
        Some((user, _, _)) => (user.clone(), user),
        None => {
            let own = |flag| {
                let output = Command::new("id").arg(flag).output().expect("id").stdout;
                String::from_utf8(output).expect("a name").trim().to_owned()
            };
            (own("-un"), own("-gn"))
        }
    };
    let masters = if variant == Variant::MastersAreDenied { "result_success = continue" } else { "" };
    let acl_user = if variant == Variant::MastersSeeNothing { "" } else { "acl_user = %u" };
    let penalties = if variant == Variant::Penalises { "0600" } else { "0" };
    let doveadm_tls = if variant == Variant::Tls { "yes" } else { "no" };
    let Ports { imap, imaps, sieve, lmtp, http } = ports;
    let accounts = rows.map_or_else(|| lines(at, &user, &group), |rows| rows.configuration(at, &user, &group));
    let at = at.display();
    let no_chroot: String = ["stats", "aggregator", "ipc", "director", "old-stats", "imap-urlauth-login"]
        .map(|name| format!("service {name} {{\n  chroot =\n}}\n"))
        .concat();
    format!(
        r#"base_dir = {at}/run
state_dir = {at}/state
log_path = {at}/dovecot.log
auth_verbose = yes
auth_failure_delay = 0
auth_cache_size = 1M
listen = 127.0.0.1
protocols = imap lmtp sieve
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
ssl = yes
ssl_cert = <{at}/cert.pem
ssl_key = <{at}/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_master_user_separator = *
first_valid_uid = 0
mail_home = {at}/mail/%d/%n
mail_location = maildir:~/Maildir
mail_plugins = $mail_plugins quota acl
submission_host = 127.0.0.1:{smtp}
doveadm_api_key = {KEY}
hostname = mx.example.org
postmaster_address = postmaster@example.org
passdb {{
  driver = passwd-file
  args = username_format=%u {at}/deny
  deny = yes
}}
passdb {{
  driver = passwd-file
  args = {at}/masters
  master = yes
  {masters}
}}
{accounts}namespace inbox {{
  inbox = yes
  separator = /
  mailbox Sent {{
    auto = create
    special_use = \Sent
  }}
}}
namespace shared {{
  type = shared
  separator = /
  prefix = shared/%%u/
  location = maildir:{at}/mail/%%d/%%n/Maildir:INDEX=~/shared/%%u
  subscriptions = no
  list = children
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service managesieve-login {{
  chroot =
  inet_listener sieve {{
    port = {sieve}
  }}
}}
service lmtp {{
  chroot =
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
service doveadm {{
  inet_listener http {{
    address = 127.0.0.1
    port = {http}
    ssl = {doveadm_tls}
  }}
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = {penalties}
  }}
}}
{no_chroot}protocol imap {{
  mail_plugins = $mail_plugins imap_quota imap_acl last_login
  mail_max_userip_connections = 50
}}
protocol lmtp {{
  mail_plugins = $mail_plugins sieve
}}
plugin {{
  sieve = file:~/sieve;active=~/.dovecot.sieve
  sieve_max_redirects = 4
  sieve_redirect_envelope_from = recipient
  sieve_vacation_min_period = 1s
  quota = maildir:User quota
  quota_rule = *:storage=50M
  acl = vfile
  {acl_user}
  acl_shared_dict = file:{at}/state/shared-mailboxes
  last_login_dict = file:{at}/state/last-login
  last_login_key = last-login/%u
  last_login_precision = s
}}
"#
    )
}
