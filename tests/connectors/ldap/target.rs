//! A directory held to the suite of all connectors.

use serde_json::{Value, json};
use usher::connectors::Connector;
use usher::connectors::ldap::LdapSystem;
use usher::workflow::ActionKind as A;

use super::line::{Line, Where};
use super::settings;
use super::slapd::{SUFFIX, Slapd, group, person};
use crate::conformance::{Case, Cut, Target, conforms, creates, lists};

pub struct Directory {
    pub server: Slapd,
    pub line: Line,
    connector: Connector,
    made: usize,
}

impl Directory {
    pub async fn start() -> Self {
        let server = Slapd::start(&person("boss", "1000", "Berta", "Brunner")).await;
        server.change(&format!("{}{}", group("staff", &["boss"]), group("alumni", &["boss"])));
        let line = Line::to(server.port).await;
        let mut own = settings(&server);
        own.url = format!("ldap://127.0.0.1:{}", line.port);
        let connector = Connector::Ldap(Box::new(LdapSystem::new("directory", own)));
        Self { server, line, connector, made: 0 }
    }
}

impl Target for Directory {
    fn connector(&self) -> &Connector {
        &self.connector
    }

    /// Somebody new in a group. Whoever was made before is gone.
    async fn fresh(&mut self) -> String {
        let mut admin = self.server.admin().await;
        for place in ["people", "disabled"] {
            for entry in self.server.entries(&format!("ou={place},{SUFFIX}"), "(&(uid=*)(!(uid=boss)))").await {
                admin.delete(&entry.dn).await.expect("an answer").success().expect("deletes");
            }
        }
        self.made += 1;
        let uid = format!("ada{}", self.made);
        let added = person(&uid, "1005", "Ada", "Keller").replacen('\n', "\nchangetype: add\n", 1);
        let dn = format!("uid={uid},ou=people,{SUFFIX}");
        let join =
            |name: &str| format!("dn: cn={name},ou=groups,{SUFFIX}\nchangetype: modify\nadd: member\nmember: {dn}\n\n");
        self.server.change(&format!("{added}{}", join("staff")));
        self.server.id(&uid).await
    }

    async fn look(&self, account: &str) -> Value {
        let Some(entry) = self.server.entry(account).await else { return Value::Null };
        let groups = self.server.entries(&format!("ou=groups,{SUFFIX}"), &format!("(member={})", entry.dn)).await;
        let mut groups: Vec<&str> = groups.iter().map(|group| group.attrs["cn"][0].as_str()).collect();
        groups.sort_unstable();
        let place = entry.dn.split_once(',').map(|(_, place)| place);
        json!({ "place": place, "groups": groups, "locked": entry.attrs.get("pwdAccountLockedTime"),
            "password": entry.attrs.get("userPassword"),
            "kind": entry.attrs.get("employeeType"), "family_name": entry.attrs.get("sn"), "mail": entry.attrs.get("mail") })
    }

    /// Every entry with its change number; sign-ins write into that of usher's own user.
    async fn whole(&self) -> Value {
        let entries = self.server.entries(SUFFIX, "(objectClass=*)").await;
        let entries = entries.iter().filter(|entry| !entry.dn.contains("ou=services"));
        entries
            .map(|entry| (entry.dn.clone(), json!(entry.attrs["entryCSN"])))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }

    async fn cut(&mut self, cut: Option<Cut>) {
        self.line.cut(Where::from(cut));
    }
}

fn locked(now: &Value) -> bool {
    now["locked"] == json!(["000001010000Z"])
}

fn at(now: &Value, place: &str) -> bool {
    now["place"] == format!("ou={place},{SUFFIX}")
}

fn cases() -> Vec<Case> {
    vec![
        Case::new(A::AccountDisable, |now, _| locked(now)),
        Case::new(A::AccountEnable, |now, _| !locked(now)).after(A::AccountDisable, json!({})),
        Case::new(A::PasswordRotate, |now, before| now["password"] != before["password"]),
        Case::new(A::PasswordReset, |now, before| now["password"] != before["password"])
            .with(json!({ "method": "set" })),
        Case::new(A::CredentialsSend, |now, before| now["password"] != before["password"])
            .with(json!({ "method": "sealed" })),
        Case::new(A::AccessRemove, |now, _| now["groups"] == json!([])),
        Case::new(A::GroupsAdd, |now, _| now["groups"] == json!(["alumni", "staff"]))
            .with(json!({ "groups": ["alumni"] })),
        Case::new(A::GroupsSync, |now, _| now["groups"] == json!(["alumni"])).with(json!({ "groups": ["alumni"] })),
        Case::new(A::DirectoryHide, |now, _| now["kind"] == json!(["hidden"])),
        Case::new(A::DirectoryShow, |now, _| now["kind"].is_null()).after(A::DirectoryHide, json!({})),
        Case::new(A::AccountUpdate, |now, _| now["family_name"] == json!(["Keller-Brunner"])).with(
            json!({ "family_name": "Keller-Brunner", "display_name": "Ada Keller-Brunner", "address": "ada.new" }),
        ),
        Case::new(A::AccountDelete, |now, _| locked(now) && at(now, "disabled") && now["kind"] == json!(["hidden"])),
        Case::new(A::AccountRestore, |now, _| locked(now) && at(now, "people") && now["kind"].is_null())
            .after(A::AccountDelete, json!({})),
        Case::new(A::AccountPurge, |now, _| now.is_null()).after(A::AccountDelete, json!({})),
        Case::new(A::VerifyNoAccess, |_, _| true).only_looks().after(A::AccountDisable, json!({})),
    ]
}

#[tokio::test]
async fn openldap_conforms() {
    let mut target = Directory::start().await;
    conforms(&mut target, &cases()).await;
}

#[tokio::test]
async fn openldap_makes_and_lists_accounts() {
    let mut target = Directory::start().await;
    let with = json!({ "login": "grace", "email": "grace@example.org", "given_name": "Grace", "family_name": "Meier",
        "display_name": "Grace Meier", "employee_number": "1026", "groups": ["staff"], "enabled": true });
    creates(&mut target, with).await;
    lists(&mut target).await;
}
