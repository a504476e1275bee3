//! Systems that are declared by their requests: the suite against a product with an interface of its own, and what a
//! hostile world does to such a connector.

use std::time::Duration;

use serde_json::{Value, json};
use usher::connectors::{ActionError, Connector, Credential, Observation};
use usher::run::{Capability, EvidenceKind};
use usher::secret::Secret;
use usher::workflow::{ActionKind as A, Class};

use crate::conformance::{self, Case, Cut, Target, call, conforms, creates, lists, perform};
use crate::crm::{Crm, DECLARED, Fault, declared};
use crate::tls::{HERE, authority};

/// The product, and the connector to it.
struct Product {
    crm: Crm,
    connector: Connector,
    hired: u32,
    _folder: tempfile::TempDir,
}

impl Product {
    async fn new() -> Self {
        Self::with(DECLARED).await
    }

    async fn with(declaration: &str) -> Self {
        let crm = Crm::start().await;
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("http://127.0.0.1:{}/api", crm.port);
        let connector = declared(folder.path(), &url, declaration).expect("a right configuration");
        Self { crm, connector, hired: 0, _folder: folder }
    }

    async fn disable(&mut self, with: Value) -> Result<usher::run::Evidence, ActionError> {
        let id = self.fresh().await;
        perform(&self.connector, &call(A::AccountDisable, &with, Some(&id), "run_1/disable/crm", 1)).await
    }
}

impl Target for Product {
    fn connector(&self) -> &Connector {
        &self.connector
    }

    /// Ids are the product's own: they hold what a URL must not.
    async fn fresh(&mut self) -> String {
        self.hired += 1;
        let id = format!("{:03}/ä b?c#d&e=%41\"", self.hired);
        self.crm.hire(&id, &format!("ada{}@crm.example", self.hired));
        id
    }

    async fn look(&self, account: &str) -> Value {
        self.crm.account(account)
    }

    async fn whole(&self) -> Value {
        self.crm.whole()
    }

    async fn cut(&mut self, cut: Option<Cut>) {
        self.crm.goes_wrong(cut.map(|cut| match cut {
            Cut::Before => Fault::CutBefore,
            Cut::After => Fault::CutAfter,
        }));
    }
}

const HOSTILE_TEXT: &str = "\", \"admin\": true, \"x\": \"{{ 7 * 7 }} \\ \u{202e}名前\r\nX-Evil: 1";

#[tokio::test]
async fn a_declared_product_conforms() {
    let mut product = Product::new().await;
    let reply = json!({ "subject": "Gone", "message": HOSTILE_TEXT });
    let cases = [
        Case::new(A::AccountDisable, |now, _| now["active"] == false),
        Case::new(A::AccountEnable, |now, _| now["active"] == true).after(A::AccountDisable, json!({})),
        Case::new(A::PasswordRotate, |now, before| now["password"] != before["password"]),
        Case::new(A::SessionsRevoke, |now, _| now["sessions"] == 0),
        Case::new(A::AccessRemove, |now, _| now["teams"] == json!([])),
        Case::new(A::LicenceRelease, |now, before| now["tickets"] != before["tickets"]),
        Case::new(A::MailAutoReply, |now, _| now["reply"]["text"] == HOSTILE_TEXT).with(reply),
        Case::new(A::AccountDelete, |now, _| now["state"] == "trash"),
        Case::new(A::AccountRestore, |now, _| now["state"] == "there").after(A::AccountDelete, json!({})),
        Case::new(A::AccountPurge, |now, _| now.is_null()).after(A::AccountDelete, json!({})),
        Case::new(A::VerifyNoAccess, |_, _| true)
            .only_looks()
            .after(A::AccountDisable, json!({}))
            .after(A::SessionsRevoke, json!({})),
        // A link has no state to show: the product has counted one more.
        Case::new(A::CredentialsSend, |_, _| true).only_looks(),
    ];
    conforms(&mut product, &cases).await;
}

#[tokio::test]
async fn a_declared_product_makes_and_lists_accounts() {
    let mut product = Product::new().await;
    for _ in 0..5 {
        product.fresh().await;
    }
    lists(&mut product).await;
    assert_eq!(conformance::accounts(&product.connector).await.len(), 6);
    let account = product.connector.read("001/ä b?c#d&e=%41\"").await.unwrap().unwrap();
    assert_eq!(
        (account.login.as_str(), account.attributes["email"].as_str()),
        ("ada1@crm.example", Some("ada1@crm.example"))
    );
    assert_eq!(account.last_sign_in, Some(1_800_334_080_000));
    creates(&mut product, json!({ "email": "grace@crm.example", "employee_number": "1026" })).await;
}

