//! Active Directory's protocol, by Samba's domain controller: as root only, on a loopback address of its own, because its ports
//! are fixed.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, Scope, SearchEntry};
use serde_json::{Value, json};
use usher::connectors::ldap::{LdapSettings, LdapSystem, Mark, Profile, Security};
use usher::connectors::{ActionError, Connector};
use usher::run::{AccountStatus, Evidence};
use usher::secret::{Secret, SecretRef};
use usher::workflow::ActionKind as A;

use super::certificates;
use crate::conformance::{accounts, call};

const BASE: &str = "DC=corp,DC=example,DC=org";
const ADMINISTRATOR: &str = "Administrator@CORP.EXAMPLE.ORG";
const PASSWORD: &str = "Adm1n-Pass!";

struct Domain {
    server: Child,
    address: String,
    folder: tempfile::TempDir,
}

impl Drop for Domain {
    fn drop(&mut self) {
        // Samba's helpers are in its group of processes.
        let group = format!("-{}", self.server.id());
        Command::new("kill").args(["-KILL", "--", &group]).status().ok();
        self.server.wait().ok();
    }
}

impl Domain {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path();
        provision(at);
        let address = free_address();
        certificates(at, &[&address]);
        for folder in ["run/ncalrpc", "cache", "wb"] {
            std::fs::create_dir_all(at.join(folder)).expect("a folder");
        }
        let private = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode;
        std::fs::set_permissions(at.join("wb"), private(0o750)).expect("sets");
        std::fs::set_permissions(at.join("key.pem"), private(0o600)).expect("sets");
        std::fs::write(at.join("smb.conf"), configuration(at, &address)).expect("writes");
        std::fs::write(at.join("password"), PASSWORD).expect("writes");
        let log = std::fs::File::create(at.join("samba.log")).expect("a log");
        let server = Command::new("samba")
            .arg("-s")
            .arg(at.join("smb.conf"))
            .args(["-F", "--no-process-group", "--debug-stdout", "-M", "single"])
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("samba");
        let domain = Self { server, address, folder };
        let began = Instant::now();
        while domain.try_sign_in(ADMINISTRATOR, PASSWORD).await.is_none() {
            let log = || std::fs::read_to_string(domain.folder.path().join("samba.log")).unwrap_or_default();
            assert!(began.elapsed() < Duration::from_secs(60), "samba does not start: {}", log());
            usher::clock::pause(Duration::from_millis(100)).await;
        }
        domain
    }

    fn settings(&self) -> LdapSettings {
        LdapSettings {
            profile: Profile::ActiveDirectory,
            url: format!("ldaps://{}", self.address),
            security: Security::Tls,
            ca: Some(self.folder.path().join("ca.pem")),
            user: ADMINISTRATOR.to_owned(),
            password: SecretRef::File(self.folder.path().join("password")),
            base: BASE.to_owned(),
            people: BASE.to_owned(),
            groups: BASE.to_owned(),
            deleted: Some(format!("OU=Disabled,{BASE}")),
            filter: Profile::ActiveDirectory.filter().to_owned(),
            login: Profile::ActiveDirectory.login().to_owned(),
            employee_number: "employeeNumber".to_owned(),
            hidden: Some(Mark { attribute: "businessCategory".to_owned(), value: "hidden".to_owned() }),
            policy: None,
            administrators: None,
            placeholder: None,
            domain: "corp.example.org".to_owned(),
            page: 3,
            timeout: Duration::from_secs(20),
        }
    }

    /// What a sign-in ends with: a code, and the server's words.
    async fn try_sign_in(&self, user: &str, password: &str) -> Option<(Ldap, u32, String)> {
        let settings = LdapConnSettings::new().set_no_tls_verify(true).set_conn_timeout(Duration::from_secs(5));
        rustls::crypto::ring::default_provider().install_default().ok();
        let (connection, mut ldap) =
            LdapConnAsync::with_settings(settings, &format!("ldaps://{}", self.address)).await.ok()?;
        ldap3::drive!(connection);
        let answer = ldap.simple_bind(user, password).await.ok()?;
        Some((ldap, answer.rc, answer.text))
    }

    async fn sign_in(&self, user: &str, password: &str) -> (u32, String) {
        let (_, code, words) = self.try_sign_in(user, password).await.expect("an answer");
        (code, words)
    }

    async fn add(&self, dn: &str, attributes: &[(&str, &str)]) {
        let (mut ldap, ..) = self.try_sign_in(ADMINISTRATOR, PASSWORD).await.expect("an answer");
        let attributes = attributes.iter().map(|(name, value)| (*name, std::collections::HashSet::from([*value])));
        ldap.add(dn, attributes.collect()).await.expect("an answer").success().expect("adds");
    }

    async fn entry(&self, filter: &str) -> Option<SearchEntry> {
        let (mut ldap, ..) = self.try_sign_in(ADMINISTRATOR, PASSWORD).await.expect("an answer");
        let found =
            ldap.search(BASE, Scope::Subtree, filter, vec!["*"]).await.expect("a search").success().expect("finds");
        found
            .0
            .into_iter()
            .filter(|entry| !entry.is_ref())
            .map(SearchEntry::construct)
            .find(|entry| !entry.dn.is_empty())
    }
}

