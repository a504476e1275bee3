//! A real OpenLDAP server for one test: ppolicy, memberOf, lastbind, TLS by an authority of its own, and a user of usher's
//! with no more rights than the page on the connector asks for.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ldap3::{Ldap, LdapConnAsync, Scope, SearchEntry};

pub const SUFFIX: &str = "dc=example,dc=org";
pub const USHER: &str = "uid=usher,ou=services,dc=example,dc=org";
pub const USHER_PASSWORD: &str = "svc-Password-1";
const ROOT: &str = "cn=admin,dc=example,dc=org";

pub struct Slapd {
    server: Child,
    pub port: u16,
    pub tls_port: u16,
    pub folder: tempfile::TempDir,
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
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path();
        super::certificates(at, &["127.0.0.1", "localhost"]);
        std::fs::create_dir(at.join("db")).expect("a folder");
        std::fs::write(at.join("password"), USHER_PASSWORD).expect("writes");
        std::fs::write(at.join("slapd.conf"), configuration(at)).expect("writes");
        std::fs::write(at.join("base.ldif"), format!("{}{entries}", base())).expect("writes");
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
                return Self { server, port, tls_port, folder };
            }
        }
        panic!("slapd does not start: {}", std::fs::read_to_string(at.join("slapd.log")).unwrap_or_default());
    }

    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    pub fn password_file(&self) -> PathBuf {
        self.folder.path().join("password")
    }

    /// Its administrator, past the connector.
    pub async fn admin(&self) -> Ldap {
        let (ldap, answer) = self.sign_in(ROOT, "admin").await;
        assert_eq!(answer, 0);
        ldap
    }

    /// The code that a sign-in ends with.
    pub async fn answer(&self, dn: &str, password: &str) -> u32 {
        self.sign_in(dn, password).await.1
    }

    async fn sign_in(&self, dn: &str, password: &str) -> (Ldap, u32) {
        let url = format!("ldap://127.0.0.1:{}", self.port);
        let (connection, mut ldap) = LdapConnAsync::new(&url).await.expect("connects");
        ldap3::drive!(connection);
        let answer = ldap.simple_bind(dn, password).await.expect("an answer").rc;
        (ldap, answer)
    }

    /// All entries below `base` that fit, with all they have.
    pub async fn entries(&self, base: &str, filter: &str) -> Vec<SearchEntry> {
        let found = self.admin().await.search(base, Scope::Subtree, filter, vec!["*", "+"]).await.expect("a search");
        let (found, _) = found.success().expect("finds");
        found.into_iter().map(SearchEntry::construct).collect()
    }

    /// The entry with this id.
    pub async fn entry(&self, id: &str) -> Option<SearchEntry> {
        self.entries(SUFFIX, &format!("(entryUUID={})", ldap3::ldap_escape(id))).await.pop()
    }

    /// The id of the entry with this sign-in name.
    pub async fn id(&self, uid: &str) -> String {
        let found = self.entries(SUFFIX, &format!("(uid={})", ldap3::ldap_escape(uid))).await;
        found[0].attrs["entryUUID"][0].clone()
    }

    /// Gives it LDIF with changes, as its administrator.
    pub fn change(&self, ldif: &str) {
        self.later(ldif)();
    }

    /// The same, when it is called.
    pub fn later(&self, ldif: &str) -> impl FnOnce() + Send + 'static {
        let at = self.folder.path().join(format!("change-{}.ldif", free_port()));
        std::fs::write(&at, ldif).expect("writes");
        let url = format!("ldap://127.0.0.1:{}", self.port);
        move || change(&url, &at)
    }
}

fn change(url: &str, at: &Path) {
    let output = Command::new("ldapmodify")
        .args(["-x", "-H", url, "-D", ROOT, "-w", "admin", "-f"])
        .arg(at)
        .output()
        .expect("ldapmodify: install ldap-utils");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A person's entry.
pub fn person(uid: &str, number: &str, given: &str, family: &str) -> String {
    format!(
        "dn: uid={uid},ou=people,{SUFFIX}\nobjectClass: inetOrgPerson\nuid: {uid}\ncn: {given} {family}\nsn: {family}\n\
         givenName: {given}\ndisplayName: {given} {family}\nmail: {uid}@example.org\nemployeeNumber: {number}\n\
         userPassword: first-Password-{uid}\n\n"
    )
}

/// A group as a change.
pub fn group(name: &str, members: &[&str]) -> String {
    let members: String = members.iter().map(|uid| format!("member: uid={uid},ou=people,{SUFFIX}\n")).collect();
    format!("dn: cn={name},ou=groups,{SUFFIX}\nchangetype: add\nobjectClass: groupOfNames\ncn: {name}\n{members}\n")
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

pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

fn configuration(at: &Path) -> String {
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
access to dn.subtree="ou=groups,{SUFFIX}" attrs=member,uniqueMember,memberUid by dn.exact="{USHER}" write by users read
access to * by users read by anonymous auth
overlay ppolicy
ppolicy_default "cn=default,ou=policies,{SUFFIX}"
ppolicy_use_lockout
overlay memberof
memberof-dangling ignore
overlay refint
refint_attributes member owner manager
refint_nothing "cn=nobody,{SUFFIX}"
overlay lastbind
"#
    )
}

fn base() -> String {
    let mut ldif =
        format!("dn: {SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\no: Example\ndc: example\n\n");
    for place in ["people", "disabled", "groups", "services", "policies"] {
        ldif.push_str(&format!("dn: ou={place},{SUFFIX}\nobjectClass: organizationalUnit\nou: {place}\n\n"));
    }
    ldif.push_str(&format!(
        "dn: cn=default,ou=policies,{SUFFIX}\nobjectClass: person\nobjectClass: pwdPolicy\ncn: default\nsn: default\n\
         pwdAttribute: userPassword\npwdLockout: TRUE\npwdMaxFailure: 5\npwdMinLength: 8\npwdCheckQuality: 1\n\n\
         dn: {USHER}\nobjectClass: account\nobjectClass: simpleSecurityObject\nuid: usher\nuserPassword: {USHER_PASSWORD}\n\n"
    ));
    ldif
}
