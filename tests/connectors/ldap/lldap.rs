//! lldap, as its source has it: read whole, found by id, and given passwords, which are all that shuts anybody out there.

use serde_json::{Value, json};
use tempfile::TempDir;
use usher::connectors::ldap::{LdapSettings, LdapSystem, Profile, Security};
use usher::connectors::{ActionError, Connector};
use usher::run::{AccountStatus, Capability};
use usher::secret::{Secret, SecretRef};
use usher::workflow::ActionKind as A;

use super::line::{Line, Where};
use super::outside::SUFFIX;
use super::stand_in::StandIn;
use crate::conformance::{Case, Cut, Target, accounts, call, conforms, lists};

const NEW: &str = "new-Password-0815";

struct Lldap {
    server: StandIn,
    line: Line,
    connector: Connector,
    _folder: TempDir,
}

impl Lldap {
    /// usher's user is in this group.
    async fn start(group: &str) -> Self {
        let server = StandIn::start(group).await;
        let line = Line::to(server.port).await;
        let folder = tempfile::tempdir().expect("a folder");
        let password = folder.path().join("password");
        std::fs::write(&password, "usher-Password-1").expect("writes");
        let settings = LdapSettings {
            profile: Profile::Lldap,
            url: format!("ldap://127.0.0.1:{}", line.port),
            security: Security::None,
            ca: None,
            user: format!("uid=usher,ou=people,{SUFFIX}"),
            password: SecretRef::File(password),
            base: SUFFIX.to_owned(),
            people: format!("ou=people,{SUFFIX}"),
            groups: format!("ou=groups,{SUFFIX}"),
            deleted: None,
            filter: Profile::Lldap.filter().to_owned(),
            login: "uid".to_owned(),
            employee_number: "employeeNumber".to_owned(),
            hidden: None,
            policy: None,
            administrators: Some(format!("cn=lldap_admin,ou=groups,{SUFFIX}")),
            placeholder: None,
            domain: "example.org".to_owned(),
            page: 500,
            timeout: std::time::Duration::from_secs(10),
        };
        let connector = Connector::Ldap(Box::new(LdapSystem::new("people", settings)));
        Self { server, line, connector, _folder: folder }
    }

    /// The password that an account has now.
    fn password(&self, uuid: &str) -> Option<String> {
        let state = self.server.state();
        state.users.values().find(|user| user.uuid == uuid).map(|user| user.password.clone())
    }

    async fn rotate(&self, id: &str) -> Result<String, ActionError> {
        let rotate = call(A::PasswordRotate, &json!({}), Some(id), "run_1/rotate", 1);
        self.connector.perform_with(&rotate, &Secret::new(NEW)).await.map(|evidence| evidence.detail)
    }
}

impl Target for Lldap {
    fn connector(&self) -> &Connector {
        &self.connector
    }

    async fn fresh(&mut self) -> String {
        let uid = format!("ada{}", self.server.state().users.len());
        let id = self.server.add(&uid, "first-Password-ada", Some("1005"));
        self.server.join(&uid, "staff");
        id
    }

    async fn look(&self, account: &str) -> Value {
        self.password(account).map_or(Value::Null, |password| json!({ "password": password }))
    }

    async fn whole(&self) -> Value {
        let state = self.server.state();
        let users: Vec<_> = state.users.iter().map(|(uid, user)| json!([uid, user.password, user.version])).collect();
        json!([users, state.groups])
    }

    async fn cut(&mut self, cut: Option<Cut>) {
        self.line.cut(Where::from(cut));
    }
}

#[tokio::test]
async fn lldap_conforms() {
    let another = |now: &Value, before: &Value| now["password"] != before["password"];
    let cases = [
        Case::new(A::PasswordRotate, another),
        Case::new(A::PasswordReset, another).with(json!({ "method": "set" })),
        Case::new(A::CredentialsSend, another).with(json!({ "method": "sealed" })),
    ];
    let mut target = Lldap::start("lldap_password_manager").await;
    conforms(&mut target, &cases).await;
    lists(&mut target).await;
}