/// Makes a domain: some seconds.
fn provision(at: &Path) {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    assert!(
        is_root,
        "Samba's domain controller runs as root only: run this test as root, or leave it out with USHER_TEST_SAMBA=no"
    );
    let made = Command::new("samba-tool")
        .args(["domain", "provision", "--server-role=dc", "--realm=CORP.EXAMPLE.ORG", "--domain=CORP"])
        .arg(format!("--adminpass={PASSWORD}"))
        .arg(format!("--targetdir={}", at.display()))
        .args([
            "--use-rfc2307",
            "--dns-backend=NONE",
            "--host-name=dc1",
            "--host-ip=127.0.0.1",
            "--option=interfaces=lo",
        ])
        .args(["--option=bind interfaces only=yes", "--option=ldb:nosync=true"])
        .arg("--option=vfs objects=dfs_samba4 acl_xattr xattr_tdb")
        .output();
    let install = "install Samba's domain controller (Debian: apt-get install samba samba-ad-dc samba-ad-provision \
                   samba-dsdb-modules python3-samba ldb-tools winbind samba-vfs-modules)";
    let made = made.unwrap_or_else(|why| panic!("samba-tool: {why}; {install}"));
    assert!(made.status.success(), "{}; {install}", String::from_utf8_lossy(&made.stderr));
}

fn free_address() -> String {
    let free = |address: &String| {
        [389, 636, 3268, 3269].iter().all(|port| std::net::TcpListener::bind((address.as_str(), *port)).is_ok())
    };
    let process = std::process::id();
    let candidates = (0..200).map(|n| format!("127.{}.{}.{}", 60 + n % 60, process / 250 % 250, 1 + process % 250));
    let mut free = candidates.filter(free);
    free.next().expect("a free loopback address")
}

fn configuration(at: &Path, address: &str) -> String {
    let path = |name: &str| -> PathBuf { at.join(name) };
    let lines = [
        ("private dir", path("private")),
        ("state directory", path("state")),
        ("cache directory", path("cache")),
        ("lock directory", at.to_owned()),
        ("pid directory", path("run")),
        ("ncalrpc dir", path("run/ncalrpc")),
        ("binddns dir", path("bind-dns")),
        ("winbindd socket directory", path("wb")),
        ("log file", path("log.samba")),
        ("tls keyfile", path("key.pem")),
        ("tls certfile", path("cert.pem")),
        ("xattr_tdb:file", path("state/xattr.tdb")),
    ];
    let paths: String = lines.iter().map(|(key, path)| format!(" {key} = {}\n", path.display())).collect();
    format!(
        "[global]\n netbios name = DC1\n realm = CORP.EXAMPLE.ORG\n workgroup = CORP\n server role = active directory domain controller\n \
         server services = ldap\n interfaces = {address}/8\n bind interfaces only = yes\n usershare path =\n log level = 1\n \
         ldap server require strong auth = yes\n tls enabled = yes\n tls cafile =\n vfs objects = dfs_samba4 acl_xattr xattr_tdb\n \
         idmap_ldb:use rfc2307 = yes\n ldb:nosync = true\n{paths}"
    )
}

/// usher in a domain, and one account in it.
struct House {
    domain: Domain,
    system: Connector,
    id: String,
}