#[tokio::test]
async fn what_is_declared_says_what_a_second_attempt_does() {
    let product = Product::new().await;
    for (action, class) in [
        (A::AccountDisable, Class::S),
        (A::PasswordRotate, Class::S),
        (A::SessionsRevoke, Class::K),
        (A::LicenceRelease, Class::U),
        (A::AccountCreate, Class::D),
    ] {
        assert_eq!(product.connector.class(action), class, "{action}");
    }
    let without = DECLARED.replace("idempotency_header = \"Idempotency-Key\"", "");
    assert_eq!(Product::with(&without).await.connector.class(A::SessionsRevoke), Class::U);
    let capability = |action| product.connector.capability(action, None);
    assert!(matches!(capability(A::LicenceRelease), Capability::Degraded(why) if why.contains("a person decides")));
    assert!(
        matches!(capability(A::AccountDelete), Capability::Degraded(why) if why.contains("stays with the product"))
    );
    assert!(matches!(capability(A::DirectoryHide), Capability::Manual(why) if why.contains("printed list")));
    assert!(matches!(capability(A::QuotaSet), Capability::Unsupported(why) if why.contains("`quota.set`")));
    assert_eq!(capability(A::AccountsSync), Capability::Supported);
}

#[tokio::test]
async fn the_same_step_has_the_same_key_in_every_attempt() {
    let mut product = Product::new().await;
    let id = product.fresh().await;
    for fence in 1..=2 {
        let attempt = call(A::SessionsRevoke, &json!({}), Some(&id), "run_1/revoke/crm", fence);
        let evidence = perform(&product.connector, &attempt).await.unwrap();
        assert_eq!(evidence.kind, EvidenceKind::Acknowledged);
    }
    let seen = product.crm.seen();
    let keys: Vec<&str> =
        seen.iter().filter_map(|seen| seen.headers.get("idempotency-key")).map(String::as_str).collect();
    assert_eq!(keys, ["run_1/revoke/crm"; 2]);
    assert_eq!(product.crm.whole()["writes"], 1, "the product knows the second one by it");
}

#[tokio::test]
async fn values_cannot_break_out_of_headers_and_bodies() {
    let mut product = Product::new().await;
    let outcome = product.disable(json!({ "reason": "x\r\nX-Evil: 1" })).await;
    assert!(matches!(&outcome, Err(ActionError::Fail { reason }) if reason.contains("`X-Reason`")), "{outcome:?}");
    assert_eq!(product.crm.whole()["writes"], 0);
    let outcome = product.disable(json!({ "reason": "Zoë" })).await;
    assert!(matches!(&outcome, Err(ActionError::Fail { reason }) if !reason.contains("Zoë")), "{outcome:?}");
    product.disable(json!({ "reason": "\", \"active\": true, \"x\": \"" })).await.unwrap();
    let seen = product.crm.seen();
    assert!(seen.iter().all(|seen| !seen.headers.contains_key("x-evil")), "{seen:?}");
    let patch = seen.iter().find(|seen| seen.method == "PATCH").unwrap();
    let expected = json!({ "active": false, "why": "left: \", \"active\": true, \"x\": \"" });
    assert_eq!(patch.body, expected);
    assert!(seen.iter().all(|seen| seen.path.starts_with("/api/users/")), "{seen:?}");
}

#[tokio::test]
async fn what_goes_wrong_is_told_by_what_may_have_happened() {
    let mut product = Product::new().await;
    for (fault, meaning, words) in [
        (Fault::Status(429), "retry", "HTTP 429 Too Many Requests"),
        (Fault::Status(503), "retry", "HTTP 503"),
        (Fault::Status(403), "fail", "HTTP 403 Forbidden: no: "),
        (Fault::Redirect, "fail", "redirects are not followed"),
        (Fault::Status(500), "unknown", "HTTP 500"),
        (Fault::Silent, "unknown", "timed out"),
        (Fault::HalfAnswer, "unknown", ""),
        (Fault::CutBefore, "unknown", ""),
        (Fault::Lie, "unknown", "`body.active == false` does not hold"),
    ] {
        product.crm.goes_wrong_once(fault);
        let outcome = product.disable(json!({})).await.unwrap_err();
        let (met, reason) = match &outcome {
            ActionError::Retry { reason, after } => {
                assert_eq!(*after, Some(Duration::from_secs(7)), "{fault:?}");
                ("retry", reason)
            }
            ActionError::Fail { reason } => ("fail", reason),
            ActionError::Unknown { reason } => ("unknown", reason),
        };
        assert_eq!(met, meaning, "{fault:?}: {reason}");
        assert!(reason.contains(words), "{fault:?}: {reason}");
    }
    assert_eq!(product.crm.elsewhere(), 0, "a redirect was followed");
}

