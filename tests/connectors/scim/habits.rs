//! What providers do each in its own way, and what goes wrong with them.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use usher::connectors::{ActionError, Connector, Observation};
use usher::run::{Account, AccountStatus, EvidenceKind};
use usher::workflow::ActionKind as A;

use super::product::{Answer, Habit, Product};
use super::{TOKEN, connector, connector_at};
use crate::conformance::{accounts, call, perform};
use crate::tls::{HERE, TlsListener, authority};

struct Office {
    product: Product,
    connector: Connector,
    _folder: tempfile::TempDir,
}

impl Office {
    async fn of(habits: &[Habit], more: &str) -> Self {
        let product = Product::of(habits).await;
        let folder = tempfile::tempdir().expect("a folder");
        let connector = connector(folder.path(), product.port, more);
        product.hire("u-1", "ada", &["staff", "sales"]);
        product.hire("u-2", "berta", &["staff"]);
        Self { product, connector, _folder: folder }
    }

    async fn does(&self, action: A, with: Value) -> Result<usher::run::Evidence, ActionError> {
        perform(&self.connector, &call(action, &with, Some("u-1"), &format!("run_1/{action}"), 1)).await
    }
}

fn refused(status: u16, detail: &str) -> Answer {
    (status, Vec::new(), json!({ "detail": detail }).to_string())
}

#[tokio::test]
async fn every_dialect_closes_renames_and_takes_out_of_groups() {
    for (habits, more, said) in [
        (&[][..], "", "replace"),
        (&[Habit::Entra][..], "dialect = \"entra\"", "Replace"),
        (&[Habit::Okta][..], "dialect = \"okta\"", "replace"),
        (&[Habit::NoPatch][..], "dialect = \"put\"", ""),
        (&[Habit::Entra, Habit::TextFlags][..], "dialect = \"entra\"", "Replace"),
    ] {
        let office = Office::of(habits, more).await;
        let evidence = office.does(A::AccountDisable, json!({})).await.unwrap_or_else(|why| panic!("{more}: {why:?}"));
        assert_eq!(evidence.kind, EvidenceKind::ReadBack);
        assert_eq!(office.product.user("u-1")["active"], false, "{more}");
        let asked = office.product.seen().into_iter().rfind(|seen| seen.method != "GET").expect("a change");
        assert_eq!(asked.headers["authorization"], format!("Bearer {TOKEN}"));
        assert_eq!(
            (asked.headers["content-type"].as_str(), asked.headers["if-match"].as_str()),
            ("application/scim+json", "W/\"1\"")
        );
        assert_eq!(asked.body["Operations"][0]["op"].as_str().unwrap_or_default(), said, "{more}");
        office
            .does(A::AccountUpdate, json!({ "display_name": "Ada K." }))
            .await
            .unwrap_or_else(|why| panic!("{more}: {why:?}"));
        assert_eq!(office.product.user("u-1")["displayName"], "Ada K.", "{more}");
        let evidence = office.does(A::AccessRemove, json!({})).await.unwrap_or_else(|why| panic!("{more}: {why:?}"));
        assert_eq!(evidence.detail, "in no groups; taken out of sales, staff", "{more}");
        let staff = office.product.group("staff");
        assert_eq!((&staff["members"], &staff["owner"]), (&json!([{ "value": "u-2" }]), &json!("somebody")), "{more}");
        office.does(A::GroupsAdd, json!({ "groups": ["sales"] })).await.unwrap_or_else(|why| panic!("{more}: {why:?}"));
        assert_eq!(office.product.group("sales")["members"], json!([{ "value": "u-1" }]), "{more}");
    }
}

#[tokio::test]
async fn a_provider_without_patch_says_how_it_wants_to_be_told() {
    let office = Office::of(&[Habit::NoPatch], "").await;
    let Err(ActionError::Fail { reason }) = office.does(A::AccountDisable, json!({})).await else {
        panic!("a failure")
    };
    assert!(reason.contains("PATCH is not implemented") && reason.contains("`dialect = \"put\"`"), "{reason}");
}

