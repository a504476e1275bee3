//! A real OpenLDAP server for one test: ppolicy, memberOf, lastbind, TLS by an authority of its own, and a user of usher's
//! with no more rights than the page on the connector asks for.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::outside::{Outside, SUFFIX, USHER, USHER_PASSWORD};
use crate::servers::free_port;

const ROOT: &str = "cn=admin,dc=example,dc=org";

/// What a server does besides keeping entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlays {
    /// Policies, memberOf, references that follow, sign-ins.
    All,
    /// Policies only: groups name whom they named, whatever becomes of it.
    Policies,
    /// Nothing.
    None,
}

pub struct Slapd {
    server: Child,
    outside: Outside,
    pub tls_port: u16,
    _folder: tempfile::TempDir,
}

impl Deref for Slapd {
    type Target = Outside;

    fn deref(&self) -> &Outside {
        &self.outside
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        self.server.kill().ok();
        self.server.wait().ok();
    }
}

impl Slapd {
    /// A server with these entries (LDIF) below the usual places. Groups go in later, over LDAP: `slapadd` passes by the
    /// overlay that keeps `memberOf`.
    pub async fn start(entries: &str) -> Self {
        Self::start_with(Overlays::All, entries).await
    }

    /// The same, with fewer overlays.
    pub async fn start_with(overlays: Overlays, entries: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path();
        super::certificates(at, &["127.0.0.1", "localhost"]);
        std::fs::create_dir(at.join("db")).expect("a folder");
        std::fs::write(at.join("password"), USHER_PASSWORD).expect("writes");
        std::fs::write(at.join("slapd.conf"), configuration(at, overlays)).expect("writes");
        std::fs::write(at.join("base.ldif"), format!("{}{entries}", base(overlays))).expect("writes");
        let loaded = Command::new(program("slapadd"))
            .args(["-q", "-f"])
            .arg(at.join("slapd.conf"))
            .args(["-b", SUFFIX, "-l"])
            .arg(at.join("base.ldif"))
            .output()
            .expect("slapadd");
        assert!(loaded.status.success(), "{}", String::from_utf8_lossy(&loaded.stderr));
        for _ in 0..5 {
            let (port, tls_port) = (free_port(), free_port());
            if let Some(server) = serve(at, port, tls_port).await {
                let outside = Outside {
                    port,
                    folder: at.to_owned(),
                    root: ROOT,
                    password: "admin",
                    id: "entryUUID",
                    version: "entryCSN",
                };
                return Self { server, outside, tls_port, _folder: folder };
            }
        }
        panic!("slapd does not start: {}", std::fs::read_to_string(at.join("slapd.log")).unwrap_or_default());
    }

    /// Ends, and is there again where it was.
    pub async fn restart(&mut self) {
        self.server.kill().ok();
        self.server.wait().ok();
        let again = serve(&self.outside.folder, self.outside.port, self.tls_port).await;
        self.server = again.expect("slapd starts again");
    }
}

