//! A real SCIM server held to the suite of all connectors, by PATCH and by PUT.

use serde_json::{Value, json};
use usher::connectors::Connector;
use usher::workflow::ActionKind as A;

use super::connector;
use super::line::Line;
use super::server::Server;
use crate::conformance::{self, Case, Cut, Target, conforms, creates, lists};

struct Provider {
    server: Server,
    line: Line,
    connector: Connector,
    hired: usize,
}

impl Provider {
    async fn with(server: Server, more: &str) -> Self {
        let line = Line::to(server.port).await;
        let connector = connector(server.folder.path(), line.port, more);
        let boss = server.hire("boss", "1000").await;
        server.found("staff", &[&boss]).await;
        server.found("alumni", &[]).await;
        Self { server, line, connector, hired: 0 }
    }
}

impl Target for Provider {
    fn connector(&self) -> &Connector {
        &self.connector
    }

    /// Somebody new in a group. Whoever was made before is gone.
    async fn fresh(&mut self) -> String {
        for user in self.server.all("Users").await.iter().filter(|user| user["userName"] != "boss") {
            self.server.ask("DELETE", &format!("Users/{}", user["id"].as_str().expect("an id")), None).await;
        }
        self.hired += 1;
        let id = self.server.hire(&format!("ada{}", self.hired), "1005").await;
        for group in self.server.all("Groups").await {
            let kept: Vec<&Value> = group["members"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|_| group["displayName"] == "staff")
                .take(1)
                .collect();
            let mut whole = group.clone();
            whole["members"] = json!(kept);
            if group["displayName"] == "staff" {
                whole["members"].as_array_mut().expect("members").push(json!({ "value": id }));
            }
            let path = format!("Groups/{}", group["id"].as_str().expect("an id"));
            let (status, answer) = self.server.ask("PUT", &path, Some(&whole)).await;
            assert_eq!(status, 200, "{answer}");
        }
        id
    }

    async fn look(&self, account: &str) -> Value {
        if account.is_empty() || !account.chars().all(|sign| sign.is_ascii_alphanumeric()) {
            return Value::Null;
        }
        match self.server.ask("GET", &format!("Users/{account}"), None).await {
            (200, mut user) => {
                user["in"] = json!(self.server.groups_of(account).await);
                user
            }
            (404, _) => Value::Null,
            other => panic!("{other:?}"),
        }
    }

    /// Every resource with its version.
    async fn whole(&self) -> Value {
        let mut whole = serde_json::Map::new();
        for kind in ["Users", "Groups"] {
            for resource in self.server.all(kind).await {
                whole.insert(resource["id"].to_string(), resource["meta"]["version"].clone());
            }
        }
        whole.into()
    }

    async fn cut(&mut self, cut: Option<Cut>) {
        self.line.cut(cut);
    }
}

/// Passwords are not to be seen: that one was taken shows in the version.
fn written(now: &Value, before: &Value) -> bool {
    now["meta"]["version"] != before["meta"]["version"]
}

fn cases() -> Vec<Case> {
    let names = json!({ "family_name": "Keller-Brunner", "display_name": "Ada Keller-Brunner", "address": "ada.new" });
    vec![
        Case::new(A::AccountDisable, |now, _| now["active"] == false),
        Case::new(A::AccountEnable, |now, _| now["active"] == true).after(A::AccountDisable, json!({})),
        Case::new(A::PasswordRotate, written),
        Case::new(A::PasswordReset, written).with(json!({ "method": "set" })),
        Case::new(A::CredentialsSend, written).with(json!({ "method": "sealed" })),
        Case::new(A::AccessRemove, |now, _| {
            now["in"] == json!([]) && now["roles"].is_null() && now["entitlements"].is_null()
        }),
        Case::new(A::GroupsAdd, |now, _| now["in"] == json!(["alumni", "staff"])).with(json!({ "groups": ["alumni"] })),
        Case::new(A::GroupsSync, |now, _| now["in"] == json!(["alumni"])).with(json!({ "groups": ["Alumni"] })),
        Case::new(A::RoleSet, |now, _| now["roles"] == json!([{ "value": "viewer", "primary": true }]))
            .with(json!({ "role": "viewer" })),
        Case::new(A::AccountUpdate, |now, _| {
            now["name"]
                == json!({ "givenName": "Ada", "familyName": "Keller-Brunner", "formatted": "Ada Keller-Brunner" })
                && now["emails"][1] == json!({ "value": "ada.new@example.org", "type": "work", "primary": true })
                && now["emails"][0]["type"] == "home"
        })
        .with(names),
        Case::new(A::AccountDelete, |now, _| now["active"] == false),
        Case::new(A::AccountRestore, |now, _| now["active"] == false).only_looks().after(A::AccountDelete, json!({})),
        Case::new(A::AccountPurge, |now, _| now.is_null()).after(A::AccountDelete, json!({})),
        Case::new(A::VerifyNoAccess, |_, _| true).only_looks().after(A::AccountDisable, json!({})),
    ]
}