#[tokio::test]
async fn lists_are_whole_whatever_a_provider_says_of_their_length() {
    for habits in [
        &[][..],
        &[Habit::Caps],
        &[Habit::Caps, Habit::Understates],
        &[Habit::Caps, Habit::StrictStart],
        &[Habit::Unpaged],
        &[Habit::Cursors],
        &[Habit::Cursors, Habit::Caps],
        &[Habit::Silent, Habit::Caps],
    ] {
        let office = Office::of(habits, "page = 3").await;
        for number in 3..9 {
            office.product.hire(&format!("u-{number}"), &format!("person{number}"), &[]);
        }
        let all: Vec<Account> = accounts(&office.connector).await;
        let ids: BTreeSet<&str> = all.iter().map(|account| account.external_id.as_str()).collect();
        assert_eq!((all.len(), ids.len()), (8, 8), "{habits:?}");
        let by_cursor = office.product.seen().iter().any(|seen| seen.path.contains("cursor="));
        assert_eq!(by_cursor, habits.contains(&Habit::Cursors), "{habits:?}");
    }
    let office = Office::of(&[Habit::Overstates, Habit::Caps], "").await;
    let first = office.connector.accounts(None).await.expect("a page");
    let Err(ActionError::Retry { reason, .. }) = office.connector.accounts(first.1).await else { panic!("not whole") };
    assert_eq!(reason, "the list of app: 1002 are said to be there, and 2 are shown");
}

#[tokio::test]
async fn groups_are_found_whatever_filters_a_provider_understands() {
    for (habits, by_filter) in [
        (&[][..], true),
        (&[Habit::ShyMembers][..], true),
        (&[Habit::BareMembers][..], true),
        (&[Habit::BlindToMembers][..], false),
        (&[Habit::BlindToMembers, Habit::ShyMembers, Habit::Caps, Habit::Understates][..], false),
        (&[Habit::IgnoresFilters][..], false),
        (&[Habit::RefusesFilters, Habit::Caps][..], false),
    ] {
        let office = Office::of(habits, "").await;
        office.product.hire("u-3", "carla", &["a", "b", "c"]);
        let look = call(A::AccessRemove, &Value::Null, Some("u-1"), "run_1/x", 1);
        let seen = office.connector.observe(&look).await.expect("a look");
        assert_eq!(seen, Observation::NotReached("in sales, staff".to_owned()), "{habits:?}");
        office.product.seen();
        let with = json!({ "groups": ["staff", "a"], "managed": ["sales", "a"] });
        let evidence = office.does(A::GroupsSync, with).await.unwrap_or_else(|why| panic!("{habits:?}: {why:?}"));
        assert_eq!(evidence.detail, "in 2 groups; taken out of sales; put into a", "{habits:?}");
        let asked = office.product.seen();
        let filtered = asked.iter().any(|seen| seen.path.contains("filter=members"));
        assert_eq!(filtered, by_filter, "{habits:?}");
    }
}

#[tokio::test]
async fn a_new_account_is_found_again_whatever_filters_a_provider_understands() {
    let with = json!({ "login": "grace", "email": "g@x.example", "employee_number": "1026", "groups": ["staff"] });
    for habits in [&[][..], &[Habit::IgnoresFilters], &[Habit::RefusesFilters], &[Habit::Silent]] {
        let office = Office::of(habits, "").await;
        let make = |fence| call(A::AccountCreate, &with, None, "run_9/create/app", fence);
        perform(&office.connector, &make(1)).await.unwrap_or_else(|why| panic!("{habits:?}: {why:?}"));
        perform(&office.connector, &make(2)).await.unwrap_or_else(|why| panic!("{habits:?}: {why:?}"));
        assert_eq!(office.product.users(), 3, "{habits:?}");
        let made = office.connector.made(&make(3)).await.expect("a look").expect("the account");
        assert_eq!((made.external_id.as_str(), made.login.as_str()), ("made-1", "grace"));
        assert_eq!(office.product.user("made-1")["externalId"], "run_9/create/app");

        // Another step's account of the same name is somebody else's.
        let other = call(A::AccountCreate, &with, None, "run_10/create/app", 1);
        let Err(ActionError::Fail { reason }) = perform(&office.connector, &other).await else { panic!("{habits:?}") };
        assert!(reason.contains("taken on app by account made-1"), "{reason}");
        assert_eq!(office.connector.made(&other).await.expect("a look"), None, "{habits:?}");
    }
}

