//! A real 389 Directory Server for one test, without systemd: from its own template of a configuration, with groups that
//! follow their members, sign-ins that are written down, TLS, and a user of usher's with no more rights than the page on the
//! connector asks for.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::outside::{Outside, SUFFIX, USHER, USHER_PASSWORD, added};
use crate::servers::free_port;

const INSTALL: &str = "install 389 Directory Server (Debian: apt-get install 389-ds-base libnss3-tools openssl)";
const TEMPLATE: &str = "/usr/share/dirsrv/data/template-dse.ldif";
const ROOT: &str = "cn=Directory Manager";
const PASSWORD: &str = "admin-Password";

pub struct NsSlapd {
    server: Child,
    outside: Outside,
    pub tls_port: u16,
    _folder: tempfile::TempDir,
}

impl Drop for NsSlapd {
    fn drop(&mut self) {
        self.server.kill().ok();
        self.server.wait().ok();
    }
}

impl Deref for NsSlapd {
    type Target = Outside;

    fn deref(&self) -> &Outside {
        &self.outside
    }
}

impl NsSlapd {
    /// A server with these entries (LDIF) below the usual places.
    pub async fn start(entries: &str) -> Self {
        let mut log = String::new();
        for _ in 0..5 {
            let folder = tempfile::tempdir().expect("a folder");
            let at = folder.path();
            let (port, tls_port) = (free_port(), free_port());
            prepare(at, port, tls_port);
            let outside = Outside {
                port,
                folder: at.to_owned(),
                root: ROOT,
                password: PASSWORD,
                id: "nsUniqueId",
                version: "entryusn",
            };
            if let Some(server) = serve(&outside).await {
                outside.change(&format!("{}{}{}", backend(), base(), added(entries)));
                return Self { server, outside, tls_port, _folder: folder };
            }
            log = std::fs::read_to_string(at.join("log/errors")).unwrap_or_default();
        }
        panic!("389 Directory Server does not start: {log}");
    }

    /// Where it listens for this machine: it takes that for as good as TLS.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("run/ldapi")
    }
}

/// A folder of an instance: its configuration, its schema, and its certificate in the store of NSS.
fn prepare(at: &Path, port: u16, tls_port: u16) {
    for place in ["conf/schema", "db", "dbhome", "lock", "run", "log", "tmp", "ldif", "bak", "inst"] {
        std::fs::create_dir_all(at.join(place)).expect("a folder");
    }
    std::fs::write(at.join("password"), USHER_PASSWORD).expect("writes");
    for (from, to) in [
        ("config/certmap.conf", "conf/certmap.conf"),
        ("config/slapd-collations.conf", "conf/slapd-collations.conf"),
        ("schema/99user.ldif", "conf/schema/99user.ldif"),
    ] {
        let from = Path::new("/etc/dirsrv").join(from);
        std::fs::copy(&from, at.join(to)).unwrap_or_else(|why| panic!("{}: {why}; {INSTALL}", from.display()));
    }
    let template = std::fs::read_to_string(TEMPLATE).unwrap_or_else(|why| panic!("{TEMPLATE}: {why}; {INSTALL}"));
    std::fs::write(at.join("conf/dse.ldif"), configuration(&template, at, port, tls_port)).expect("writes");
    super::certificates(at, &["127.0.0.1", "localhost"]);
    let own = |name: &str| at.join(name).display().to_string();
    let (conf, pack) = (own("conf"), own("pack.p12"));
    run("certutil", &["-N", "-d", &conf, "--empty-password"]);
    let (cert, key) = (own("cert.pem"), own("key.pem"));
    let named = ["-name", "Server-Cert", "-passout", "pass:", "-out", &pack];
    run("openssl", &[&["pkcs12", "-export", "-in", &cert, "-inkey", &key][..], &named].concat());
    run("pk12util", &["-i", &pack, "-d", &conf, "-W", "", "-K", ""]);
}