#[tokio::test]
async fn a_new_password_is_what_shuts_somebody_out_and_is_tried() {
    let at = Lldap::start("lldap_password_manager").await;
    let ada = at.server.add("ada", "first-Password-ada", Some("1005"));
    let said = at.rotate(&ada).await.expect("rotates");
    assert!(said.contains("password set, 20260101010001Z"), "{said}");
    assert!(said.contains("it signs in, and whoever knew the one before is refused"), "{said}");
    assert_eq!(at.password(&ada).as_deref(), Some(NEW));
    let found = at.connector.read(&ada).await.expect("reads").expect("ada");
    assert_eq!((found.status, found.login.as_str()), (AccountStatus::Enabled, "ada"), "there is no lock to be seen");
    assert_eq!(found.attributes["employee_number"], "1005");

    // Those who administer are out of reach for who only manages passwords, and usher's own is nobody's to change.
    let boss = at.server.add("boss", "first-Password-boss", None);
    at.server.join("boss", "lldap_admin");
    let refused = at.rotate(&boss).await;
    let told = "cannot modify the password of user `boss`";
    assert!(matches!(&refused, Err(ActionError::Fail { reason }) if reason.contains(told)), "{refused:?}");
    assert_eq!(at.password(&boss).as_deref(), Some("first-Password-boss"));
    let own = at.server.state().users["usher"].uuid.clone();
    let refused = at.rotate(&own).await;
    assert!(matches!(&refused, Err(ActionError::Fail { reason }) if reason.contains("signs in")), "{refused:?}");
    assert_eq!(at.connector.read(&boss).await.expect("reads").expect("boss").attributes["role"], "administrator");
}

#[tokio::test]
async fn a_list_that_has_no_pages_is_read_whole() {
    let at = Lldap::start("lldap_strict_readonly").await;
    for number in 1..=1200 {
        at.server.add(&format!("p{number}"), "first-Password", None);
    }
    assert_eq!(accounts(&at.connector).await.len(), 1201, "more than any page has");
    // What it does not know, it writes into its log for each account: no locks of other servers are asked for.
    let unknown: Vec<String> = at.server.state().unknown.into_iter().collect();
    assert_eq!(unknown, ["department", "manager"]);
}

#[tokio::test]
async fn what_is_done_on_its_pages_only_is_said_before() {
    let at = Lldap::start("lldap_password_manager").await;
    for (action, what) in [
        (A::AccessRemove, "Take the user out of their groups"),
        (A::GroupsSync, "Put the user into the groups"),
        (A::AccountUpdate, "Correct the user's names"),
        (A::AccountCreate, "Create the user"),
        (A::AccountDelete, "Delete the user"),
    ] {
        let answer = at.connector.capability(action, None);
        assert!(matches!(&answer, Capability::Manual(told) if told.contains(what)), "{action}: {answer:?}");
    }
    // A person who had to confirm a lock that is none would keep the new password waiting.
    for action in [A::AccountDisable, A::AccountEnable, A::VerifyNoAccess] {
        let answer = at.connector.capability(action, None);
        assert!(matches!(&answer, Capability::Unsupported(why) if why.contains("no lock")), "{action}: {answer:?}");
    }
    let answer = at.connector.capability(A::PasswordRotate, None);
    assert!(matches!(&answer, Capability::Degraded(why) if why.contains("mails password resets")), "{answer:?}");
}

#[tokio::test]
async fn rights_follow_from_ushers_own_groups() {
    for (group, well, named) in [
        ("lldap_admin", true, "those of administrators too"),
        ("lldap_password_manager", true, "except those of administrators"),
        ("lldap_strict_readonly", false, "put it into `lldap_password_manager`"),
        // Whoever is in none of them sees nobody but themselves.
        ("staff", false, "of accounts may not be read"),
    ] {
        let at = Lldap::start(group).await;
        at.server.add("boss", "first-Password-boss", None);
        at.server.join("boss", "lldap_admin");
        at.server.add("ada", "first-Password-ada", Some("1005"));
        let reach = at.connector.test().await;
        assert_eq!(reach.ok, well, "{group}: {reach:?}");
        assert!(reach.findings.iter().any(|line| line.contains(named)), "{group}: {reach:?}");
        assert!(reach.findings.iter().any(|line| line.contains("access.remove by hand")), "{group}: {reach:?}");
    }
}