fn newcomer() -> Value {
    json!({ "login": "grace", "email": "grace@example.org", "given_name": "Grace", "family_name": "Meier",
        "display_name": "Grace Meier", "employee_number": "1026", "groups": ["staff"], "role": "editor", "enabled": true })
}

#[tokio::test]
async fn a_scim_server_conforms() {
    let mut target = Provider::with(Server::start().await, "").await;
    conforms(&mut target, &cases()).await;
}

#[tokio::test]
async fn a_scim_server_makes_and_lists_accounts() {
    let mut target = Provider::with(Server::start().await, "page = 2").await;
    creates(&mut target, newcomer()).await;
    lists(&mut target).await;
    for number in 0..7 {
        target.server.hire(&format!("more{number}"), &format!("20{number}")).await;
    }
    assert_eq!(conformance::accounts(&target.connector).await.len(), target.server.all("Users").await.len());
    let made = target.server.hire("who@example.org", "3000").await;
    let read = target.connector.read(&made).await.expect("a look").expect("the account");
    assert_eq!((read.login.as_str(), read.attributes["employee_number"].as_str()), ("who@example.org", Some("3000")));
    assert_eq!(read.attributes["email"], "who@example.org@example.org");
    assert_eq!((&read.attributes["role"], &read.attributes["given_name"]), (&json!("editor"), &json!("Ada")));
}

#[tokio::test]
async fn a_scim_server_without_patch_is_written_whole() {
    let mut target = Provider::with(Server::that_cannot(&["patch"]).await, "").await;
    let cases: Vec<Case> = cases()
        .into_iter()
        .map(|case| match case.action {
            // The whole resource has no place for what is cleared but null.
            A::AccessRemove => Case::new(A::AccessRemove, |now, _| {
                now["in"] == json!([])
                    && [&now["roles"], &now["entitlements"]]
                        .into_iter()
                        .all(|right| right.is_null() || *right == json!([]))
            }),
            _ => case,
        })
        .collect();
    target.line.requests();
    conforms(&mut target, &cases).await;
    creates(&mut target, newcomer()).await;
    let requests = target.line.requests();
    assert!(!requests.iter().any(|line| line.starts_with("PATCH ")), "it says that it knows none");
    assert!(requests.iter().any(|line| line.starts_with("PUT /v2/Groups/")));
}

#[tokio::test]
async fn a_scim_server_that_filters_nothing_is_read_whole() {
    let mut target = Provider::with(Server::that_cannot(&["filter"]).await, "").await;
    creates(&mut target, newcomer()).await;
    let id = target.fresh().await;
    target.line.requests();
    for (action, with) in [(A::GroupsSync, json!({ "groups": ["alumni"] })), (A::AccessRemove, json!({}))] {
        let call = conformance::call(action, &with, Some(&id), "run_1/x", 1);
        target.connector.perform(&call).await.unwrap_or_else(|why| panic!("{action}: {why:?}"));
    }
    assert_eq!(target.server.groups_of(&id).await, [""; 0]);
    assert!(!target.line.requests().iter().any(|line| line.contains("filter=")), "it says that it knows none");
}

#[tokio::test]
async fn a_scim_server_says_what_it_can() {
    let target = Provider::with(Server::start().await, "").await;
    let reach = target.connector.test().await;
    assert!(reach.ok, "{reach:?}");
    let all = reach.findings.join("\n");
    for part in [
        "answers to a token",
        "patch, filter, etag",
        "it cannot bulk, cursor pages",
        "`rfc7644`",
        "accounts can be read",
        "the groups of an account are found by a filter (members.value eq \"…\")",
        "account.delete with a limit",
    ] {
        assert!(all.contains(part), "{part}: {all}");
    }
    let other = Provider::with(Server::that_cannot(&["changePassword"]).await, "").await;
    let reach = other.connector.test().await;
    assert!(!reach.ok && reach.findings.join("\n").contains("lacks = [\"password\"]"), "{reach:?}");
    let id = other.server.hire("ada", "1005").await;
    let call = conformance::call(A::PasswordRotate, &Value::Null, Some(&id), "run_1/x", 1);
    let refused = conformance::perform(&other.connector, &call).await.unwrap_err();
    assert!(refused.to_string().contains("lacks = [\"password\"]"), "{refused}");
}