fn run(program: &str, words: &[&str]) {
    let output = Command::new(program).args(words).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|why| panic!("{program}: {why}; {INSTALL}"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The template with its blanks filled in.
fn configuration(template: &str, at: &Path, port: u16, tls_port: u16) -> String {
    let own = |name: &str| at.join(name).display().to_string();
    let user = Command::new("id").arg("-un").output().expect("id");
    let user = String::from_utf8(user.stdout).expect("a name");
    let ports = format!(
        "{port}\nnsslapd-listenhost: 127.0.0.1\nnsslapd-security: on\nnsslapd-secureport: {tls_port}\n\
         nsslapd-securelistenhost: 127.0.0.1\nnsslapd-accesslog-logging-enabled: off"
    );
    let blanks = [
        ("schema_dir", own("conf/schema")),
        ("lock_dir", own("lock")),
        ("tmp_dir", own("tmp")),
        ("cert_dir", own("conf")),
        ("ldif_dir", own("ldif")),
        ("bak_dir", own("bak")),
        ("run_dir", own("run")),
        ("inst_dir", own("inst")),
        ("log_dir", own("log")),
        ("config_dir", own("conf")),
        ("db_dir", own("db")),
        ("db_home_dir", own("dbhome")),
        ("db_lib", "bdb".to_owned()),
        ("fqdn", "localhost".to_owned()),
        ("ds_port", ports),
        ("ds_user", user.trim().to_owned()),
        ("rootdn", ROOT.to_owned()),
        ("ds_passwd", format!("{{CLEAR}}{PASSWORD}")),
        ("ldapi_enabled", "on".to_owned()),
        ("ldapi_autobind", "off".to_owned()),
        ("ldapi", own("run/ldapi")),
        ("ds_suffix", SUFFIX.to_owned()),
    ];
    let filled =
        blanks.iter().fold(template.to_owned(), |text, (blank, value)| text.replace(&format!("%{blank}%"), value));
    let entries = filled.split("\n\n").map(|entry| switched_on(entry).replace("alwaysrecordlogin: no", SIGN_INS));
    entries.collect::<Vec<_>>().join("\n\n")
}

/// What the Account Policy plugin is told, so that it writes down who signs in.
const SIGN_INS: &str = "alwaysrecordlogin: yes\nstateattrname: lastLoginTime\naltstateattrname: createTimestamp\n\
                        specattrname: acctPolicySubentry\nlimitattrname: accountInactivityLimit";

/// The plugins that a test needs: groups that follow, a number for each change, and the account policy.
fn switched_on(entry: &str) -> String {
    let plugins = ["MemberOf Plugin", "referential integrity postoperation", "USN", "Account Policy Plugin"];
    let wanted = plugins.iter().any(|name| entry.trim_start().starts_with(&format!("dn: cn={name},cn=plugins")));
    if !wanted {
        return entry.to_owned();
    }
    entry
        .replace("nsslapd-pluginenabled: off", "nsslapd-pluginenabled: on")
        .replace("nsslapd-pluginEnabled: off", "nsslapd-pluginEnabled: on")
}

async fn serve(outside: &Outside) -> Option<Child> {
    let at = &outside.folder;
    let log = std::fs::File::create(at.join("out.log")).expect("a log");
    let mut server = Command::new("/usr/sbin/ns-slapd")
        .arg("-D")
        .arg(at.join("conf"))
        .arg("-i")
        .arg(at.join("run/pid"))
        .args(["-d", "0"])
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a log"))
        .stderr(log)
        .spawn()
        .unwrap_or_else(|why| panic!("/usr/sbin/ns-slapd: {why}; {INSTALL}"));
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(60) {
        if outside.sign_in(ROOT, PASSWORD).await.is_some_and(|(_, answer)| answer == 0) {
            return Some(server);
        }
        if server.try_wait().expect("a process").is_some() {
            return None;
        }
        usher::clock::pause(Duration::from_millis(50)).await;
    }
    server.kill().ok();
    server.wait().ok();
    None
}

/// The database of the suffix.
fn backend() -> String {
    format!(
        "dn: cn=userroot,cn=ldbm database,cn=plugins,cn=config\nchangetype: add\nobjectClass: top\n\
         objectClass: extensibleObject\nobjectClass: nsBackendInstance\ncn: userroot\nnsslapd-suffix: {SUFFIX}\n\n\
         dn: cn=\"{SUFFIX}\",cn=mapping tree,cn=config\nchangetype: add\nobjectClass: top\nobjectClass: extensibleObject\n\
         objectClass: nsMappingTree\ncn: {SUFFIX}\nnsslapd-state: backend\nnsslapd-backend: userroot\n\n"
    )
}

/// The usual places, and usher's rights: those of the page on the connector.
fn base() -> String {
    let who = format!("userdn = \"ldap:///{USHER}\";)");
    let moves = |name: &str, from: &str, to: &str| {
        format!(
            "aci: (target_from = \"ldap:///uid=*,ou={from},{SUFFIX}\")(target_to = \"ldap:///ou={to},{SUFFIX}\")\
             (version 3.0; acl \"{name}\"; allow (moddn) {who}\n"
        )
    };
    let accounts = "nsAccountLock || userPassword || objectClass || uid || cn || sn || givenName || displayName || mail || \
                    employeeNumber || employeeType";
    let accounts = format!(
        "aci: (targetattr = \"{accounts}\")(version 3.0; acl \"usher writes\"; allow (write) {who}\n\
         aci: (version 3.0; acl \"usher makes and removes\"; allow (add, delete) {who}\n"
    );
    let members = format!(
        "aci: (targetattr = \"member || uniqueMember || memberUid\")(version 3.0; acl \"usher writes members\"; allow (write) {who}\n"
    );
    let reads = format!(
        "aci: (targetattr != \"userPassword\")(version 3.0; acl \"usher reads\"; allow (read, search, compare) {who}\n"
    );
    let deletes = moves("usher deletes", "people", "disabled") + &moves("usher restores", "disabled", "people");
    let mut ldif = format!(
        "dn: {SUFFIX}\nchangetype: add\nobjectClass: top\nobjectClass: domain\ndc: example\n{reads}{deletes}\n"
    );
    for (place, aci) in [("people", &*accounts), ("disabled", &*accounts), ("groups", &*members), ("services", "")] {
        ldif.push_str(&format!(
            "dn: ou={place},{SUFFIX}\nchangetype: add\nobjectClass: organizationalUnit\nou: {place}\n{aci}\n"
        ));
    }
    ldif.push_str(&format!(
        "dn: {USHER}\nchangetype: add\nobjectClass: account\nobjectClass: simpleSecurityObject\nuid: usher\n\
         userPassword: {USHER_PASSWORD}\n\n"
    ));
    ldif
}