async fn serve(at: &Path, port: u16, tls_port: u16) -> Option<Child> {
    let log = std::fs::File::create(at.join("slapd.log")).expect("a log");
    let urls = format!("ldap://127.0.0.1:{port}/ ldaps://127.0.0.1:{tls_port}/");
    let mut server = Command::new(program("slapd"))
        .args(["-d", "0", "-f"])
        .arg(at.join("slapd.conf"))
        .args(["-h", &urls])
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a log"))
        .stderr(log)
        .spawn()
        .expect("slapd");
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(20) {
        if tokio::net::TcpStream::connect(("127.0.0.1", tls_port)).await.is_ok() {
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

/// Debian keeps server programs off the usual path.
fn program(name: &str) -> PathBuf {
    let folders = ["/usr/sbin", "/usr/local/sbin", "/usr/local/libexec", "/usr/libexec/openldap", "/usr/bin"];
    let found = folders.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.exists());
    found.unwrap_or_else(|| {
        panic!("{name} is missing: install OpenLDAP's server (Debian: apt-get install slapd ldap-utils)")
    })
}

fn folder_with(file: &str, folders: &[&str]) -> String {
    let found = folders.iter().find(|folder| Path::new(folder).join(file).exists());
    found.unwrap_or_else(|| panic!("{file} of OpenLDAP is in none of {folders:?}")).to_string()
}

fn configuration(at: &Path, overlays: Overlays) -> String {
    let schema =
        folder_with("core.schema", &["/etc/ldap/schema", "/etc/openldap/schema", "/usr/local/etc/openldap/schema"]);
    let modules = folder_with(
        "back_mdb.so",
        &["/usr/lib/ldap", "/usr/lib64/openldap", "/usr/lib/openldap", "/usr/local/libexec/openldap"],
    );
    let at = at.display();
    format!(
        r#"include {schema}/core.schema
include {schema}/cosine.schema
include {schema}/inetorgperson.schema
include {schema}/nis.schema
modulepath {modules}
moduleload back_mdb
moduleload ppolicy
moduleload memberof
moduleload refint
moduleload lastbind
pidfile {at}/slapd.pid
argsfile {at}/slapd.args
TLSCertificateFile {at}/cert.pem
TLSCertificateKeyFile {at}/key.pem
TLSCACertificateFile {at}/ca.pem
sizelimit 500
database mdb
suffix "{SUFFIX}"
rootdn "{ROOT}"
rootpw admin
directory {at}/db
maxsize 2147483648
dbnosync
index objectClass,entryUUID,entryCSN eq
index uid,mail,cn,sn,memberOf,member,employeeNumber pres,eq
lastbind on
limits dn.exact="{USHER}" size.soft=500 size.hard=1000 size.pr=1000 size.prtotal=unlimited
access to dn.subtree="ou=people,{SUFFIX}" attrs=userPassword by dn.exact="{USHER}" =w by self =w by anonymous auth by * none
access to dn.subtree="ou=disabled,{SUFFIX}" attrs=userPassword by dn.exact="{USHER}" =w by anonymous auth by * none
access to attrs=userPassword by self =w by anonymous auth by * none
access to dn.subtree="ou=people,{SUFFIX}" by dn.exact="{USHER}" write by users read
access to dn.subtree="ou=disabled,{SUFFIX}" by dn.exact="{USHER}" write by users read
access to dn.exact="cn=sealed,ou=groups,{SUFFIX}" by users read
access to dn.subtree="ou=groups,{SUFFIX}" attrs=member,uniqueMember,memberUid by dn.exact="{USHER}" write by users read
access to * by users read by anonymous auth
{}"#,
        match overlays {
            Overlays::All => format!("{}{}", policies(), mirrors()),
            Overlays::Policies => policies(),
            Overlays::None => String::new(),
        }
    )
}

fn policies() -> String {
    format!("overlay ppolicy\nppolicy_default \"cn=default,ou=policies,{SUFFIX}\"\nppolicy_use_lockout\n")
}

fn mirrors() -> String {
    format!(
        "overlay memberof\nmemberof-dangling ignore\noverlay refint\nrefint_attributes member owner manager\n\
         refint_nothing \"cn=nobody,{SUFFIX}\"\noverlay lastbind\n"
    )
}

fn base(overlays: Overlays) -> String {
    let mut ldif =
        format!("dn: {SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\no: Example\ndc: example\n\n");
    for place in ["people", "disabled", "groups", "services", "policies"] {
        ldif.push_str(&format!("dn: ou={place},{SUFFIX}\nobjectClass: organizationalUnit\nou: {place}\n\n"));
    }
    if overlays != Overlays::None {
        ldif.push_str(&format!(
            "dn: cn=default,ou=policies,{SUFFIX}\nobjectClass: person\nobjectClass: pwdPolicy\ncn: default\nsn: default\n\
             pwdAttribute: userPassword\npwdLockout: TRUE\npwdMaxFailure: 5\npwdMinLength: 8\npwdCheckQuality: 1\n\n"
        ));
    }
    ldif.push_str(&format!(
        "dn: {USHER}\nobjectClass: account\nobjectClass: simpleSecurityObject\nuid: usher\nuserPassword: {USHER_PASSWORD}\n\n"
    ));
    ldif
}