#[tokio::test]
async fn an_account_that_somebody_else_makes_at_that_moment_is_told_by_its_id() {
    let office = Office::of(&[], "").await;
    office.product.says("POST", refused(409, "userName is taken"));
    let with = json!({ "login": "grace", "email": "g@x.example" });
    let make = call(A::AccountCreate, &with, None, "run_9/create/app", 1);
    let refusal = perform(&office.connector, &make).await.unwrap_err();
    assert!(
        matches!(&refusal, ActionError::Fail { reason } if reason == "HTTP 409 Conflict: userName is taken"),
        "{refusal:?}"
    );
    let numbered = Office::of(&[], "employee_number = \"externalId\"").await;
    let with = json!({ "login": "grace", "email": "g@x.example", "employee_number": "1026" });
    let make = call(A::AccountCreate, &with, None, "run_9/create/app", 1);
    perform(&numbered.connector, &make).await.expect("makes it");
    assert_eq!(numbered.product.user("made-1")["externalId"], "1026");
    let other = json!({ "login": "other", "employee_number": "1026" });
    let refusal = perform(&numbered.connector, &call(A::AccountCreate, &other, None, "run_9/x", 1)).await.unwrap_err();
    assert!(
        refusal.to_string().contains("the employee number has an account already on app by account made-1"),
        "{refusal}"
    );
}

#[tokio::test]
async fn what_somebody_else_changes_meanwhile_stays() {
    for more in ["", "dialect = \"put\""] {
        let office = Office::of(&[], more).await;
        office.product.meanwhile("u-1", "title", json!("Dr"));
        office.does(A::AccountDisable, json!({})).await.unwrap_or_else(|why| panic!("{more}: {why:?}"));
        let now = office.product.user("u-1");
        assert_eq!((&now["active"], &now["title"]), (&json!(false), &json!("Dr")), "{more}");
        assert!(
            office.product.seen().iter().filter(|seen| seen.method != "GET").count() == 2,
            "the first one was too late"
        );
    }
    // Whoever is opened in the very moment of the purge is not purged.
    let office = Office::of(&[], "").await;
    office.does(A::AccountDelete, json!({})).await.expect("closes it");
    office.product.meanwhile("u-1", "active", json!(true));
    let Err(ActionError::Fail { reason }) = office.does(A::AccountPurge, json!({})).await else { panic!("a failure") };
    assert!(reason.contains("is active: delete it before purging it"), "{reason}");
    assert_eq!(office.product.user("u-1")["active"], true);
    for _ in 0..8 {
        office.product.says("PATCH", refused(412, "it has another version"));
    }
    let Err(ActionError::Retry { reason, .. }) = office.does(A::AccountDisable, json!({})).await else {
        panic!("later")
    };
    assert!(reason.contains("somebody else is changing the same"), "{reason}");
}

#[tokio::test]
async fn a_wrong_address_finds_nobody_and_nobody_is_taken_for_gone() {
    let office = Office::of(&[], "").await;
    office.does(A::AccountDelete, json!({})).await.expect("closes it");
    let purge = call(A::AccountPurge, &Value::Null, Some("u-1"), "run_1/purge", 1);
    let folder = tempfile::tempdir().expect("a folder");
    let wrong = connector_at(folder.path(), &format!("http://127.0.0.1:{}/v1", office.product.port), "");
    for outcome in [wrong.perform(&purge).await.map(drop), wrong.read("u-1").await.map(drop)] {
        assert!(matches!(&outcome, Err(ActionError::Retry { reason, .. }) if reason.contains("404")), "{outcome:?}");
    }
    assert!(!wrong.test().await.ok);
    assert_eq!(office.product.users(), 2);
    office.connector.perform(&purge).await.expect("purges it");
    let again = office.connector.perform(&purge).await.expect("finds it gone");
    assert_eq!(again.kind, EvidenceKind::ReadBack);
    assert_eq!(office.connector.read("u-1").await.expect("a look"), None);
}