const FIRST: &str = "First-Password-1";
const NEW: &str = "New-Password-0815";
const USER: &str = "grace@corp.example.org";

impl House {
    async fn does(&self, action: A, with: Value) -> Result<Evidence, ActionError> {
        let call = call(action, &with, Some(&self.id), "run_1/x", 1);
        match action {
            A::PasswordRotate => self.system.perform_with(&call, &Secret::new(NEW)).await,
            _ => self.system.perform(&call).await,
        }
    }

    async fn done(&self, action: A, with: Value) -> String {
        self.does(action, with).await.unwrap_or_else(|why| panic!("{action}: {why}")).detail
    }

    /// The server says why it refuses: 52e a wrong password, 533 a disabled account.
    async fn is_refused(&self, password: &str, data: &str) {
        let (code, words) = self.domain.sign_in(USER, password).await;
        assert!(code == 49 && words.contains(&format!("data {data}")), "{code} {words}");
    }
}

#[tokio::test]
async fn a_leavers_way_through_active_directory() {
    if std::env::var("USHER_TEST_SAMBA").is_ok_and(|word| word == "no") {
        return;
    }
    let house = joins(Domain::start().await).await;
    is_closed_and_opened(&house).await;
    gets_another_password(&house).await;
    loses_groups(&house).await;
    changes_name(&house).await;
    is_deleted_restored_and_purged(&house).await;
    administrators_are_known(&house).await;
}

async fn joins(domain: Domain) -> House {
    for place in ["Staff", "Disabled"] {
        domain.add(&format!("OU={place},{BASE}"), &[("objectClass", "organizationalUnit")]).await;
    }
    for group in ["Eng", "Sales, EMEA"] {
        let dn = format!("CN={},OU=Staff,{BASE}", ldap3::dn_escape(group));
        domain
            .add(&dn, &[("objectClass", "group"), ("sAMAccountName", group.split(',').next().expect("a name"))])
            .await;
    }
    let mut own = domain.settings();
    own.people = format!("OU=Staff,{BASE}");
    let system = Connector::Ldap(Box::new(LdapSystem::new("corp", own)));
    let with = |login: &str, number: &str| {
        json!({ "login": login, "email": format!("{login}@example.org"), "given_name": "Grace", "family_name": "Meier",
            "display_name": "Grace Meier", "employee_number": number, "enabled": true, "groups": ["Eng", "Sales, EMEA"] })
    };
    let create = call(A::AccountCreate, &with("grace", "1026"), None, "run_1/create", 1);
    for _ in 0..2 {
        system.perform_with(&create, &Secret::new(FIRST)).await.expect("creates");
    }
    let made = system.made(&create).await.expect("a look").expect("made");
    assert_eq!((made.login.as_str(), made.status), ("grace", AccountStatus::Enabled));
    assert_eq!(made.attributes["groups"], json!(["Eng", "Sales, EMEA"]));
    assert_eq!(domain.sign_in(USER, FIRST).await.0, 0);
    let namesake = call(A::AccountCreate, &with("grace2", "1027"), None, "run_2/create", 1);
    system.perform_with(&namesake, &Secret::new(FIRST)).await.expect("somebody of the same name");
    let taken = call(A::AccountCreate, &with("grace", "1028"), None, "run_3/create", 1);
    assert!(matches!(system.perform_with(&taken, &Secret::new(FIRST)).await, Err(ActionError::Fail { .. })));
    let long = call(A::AccountCreate, &with("a-name-of-more-than-twenty-signs", "1029"), None, "run_4/create", 1);
    let refused = system.perform_with(&long, &Secret::new(FIRST)).await;
    assert!(matches!(&refused, Err(ActionError::Fail { reason }) if reason.contains("sign_in")), "{refused:?}");
    assert_eq!(accounts(&system).await.len(), 2);
    let id = made.external_id.clone();
    let read = system.read(&id).await.expect("reads").expect("grace");
    assert!(read.last_sign_in.is_some(), "she has signed in since");
    House { domain, system, id }
}

async fn is_closed_and_opened(house: &House) {
    house.done(A::AccountDisable, json!({})).await;
    house.is_refused(FIRST, "533").await;
    house.done(A::VerifyNoAccess, json!({})).await;
    house.done(A::AccountEnable, json!({})).await;
    assert_eq!(house.domain.sign_in(USER, FIRST).await.0, 0);
}