#[tokio::test]
async fn secrets_do_not_come_back_in_messages() {
    let mut product = Product::new().await;
    product.crm.goes_wrong(Some(Fault::Status(400)));
    let id = product.fresh().await;
    let rotate = call(A::PasswordRotate, &json!({}), Some(&id), "run_1/rotate/crm", 1);
    let ActionError::Fail { reason } = perform(&product.connector, &rotate).await.unwrap_err() else { panic!() };
    assert!(reason.contains("[secret]") && !reason.contains("crm-t0ken") && !reason.contains("Winter"), "{reason}");
    assert!(product.crm.seen().iter().any(|seen| seen.body["password"] == "tR4in-h8st-Winter-qx7"), "it was sent");
    assert!(!format!("{:?}", product.connector).contains("crm-t0ken"));
}

#[tokio::test]
async fn answers_without_an_end_are_not_read() {
    let mut product = Product::with(&DECLARED.replace("timeout", "answer_limit = 4096\ntimeout")).await;
    product.crm.is_huge();
    let outcome = product.disable(json!({})).await;
    assert!(matches!(&outcome, Err(ActionError::Retry { reason, .. }) if reason.contains("4096 bytes")), "{outcome:?}");
    let outcome = product.connector.accounts(None).await;
    assert!(matches!(&outcome, Err(ActionError::Retry { .. })), "{outcome:?}");
}

#[tokio::test]
async fn nobody_there_is_certainly_no_effect() {
    let folder = tempfile::tempdir().unwrap();
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let connector = declared(folder.path(), &format!("http://127.0.0.1:{free}/api"), DECLARED).unwrap();
    let attempt = call(A::SessionsRevoke, &json!({}), Some("u-1"), "run_1/revoke/crm", 1);
    let outcome = perform(&connector, &attempt).await;
    assert!(matches!(outcome, Err(ActionError::Retry { .. })), "{outcome:?}");
    assert!(!connector.test().await.ok);
}

#[tokio::test]
async fn addresses_within_the_house_are_called_only_where_they_are_named() {
    for (host, networks, reached) in [
        ("127.0.0.1", "[]", false),
        ("127.0.0.1", "[\"10.0.0.0/8\"]", false),
        ("127.0.0.1", "[\"127.0.0.0/8\"]", true),
        // A name is resolved, and what it resolves to is looked at.
        ("localhost", "[]", false),
        ("localhost", "[\"127.0.0.1\"]", true),
    ] {
        let crm = Crm::start().await;
        let folder = tempfile::tempdir().unwrap();
        let declaration = DECLARED.replace("[\"127.0.0.1\"]", networks);
        let connector = declared(folder.path(), &format!("http://{host}:{}/api", crm.port), &declaration).unwrap();
        let outcome = connector.accounts(None).await;
        assert_eq!(outcome.is_ok(), reached, "{host} in {networks}: {outcome:?}");
        assert_eq!(!crm.seen().is_empty(), reached, "{host} in {networks}");
        let reach = connector.test().await;
        assert!(reached || reach.findings[0].contains("`networks`"), "{reach:?}");
    }
}

#[tokio::test]
async fn a_list_does_not_lead_out_of_the_system() {
    let link = DECLARED.replace("next = { cursor = \"/next\" }", "next = { link = \"/next\" }");
    let other = Crm::start().await;
    for next in [
        format!("http://127.0.0.1:{}/api/users", other.port),
        format!("http://localhost:{}/api/users", other.port),
        "/elsewhere".to_owned(),
        "../elsewhere".to_owned(),
        "//127.0.0.1/api/users".to_owned(),
        "file:///etc/passwd".to_owned(),
    ] {
        let mut product = Product::with(&link).await;
        product.fresh().await;
        product.crm.leads_to(&next);
        let (_, from) = product.connector.accounts(None).await.unwrap();
        let outcome = product.connector.accounts(from).await;
        let refused = matches!(&outcome, Err(ActionError::Fail { reason }) if reason.contains("it leads out of"));
        assert!(refused, "{next}: {outcome:?}");
        assert_eq!((product.crm.elsewhere(), other.seen().len()), (0, 0), "{next}");
    }
    let mut product = Product::with(&link).await;
    product.fresh().await;
    product.crm.leads_to("users?page=2");
    let (_, from) = product.connector.accounts(None).await.unwrap();
    let outcome = product.connector.accounts(from).await;
    assert!(matches!(&outcome, Err(ActionError::Fail { reason }) if reason.contains("is this page")), "{outcome:?}");
}