#[tokio::test]
async fn what_goes_wrong_is_told_in_the_providers_own_words() {
    let office = Office::of(&[], "").await;
    let wait = vec![("retry-after", "120".to_owned())];
    for status in [429, 503] {
        office.product.says("PATCH", (status, wait.clone(), json!({ "detail": "too many at once" }).to_string()));
        let Err(ActionError::Retry { reason, after }) = office.does(A::AccountDisable, json!({})).await else {
            panic!("{status}")
        };
        assert!(reason.ends_with("too many at once"), "{reason}");
        assert_eq!(after, Some(Duration::from_secs(120)));
        office.product.says("GET", (status, wait.clone(), String::new()));
        let Err(ActionError::Retry { after, .. }) = office.does(A::AccountDisable, json!({})).await else {
            panic!("{status}")
        };
        assert_eq!(after, Some(Duration::from_secs(120)), "a look is asked to wait too");
    }
    let words = |error: &str, detail: &str| json!({ "scimType": error, "detail": detail }).to_string();
    for (status, kind) in
        [(400, "fail"), (403, "fail"), (302, "fail"), (501, "fail"), (401, "retry"), (500, "unknown"), (502, "unknown")]
    {
        office.product.says("PATCH", (status, Vec::new(), words("mutability", &format!("no: Bearer {TOKEN}\r\nnext"))));
        let outcome = office.does(A::AccountDisable, json!({})).await.unwrap_err();
        let found = match &outcome {
            ActionError::Retry { .. } => "retry",
            ActionError::Fail { .. } => "fail",
            ActionError::Unknown { .. } => "unknown",
        };
        assert_eq!(found, kind, "{status}: {outcome}");
        assert!(outcome.to_string().contains("mutability: no: Bearer [secret] next"), "{outcome}");
    }
    assert_eq!(office.product.user("u-1")["active"], true);
    office.product.says("PATCH", (400, Vec::new(), words("", "password tR4in-h8st-Winter-qx7 is too short")));
    let refusal = office.does(A::PasswordRotate, json!({})).await.unwrap_err();
    assert!(refusal.to_string().contains("password [secret] is too short"), "{refusal}");
}

#[tokio::test]
async fn a_provider_that_says_yes_and_does_nothing_is_not_believed() {
    let office = Office::of(&[Habit::Lies], "").await;
    for (action, with, seen) in [
        (A::AccountDisable, json!({}), "active: sign-in is allowed"),
        (A::AccessRemove, json!({}), "in sales, staff"),
        (A::AccountUpdate, json!({ "family_name": "Meier" }), "not as asked"),
    ] {
        let Err(ActionError::Unknown { reason }) = office.does(action, with).await else { panic!("{action}") };
        assert!(reason.contains("said it is done, but shows") && reason.contains(seen), "{reason}");
    }
}

#[tokio::test]
async fn a_group_that_refuses_keeps_nobody_in_the_others() {
    let office = Office::of(&[], "").await;
    office.product.says("PATCH", refused(403, "sales is kept by the directory"));
    let Err(ActionError::Fail { reason }) = office.does(A::AccessRemove, json!({})).await else { panic!("a failure") };
    assert_eq!(reason, "sales: HTTP 403 Forbidden: sales is kept by the directory; taken out of staff");
    assert_eq!(office.product.group("staff")["members"], json!([{ "value": "u-2" }]));
    let Err(ActionError::Fail { reason }) = office.does(A::GroupsAdd, json!({ "groups": ["nosuch"] })).await else {
        panic!("none")
    };
    assert_eq!(reason, "there is no group called `nosuch` on app");
}