async fn gets_another_password(house: &House) {
    house.done(A::PasswordRotate, json!({})).await;
    assert_eq!(house.domain.sign_in(USER, NEW).await.0, 0);
    // Samba, too, lets in the one before the last for an hour: that is one nobody knows.
    house.is_refused(FIRST, "52e").await;
    let weak = call(A::PasswordRotate, &json!({}), Some(&house.id), "k", 1);
    let weak = house.system.perform_with(&weak, &Secret::new("abc")).await;
    assert!(matches!(&weak, Err(ActionError::Fail { reason }) if reason.contains("0000052D")), "{weak:?}");
    house.done(A::AccountDisable, json!({})).await;
    let said = house.done(A::PasswordRotate, json!({})).await;
    assert!(said.contains("a sign-in with it is refused"), "{said}");
    house.is_refused(NEW, "533").await;
}

async fn loses_groups(house: &House) {
    let said = house.done(A::AccessRemove, json!({})).await;
    assert!(said.contains("taken out of Eng, Sales, EMEA"), "{said}");
    assert_eq!(house.done(A::AccessRemove, json!({})).await, "in no groups");
    house.done(A::GroupsAdd, json!({ "groups": ["eng"] })).await;
    house.done(A::GroupsSync, json!({ "groups": ["Sales, EMEA"] })).await;
    let grace = house.domain.entry("(sAMAccountName=grace)").await.expect("grace");
    assert_eq!(grace.attrs["memberOf"], [format!("CN=Sales\\, EMEA,OU=Staff,{BASE}")]);
}

async fn changes_name(house: &House) {
    house.done(A::AccountUpdate, json!({ "family_name": "Meier-Kunz", "address": "grace.new" })).await;
    let grace = house.domain.entry("(sAMAccountName=grace)").await.expect("grace");
    assert_eq!(
        (grace.attrs["sn"][0].as_str(), grace.attrs["mail"][0].as_str()),
        ("Meier-Kunz", "grace.new@example.org")
    );
}

async fn is_deleted_restored_and_purged(house: &House) {
    let status = async || house.system.read(&house.id).await.expect("reads").map(|account| account.status);
    assert!(matches!(house.does(A::AccountPurge, json!({})).await, Err(ActionError::Fail { .. })), "delete it first");
    house.done(A::AccountDelete, json!({})).await;
    assert_eq!(status().await, Some(AccountStatus::Deleted));
    let grace = house.domain.entry("(sAMAccountName=grace)").await.expect("grace");
    assert!(grace.dn.ends_with(&format!("OU=Disabled,{BASE}")), "{}", grace.dn);
    house.done(A::AccountRestore, json!({})).await;
    assert_eq!(status().await, Some(AccountStatus::Disabled));
    house.done(A::AccountDelete, json!({})).await;
    house.done(A::AccountPurge, json!({})).await;
    assert_eq!(status().await, None);
    assert!(house.domain.entry("(sAMAccountName=grace)").await.is_none());
    house.done(A::AccountPurge, json!({})).await;
    let gone = house.does(A::AccountDisable, json!({})).await;
    assert!(matches!(gone, Err(ActionError::Fail { .. })), "{gone:?}");
}

/// The domain's administrators are found by their group's id, whatever it is called.
async fn administrators_are_known(house: &House) {
    let system = Connector::Ldap(Box::new(LdapSystem::new("corp", house.domain.settings())));
    let all = accounts(&system).await;
    let administrator = all.iter().find(|account| account.login == "Administrator").expect("the administrator");
    assert_eq!(administrator.attributes["role"], "administrator");
    assert_eq!(all.iter().filter(|account| account.attributes.contains_key("role")).count(), 1);
    let reach = system.test().await;
    assert!(reach.ok, "{reach:?}");
    let own = call(A::AccountDisable, &json!({}), Some(&administrator.external_id), "k", 1);
    let own = system.perform(&own).await;
    assert!(matches!(&own, Err(ActionError::Fail { reason }) if reason.contains("usher signs in")), "{own:?}");
    let last = system.last_of_its_kind(&administrator.external_id, None).await.expect("reads");
    assert_eq!(last.as_deref(), Some("it is the last administrator of corp"));
}
