//! What a system refuses, in which words; nothing is changed then.

use super::super::Company;
use super::*;

async fn refused(scene: Scene) -> String {
    let stage = Stage::new();
    let outcome = stage.perform(&scene, 1).await;
    assert!(stage.entries().is_empty(), "{} left a trace", scene.action);
    match outcome {
        Err(ActionError::Fail { reason }) => reason,
        other => panic!("{} on {}: {other:?}", scene.action, scene.system),
    }
}

#[tokio::test]
async fn a_wrong_id_is_named_by_every_action() {
    for scene in Scene::all().into_iter().filter(|scene| scene.account.is_some()) {
        let stranger = Scene { account: Some("x-9999".to_owned()), ..scene };
        let reason = refused(stranger.clone()).await;
        assert!(reason.contains("has no account `x-9999`"), "{}: {reason}", stranger.action);
        let reason = refused(Scene { account: None, ..stranger }).await;
        assert!(reason.contains("was not told which account"), "{reason}");
    }
}

#[tokio::test]
async fn what_is_not_done_on_a_system_fails_there() {
    for action in ActionKind::ALL.iter().filter(|action| action.place() == Place::House) {
        let reason = refused(Scene::on(*action, "directory", "u-0005", json!({}))).await;
        assert!(reason.contains("is not done on a system"), "{reason}");
    }
}

#[tokio::test]
async fn manual_and_unsupported_actions_are_not_done_in_silence() {
    let reason = refused(Scene::on(ActionKind::AccountDisable, "badges", "b-0005", json!({}))).await;
    assert!(reason.contains("leaves `account.disable` to a person: Collect the badge"), "{reason}");
    let reason = refused(Scene::on(ActionKind::MailArchive, "files", "f-0005", json!({}))).await;
    assert_eq!(reason, "`files` has no mail");
}

#[tokio::test]
async fn addresses_belong_to_one_account() {
    let alias = |address: &str| Scene::on(ActionKind::AliasAdd, "mailhost", "m-0005", json!({ "alias": address }));
    let reason = refused(alias("SALES@alpine-instruments.example")).await;
    assert!(reason.contains("taken on `mailhost` by account `m-0010`"), "{reason}");
    let own = json!({ "alias": "ada.keller@alpine-instruments.example" });
    let reason = refused(Scene::on(ActionKind::AliasRemove, "mailhost", "m-0005", own)).await;
    assert!(reason.contains("the first one of account `m-0005`"), "{reason}");
}

#[tokio::test]
async fn parameters_that_are_missing_or_wrong_are_named() {
    let on = |action, with| Scene::on(action, "mailhost", "m-0005", with);
    let cases = [
        (on(ActionKind::MailRedirect, json!({})), "`mail.redirect` needs `to`"),
        (on(ActionKind::MailRedirect, json!({ "to": "Søren" })), "needs an address in `to`"),
        (on(ActionKind::MailTransfer, json!({ "to": { "email": null } })), "`mail.transfer` needs `to`"),
        (on(ActionKind::MailTransfer, json!({ "to": "who@else.example" })), "no account with the address"),
        (on(ActionKind::MailTransfer, json!({ "to": "ada.keller@alpine-instruments.example" })), "to itself"),
        (on(ActionKind::QuotaSet, json!({ "quota": "a lot" })), "`a lot` is not a size"),
        (on(ActionKind::AccountUpdate, json!({})), "needs one of"),
        (on(ActionKind::RoleSet, json!({})), "`role.set` needs `role`"),
    ];
    for (scene, words) in cases {
        let reason = refused(scene).await;
        assert!(reason.contains(words), "{reason}");
    }
}

#[tokio::test]
async fn an_account_that_is_not_deleted_cannot_be_purged() {
    let reason = refused(Scene::of(ActionKind::AccountPurge).expect("a scene")).await;
    assert!(reason.contains("is enabled: delete it before purging it"), "{reason}");
}

#[test]
fn mistakes_of_a_description_come_all_at_once() {
    let text = r#"
        name = "Broken"
        [systems.mailhost]
        title = "Mail"
        facets = ["mail"]
        [[people]]
        given_name = "Ada"
        email = "ada@broken.example"
        [people.on.mailhots]
        id = "m-1"
        [people.on.mailhost]
        id = "m-1"
        files = 3
        quota = "plenty"
    "#;
    let error = Company::parse(text).expect_err("is broken").to_string();
    for words in ["did you mean `mailhost`?", "`mailhost` has no files", "`plenty` is not a size"] {
        assert!(error.contains(words), "{error}");
    }
    let error = Company::parse("name = \"X\"\nsytems = {}").expect_err("is misspelt").to_string();
    assert!(error.contains("sytems"), "{error}");
}

#[tokio::test]
async fn a_new_name_may_not_be_somebody_elses() {
    let with = json!({ "email": "ada.k@alpine-instruments.example", "login": "zoe.lindqvist" });
    let reason = refused(Scene::on(ActionKind::AccountUpdate, "directory", "u-0005", with)).await;
    assert!(reason.contains("taken on `directory` by account `u-0006`"), "{reason}");
}

#[tokio::test]
async fn nothing_is_handed_over_to_a_deleted_account() {
    let stage = Stage::new();
    let delete = Scene::on(ActionKind::AccountDelete, "files", "f-0004", json!({}));
    stage.perform(&delete, 1).await.expect("deletes the manager");
    let error =
        stage.perform(&Scene::of(ActionKind::FilesTransfer).expect("a scene"), 1).await.expect_err("is refused");
    assert!(error.to_string().contains("account `f-0004` on `files` is deleted: name another"), "{error}");
    assert!(stage.view("files", "f-0005").files.expect("files").count > 0);
}

/// Who is closed stands in for nobody, and neither does the account that is asked about.
#[tokio::test]
async fn whoever_is_left_must_be_another_who_can_sign_in() {
    let stage = Stage::new();
    let directory = stage.company.system("directory").expect("a system");
    let ids = (1..=25).map(|number| format!("u-{number:04}"));
    let governs = |id: &String| {
        let seen = stage.company.account_view("directory", id).expect("reads");
        seen.is_some_and(|seen| seen.role.as_deref() == Some("administrator"))
    };
    let administrators: Vec<String> = ids.filter(governs).collect();
    let [one, other] = administrators.as_slice() else { panic!("{administrators:?}") };
    assert_eq!(directory.last_of_its_kind(one, None).await.expect("reads"), None, "there is another");
    stage.perform(&Scene::on(ActionKind::AccountDisable, "directory", other, json!({})), 1).await.expect("disables");
    let last = directory.last_of_its_kind(one, None).await.expect("reads");
    assert_eq!(last.as_deref(), Some("it is the last administrator of directory"));
    let kept = directory.last_of_its_kind(one, Some("administrator")).await.expect("reads");
    assert_eq!(kept, None, "with the same role nothing is given up");
}