#[tokio::test]
async fn links_come_out_of_the_answer_and_nowhere_else() {
    let mut product = Product::new().await;
    let id = product.fresh().await;
    let attempt = call(A::CredentialsSend, &json!({}), Some(&id), "run_1/welcome/crm", 1);
    let issued = product.connector.issue(&attempt, Credential::Link).await.unwrap();
    assert_eq!(issued.secret.expose(), format!("https://crm.example/set/{id}"));
    assert!(!issued.evidence.detail.contains("crm.example"), "{:?}", issued.evidence);
    let rotate = call(A::PasswordRotate, &json!({}), Some(&id), "run_1/sealed/crm", 1);
    let outcome = product.connector.issue(&rotate, Credential::Link).await;
    assert!(matches!(&outcome, Err(ActionError::Fail { reason }) if reason.contains("no `link`")), "{outcome:?}");
    let password = Secret::new("Sealed-4711");
    let issued = product.connector.issue(&rotate, Credential::Password(&password)).await.unwrap();
    assert_eq!(issued.secret.expose(), "Sealed-4711");
    assert_eq!(product.crm.account(&id)["password_length"], 11);
}

#[tokio::test]
async fn certificates_are_verified_by_the_authority_that_is_named() {
    let (right, server) = authority(&HERE);
    let (wrong, _) = authority(&HERE);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let crm = Crm::on(port, crate::tls::TlsListener { listener, acceptor: server });
    for (ca, works) in [(Some(&right), true), (Some(&wrong), false), (None, false)] {
        let folder = tempfile::tempdir().unwrap();
        let line = match ca {
            Some(pem) => {
                std::fs::write(folder.path().join("ca.pem"), pem).unwrap();
                "ca = \"ca.pem\"\ntimeout"
            }
            None => "timeout",
        };
        let declaration = DECLARED.replacen("timeout", line, 1);
        let connector = declared(folder.path(), &format!("https://127.0.0.1:{port}/api"), &declaration).unwrap();
        let outcome = connector.accounts(None).await;
        assert_eq!(outcome.is_ok(), works, "{outcome:?}");
        if let Err(why) = outcome {
            assert!(matches!(&why, ActionError::Retry { reason, .. } if reason.contains("certificate")), "{why:?}");
        }
    }
    assert_eq!(crm.seen().len(), 1);
}

#[tokio::test]
async fn a_system_is_tested_in_words() {
    let mut product = Product::new().await;
    product.fresh().await;
    let reach = product.connector.test().await;
    let words = reach.findings.join("\n");
    assert!(reach.ok, "{words}");
    for expected in
        ["answers, 1 accounts", "done and read back: account.disable", "only acknowledged", "licence.release"]
    {
        assert!(words.contains(expected), "{expected}: {words}");
    }
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://127.0.0.1:{}/api", product.crm.port);
    let wrong = DECLARED.replace("Bearer {{ secrets.token }}", "Bearer other");
    let reach = declared(folder.path(), &url, &wrong).unwrap().test().await;
    assert!(
        !reach.ok && reach.findings[0].contains("HTTP 401 Unauthorized: {\"error\":\"who are you?\"}"),
        "{reach:?}"
    );
    let gone = DECLARED.replace("file = \"token\"", "file = \"nowhere\"");
    let reach = declared(folder.path(), &url, &gone).unwrap().test().await;
    assert!(!reach.ok && reach.findings[0].contains("the secret `token`"), "{reach:?}");
}

