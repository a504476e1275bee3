//! A real Cyrus: calendars and address books that people share by themselves (draft-pot-webdav-resource-sharing), and a place of
//! notices among the calendars. It lets nobody look into somebody else's home, so usher signs in as the leaver.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::Method;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::servers::free_port;

const INSTALL: &str = "install Cyrus (Debian: apt-get install cyrus-caldav sasl2-bin)";
const BIN: &str = "/usr/lib/cyrus/bin";

/// The kind of what is said about shares.
const SHARING: &str = "application/davsharing+xml";

pub struct Cyrus {
    server: Child,
    pub folder: tempfile::TempDir,
    pub port: u16,
}

impl Drop for Cyrus {
    /// Its processes are a group: none is left behind.
    fn drop(&mut self) {
        if let Some(group) = Pid::from_raw(self.server.id().cast_signed()) {
            kill_process_group(group, Signal::KILL).ok();
        }
        self.server.wait().ok();
    }
}

impl Cyrus {
    /// A server on which `jdoe` and `boss` have a mailbox, and so a home for calendars.
    pub async fn start() -> Self {
        assert!(Path::new(BIN).join("httpd").exists(), "{BIN}/httpd is missing: {INSTALL}");
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path();
        for name in ["conf/proc", "conf/db", "conf/socket", "conf/log", "conf/lock", "spool"] {
            std::fs::create_dir_all(at.join(name)).expect("a folder");
        }
        for person in ["jdoe", "boss"] {
            password(at, person);
            std::fs::write(at.join(person), format!("{person}pass")).expect("writes");
        }
        for _ in 0..5 {
            let (port, lmtp) = (free_port(), free_port());
            configure(at, port, lmtp);
            give(at);
            let mut server = serve(at);
            if listen(&mut server, [port, lmtp]).await {
                let cyrus = Self { server, folder, port };
                for person in ["jdoe", "boss"] {
                    deliver(lmtp, person).await;
                    // The homes are made when somebody looks at them for the first time.
                    for home in ["calendars", "addressbooks"] {
                        cyrus.ask(person, "PROPFIND", &format!("{home}/user/{person}/"), "", "").await;
                    }
                }
                return cyrus;
            }
            server.kill().ok();
            server.wait().ok();
        }
        panic!("Cyrus does not start: {}", std::fs::read_to_string(at.join("out")).unwrap_or_default());
    }

    /// A request of somebody's, which must succeed; its answer.
    pub async fn ask(&self, person: &str, method: &str, path: &str, kind: &str, body: &str) -> String {
        let client =
            usher::outbound::client(None, Duration::from_secs(20)).expect("a client").build().expect("a client");
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let request = client
            .request(method.clone(), format!("http://127.0.0.1:{}/dav/{path}", self.port))
            .basic_auth(person, Some(format!("{person}pass")))
            .header("depth", "1")
            .header("content-type", kind)
            .body(body.to_owned());
        let answer = request.send().await.expect("an answer");
        let status = answer.status();
        let text = answer.text().await.expect("a text");
        assert!(status.is_success(), "{method} {path}: {status}: {text}");
        text
    }

    /// A calendar with these events, by name.
    pub async fn calendar(&self, person: &str, name: &str, events: &[(&str, &str)]) {
        let at = format!("calendars/user/{person}/{name}/");
        self.ask(person, "MKCALENDAR", &at, "", "").await;
        for (file, event) in events {
            self.ask(person, "PUT", &format!("{at}{file}"), "text/calendar", event).await;
        }
    }

    /// An address book with one card, by name.
    pub async fn address_book(&self, person: &str, name: &str, card: &str) {
        let made = "<D:mkcol xmlns:D=\"DAV:\" xmlns:A=\"urn:ietf:params:xml:ns:carddav\"><D:set><D:prop><D:resourcetype>\
                    <D:collection/><A:addressbook/></D:resourcetype></D:prop></D:set></D:mkcol>";
        let at = format!("addressbooks/user/{person}/{name}/");
        self.ask(person, "MKCOL", &at, "application/xml", made).await;
        self.ask(person, "PUT", &format!("{at}c.vcf"), "text/vcard", card).await;
    }

    /// Somebody lets somebody else write into what is there (draft-pot-webdav-resource-sharing).
    pub async fn share(&self, owner: &str, collection: &str, with: &str) {
        let share = format!(
            "<D:share-resource xmlns:D=\"DAV:\"><D:sharee><D:href>mailto:{with}@internal</D:href><D:share-access>\
             <D:read-write/></D:share-access></D:sharee></D:share-resource>"
        );
        self.ask(owner, "POST", collection, SHARING, &share).await;
    }

    /// Somebody takes whatever others share with them.
    pub async fn accept_all(&self, person: &str) {
        let notices = format!("notifications/user/{person}/");
        let found = self.ask(person, "PROPFIND", &notices, "", "").await;
        let hrefs = found.split("<D:href>/dav/").skip(1).filter_map(|rest| rest.split('<').next());
        let invitations: Vec<&str> = hrefs.filter(|href| href.ends_with(".xml")).collect();
        assert!(!invitations.is_empty(), "nobody shares anything with {person}: {found}");
        for invitation in invitations {
            let accepted = "<D:invite-reply xmlns:D=\"DAV:\"><D:invite-accepted/></D:invite-reply>";
            self.ask(person, "POST", invitation, SHARING, accepted).await;
        }
    }
}