#[tokio::test]
async fn a_value_cannot_break_out_of_a_filter() {
    let office = Office::of(&[], "").await;
    let hostile = "x\" or userName pr or userName eq \"y";
    for (action, with) in
        [(A::GroupsAdd, json!({ "groups": [hostile] })), (A::GroupsSync, json!({ "groups": [format!("{hostile}\\")] }))]
    {
        let outcome = office.does(action, with).await;
        assert!(matches!(outcome, Err(ActionError::Fail { .. })), "{outcome:?}");
    }
    let with = json!({ "login": hostile, "employee_number": hostile });
    perform(&office.connector, &call(A::AccountCreate, &with, None, hostile, 1)).await.expect("a name as any other");
    assert_eq!(office.product.user("made-1")["userName"], hostile);
    let made = call(A::AccountCreate, &with, None, hostile, 2);
    assert_eq!(office.connector.made(&made).await.expect("a look").expect("it").external_id, "made-1");
    let mut seen = 0;
    for filter in office.product.seen().iter().filter_map(|seen| seen.path.split("filter=").nth(1)) {
        let filter = filter.split('&').next().expect("a value");
        let filter = percent_encoding::percent_decode_str(filter).decode_utf8().expect("text");
        let (_, literal) = filter.split_once(" eq ").expect("a comparison");
        // One literal and nothing behind it.
        let value: String =
            serde_json::from_str(literal.trim_end_matches(']')).unwrap_or_else(|why| panic!("{filter}: {why}"));
        seen += usize::from(value.contains(hostile));
    }
    assert!(seen >= 4, "{seen}");
}

#[tokio::test]
async fn the_last_administrator_is_not_lost() {
    let office = Office::of(&[], "administrators = \"owner\"").await;
    let roles = |roles: &[&str]| Value::Array(roles.iter().map(|role| json!({ "value": role })).collect());
    office.product.set("u-1", "roles", roles(&["editor", "owner"]));
    office.product.set("u-2", "roles", roles(&["owner"]));
    let last =
        async |id: &str, becomes: Option<&str>| office.connector.last_of_its_kind(id, becomes).await.expect("a look");
    assert_eq!(last("u-1", None).await, None);
    office.product.set("u-2", "active", json!(false));
    assert_eq!(last("u-1", None).await.as_deref(), Some("it is the last administrator of app"));
    assert_eq!((last("u-1", Some("owner")).await, last("u-2", None).await), (None, None));
    let shown = office.connector.read("u-1").await.expect("a look").expect("the account");
    assert_eq!(shown.attributes["role"], "administrator");
    assert!(office.connector.is_administrative("owner") && !office.connector.is_administrative("editor"));
}

#[tokio::test]
async fn what_the_schema_does_not_know_is_not_written() {
    let office = Office::of(&[], "").await;
    let refusal = office.does(A::RoleSet, json!({ "role": "viewer" })).await.unwrap_err();
    assert!(matches!(&refusal, ActionError::Fail { reason } if reason.contains("lacks = [\"roles\"]")), "{refusal:?}");
    let with = json!({ "login": "grace", "employee_number": "1026" });
    perform(&office.connector, &call(A::AccountCreate, &with, None, "run_9/x", 1)).await.expect("makes it");
    let made = office.product.user("made-1");
    assert_eq!(made["schemas"], json!(["urn:ietf:params:scim:schemas:core:2.0:User"]), "no enterprise extension there");
}

#[tokio::test]
async fn usher_gets_in_by_name_and_password_and_over_tls() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (ca, acceptor) = authority(&HERE);
    let product = Product::on(port, TlsListener { listener, acceptor }, &[]);
    product.hire("u-1", "ada", &["staff"]);
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("ca.pem"), ca).expect("a file");
    let secured = |more: &str| {
        let own = format!("user = \"usher\"\npassword = {{ file = \"token\" }}\n{more}");
        connector_at(folder.path(), &format!("https://127.0.0.1:{port}/v2"), &own)
    };
    let refused = secured("").read("u-1").await;
    assert!(matches!(refused, Err(ActionError::Retry { .. })), "nobody knows this authority: {refused:?}");
    assert!(product.seen().is_empty(), "and nothing was told to whoever it is");
    let account = secured("ca = \"ca.pem\"\n").read("u-1").await.expect("a look").expect("the account");
    assert_eq!(account.status, AccountStatus::Enabled);
    // `usher:scim-t0ken-7f`
    let seen = product.seen();
    assert_eq!(seen[0].headers["authorization"], "Basic dXNoZXI6c2NpbS10MGtlbi03Zg==");
}