#[tokio::test]
async fn mistakes_in_a_declaration_are_named_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = |from: &str, to: &str| {
        assert!(DECLARED.contains(from), "{from}");
        match declared(folder.path(), "https://crm.example.org/api", &DECLARED.replacen(from, to, 1)) {
            Ok(_) => panic!("usher takes `{to}`"),
            Err(problems) => problems.join("\n"),
        }
    };
    for (from, to, words) in [
        ("\"access.remove\"", "\"acess.remove\"", "`acess.remove` is no action; did you mean `access.remove`?"),
        (
            "method = \"PATCH\"",
            "method = \"FETCH\"",
            "`systems.crm.actions.account.disable.method`: unknown variant `FETCH`",
        ),
        (
            "reached = \"body.active == false\"",
            "reached = \"body.active ==\"",
            "account.disable.observe.reached`: syntax error",
        ),
        ("url = \"users/{{ account.id }}/teams\"", "uri = \"x\"", "unknown field `uri`"),
        ("url = \"users/{{ account.id }}/teams\"", "url = \"../{{ account.id }}\"", "have no place in a URL"),
        ("id = \"/id\"", "id = \"id\"", "`systems.crm.fields.id`: `id` is no JSON pointer: write `/id`"),
        ("networks = [\"127.0.0.1\"]", "networks = [\"local\"]", "`systems.crm.networks`: `local` is no network"),
        ("timeout = \"2 s\"", "timeout = \"5 minutes\"", "`systems.crm.timeout`"),
        ("timeout = \"2 s\"", "answer_limit = 3", "`systems.crm.answer_limit`: 3 is not between"),
        ("offers = [\"mail\"]", "offers = [\"male\"]", "did you mean `mail`?"),
        ("offers = [\"mail\"]", "", "mail.auto_reply`: it needs a system that offers mail"),
        ("account = { url = \"users/{{ account.id }}\" }", "", "account.delete`: before anything is deleted"),
        ("{ file = \"token\" }", "\"crm-t0ken\"", "never written into the configuration"),
        ("made = { url = \"users?key={{ key }}\", item = \"/users\" }", "", "account.create`: `made` is missing"),
        ("limit = \"what", "class = \"U\"\nlimit = \"what", "class U is what nobody can see"),
        ("\"directory.hide\"", "\"account.disable\"", "`manual` leaves it to a person too"),
        ("headers = { Authorization = \"Bearer {{", "headers = { Authorization = \"Bearer {%", "`Authorization`"),
    ] {
        let problems = wrong(from, to);
        assert!(problems.contains(words), "{to}: {problems}");
        assert!(problems.contains("usher.toml:"), "{to}: {problems}");
        assert!(!problems.contains("crm-t0ken"), "{problems}");
    }
    for (url, words) in [
        ("http://crm.example.org/", "over plain http"),
        ("https://me:pw@crm.example.org/", "it holds a login"),
        ("https://crm.example.org/?x=1", "`?`"),
        ("ftp://crm.example.org/", "is not spoken"),
    ] {
        let problems = declared(folder.path(), url, DECLARED).unwrap_err().join("\n");
        assert!(problems.contains(words) && !problems.contains("pw@"), "{problems}");
    }
}

#[tokio::test]
async fn an_observation_is_never_guessed() {
    let mut product = Product::new().await;
    let id = product.fresh().await;
    let look = call(A::AccountDisable, &json!({}), Some(&id), "run_1/disable/crm", 1);
    assert!(matches!(product.connector.observe(&look).await, Ok(Observation::NotReached(_))));
    let other = Product::with(&DECLARED.replace("body.active == false", "body.aktiv == false")).await;
    other.crm.hire(&id, "ada@crm.example");
    let seen = other.connector.observe(&look).await;
    assert!(matches!(&seen, Err(ActionError::Retry { reason, .. }) if reason.contains("does not fit")), "{seen:?}");
    let outcome = perform(&other.connector, &look).await;
    assert!(matches!(outcome, Err(ActionError::Retry { .. })), "{outcome:?}");
    assert_eq!(other.crm.whole()["writes"], 0, "without a look there is no attempt");
}

#[tokio::test]
async fn an_answer_about_somebody_else_is_none() {
    let one = "account = { url = \"users/{{ account.id }}\" }";
    let product = Product::with(&DECLARED.replace(one, "account = { url = \"users/u-2\" }")).await;
    product.crm.hire("u-1", "ada@crm.example");
    product.crm.hire("u-2", "eve@crm.example");
    let outcome = product.connector.read("u-1").await;
    assert!(
        matches!(&outcome, Err(ActionError::Fail { reason }) if reason.contains("answered with u-2")),
        "{outcome:?}"
    );
    assert!(product.connector.read("u-2").await.unwrap().is_some());

    let product = Product::with(&DECLARED.replace(one, "account = { url = \"users\", item = \"/users\" }")).await;
    assert_eq!(product.connector.read("u-1").await.unwrap(), None);
    product.crm.hire("u-1", "ada@crm.example");
    assert!(product.connector.read("u-1").await.unwrap().is_some());
    product.crm.hire("u-2", "eve@crm.example");
    let outcome = product.connector.read("u-1").await;
    assert!(matches!(&outcome, Err(ActionError::Fail { reason }) if reason.contains("2 accounts")), "{outcome:?}");
}