/// Whom it runs as: its own user where a test runs as root.
fn owner() -> Option<(u32, u32)> {
    if !rustix::process::getuid().is_root() {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").expect("users");
    let line =
        users.lines().find(|line| line.starts_with("cyrus:")).unwrap_or_else(|| panic!("no user `cyrus`: {INSTALL}"));
    let parts: Vec<&str> = line.split(':').collect();
    Some((parts[2].parse().expect("a number"), parts[3].parse().expect("a number")))
}

/// Everything below belongs to whom it runs as.
fn give(at: &Path) {
    let Some((user, group)) = owner() else { return };
    let mut open = vec![at.to_owned()];
    while let Some(path) = open.pop() {
        chown(&path, Some(user), Some(group)).expect("gives");
        if path.is_dir() {
            open.extend(std::fs::read_dir(path).expect("reads").map(|entry| entry.expect("an entry").path()));
        }
    }
}

fn password(at: &Path, person: &str) {
    let mut command = Command::new("/usr/sbin/saslpasswd2");
    command.args(["-p", "-c", "-u", "localhost", "-f"]).arg(at.join("sasldb2")).arg(person);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap_or_else(|why| panic!("saslpasswd2: {why}: {INSTALL}"));
    let mut input = child.stdin.take().expect("its input");
    std::io::Write::write_all(&mut input, format!("{person}pass").as_bytes()).expect("writes");
    drop(input);
    assert!(child.wait().expect("ends").success(), "saslpasswd2 refuses {person}");
}

fn own(flag: &str) -> String {
    let output = Command::new("id").arg(flag).output().expect("id").stdout;
    String::from_utf8(output).expect("a name").trim().to_owned()
}

fn configure(at: &Path, port: u16, lmtp: u16) {
    let (user, group) = match owner() {
        Some(_) => ("cyrus".to_owned(), "mail".to_owned()),
        None => (own("-un"), own("-gn")),
    };
    let folder = at.display();
    let imapd = format!(
        "configdirectory: {folder}/conf\npartition-default: {folder}/spool\ndefaultpartition: default\nservername: localhost\n\
         cyrus_user: {user}\ncyrus_group: {group}\nallowplaintext: yes\nsasl_pwcheck_method: auxprop\nsasl_auxprop_plugin: sasldb\n\
         sasl_sasldb_path: {folder}/sasldb2\nsasl_mech_list: PLAIN\nhttpmodules: caldav carddav\nunixhierarchysep: yes\n\
         caldav_allowscheduling: off\nautocreate_quota: 0\nautocreate_post: yes\n"
    );
    let services = format!(
        "START {{\n}}\nSERVICES {{\n  http cmd=\"{BIN}/httpd -C {folder}/imapd.conf\" listen=\"127.0.0.1:{port}\" prefork=1 maxchild=10\n  \
         lmtp cmd=\"{BIN}/lmtpd -a -C {folder}/imapd.conf\" listen=\"127.0.0.1:{lmtp}\" prefork=0 maxchild=5\n}}\nEVENTS {{\n}}\n"
    );
    std::fs::write(at.join("imapd.conf"), imapd).expect("writes");
    std::fs::write(at.join("cyrus.conf"), services).expect("writes");
}

fn serve(at: &Path) -> Child {
    let out = std::fs::File::create(at.join("out")).expect("a file");
    let mut command = Command::new(PathBuf::from(BIN).join("master"));
    command.arg("-C").arg(at.join("imapd.conf")).arg("-M").arg(at.join("cyrus.conf"));
    command.arg("-p").arg(at.join("pid")).arg("-D").stdin(Stdio::null()).process_group(0);
    command.stdout(out.try_clone().expect("a file")).stderr(out);
    if let Some((user, group)) = owner() {
        command.uid(user).gid(group);
    }
    command.spawn().expect("starts")
}

async fn listen(server: &mut Child, ports: [u16; 2]) -> bool {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(20) && server.try_wait().is_ok_and(|ended| ended.is_none()) {
        let mut up = true;
        for port in ports {
            up &= TcpStream::connect(("127.0.0.1", port)).await.is_ok();
        }
        if up {
            return true;
        }
        usher::clock::pause(Duration::from_millis(20)).await;
    }
    false
}

/// A mail by LMTP: with it, Cyrus makes the mailbox.
async fn deliver(port: u16, person: &str) {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("connects");
    let mut stream = BufReader::new(stream);
    let mail = "From: <a@example.org>\r\nSubject: hello\r\nDate: Mon, 4 Jan 2027 08:00:00 +0000\r\nMessage-ID: <1@x>\r\n\r\nhi\r\n.\r\n";
    let rcpt = format!("RCPT TO:<{person}>\r\n");
    for say in ["", "LHLO test\r\n", "MAIL FROM:<a@example.org>\r\n", &rcpt, "DATA\r\n", mail] {
        stream.write_all(say.as_bytes()).await.expect("writes");
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.expect("a line");
            assert!(line.starts_with(['2', '3']), "{say}: {line}");
            if line.as_bytes().get(3) != Some(&b'-') {
                break;
            }
        }
    }
}
