//! Every action of the catalogue: does it, finds it done, shows it, takes it back.

use super::*;
use crate::run::EvidenceKind;

#[tokio::test]
async fn every_action_reaches_its_goal_once_and_finds_it_done_the_second_time() {
    for scene in Scene::all() {
        let stage = Stage::new();
        stage.prepare(&scene).await;
        let action = scene.action;
        let first = stage.observe(&scene).await.expect("looks");
        match (scene.is_observable(), scene.only_looks()) {
            (true, false) => assert!(matches!(first, Observation::NotReached(_)), "{action}: {first:?}"),
            (true, true) => assert!(matches!(first, Observation::Reached(_)), "{action}: {first:?}"),
            (false, _) => assert_eq!(first, Observation::Unobservable, "{action}"),
        }

        let evidence = stage.perform(&scene, 1).await.unwrap_or_else(|error| panic!("{action}: {error}"));
        let kind = if scene.is_observable() { EvidenceKind::ReadBack } else { EvidenceKind::Acknowledged };
        assert_eq!(evidence.kind, kind, "{action}");
        assert!(!evidence.detail.is_empty() && !evidence.detail.contains('@'), "{action}: {}", evidence.detail);
        let once = usize::from(!scene.only_looks());
        assert_eq!(stage.effects(&scene), once, "{action}");

        stage.perform(&scene, 2).await.unwrap_or_else(|error| panic!("{action} again: {error}"));
        let twice = if scene.is_observable() { once } else { 2 };
        assert_eq!(stage.effects(&scene), twice, "{action} again");
        if scene.is_observable() {
            assert!(matches!(stage.observe(&scene).await, Ok(Observation::Reached(_))), "{action}");
        }
    }
}

#[tokio::test]
async fn the_inverse_brings_everything_back() {
    for scene in Scene::all() {
        let Some(inverse) = scene.action.inverse() else { continue };
        let stage = Stage::new();
        stage.prepare(&scene).await;
        let before = stage.company.snapshot().expect("looks");
        stage.perform(&scene, 1).await.expect("does it");
        let during = stage.company.snapshot().expect("looks");
        assert!(!during.changes_since(&before).is_empty(), "{} changed nothing", scene.action);
        stage.perform(&Scene { action: inverse, ..scene.clone() }, 1).await.expect("takes it back");
        let after = stage.company.snapshot().expect("looks");
        assert_eq!(after.changes_since(&before), [], "{} then {inverse}", scene.action);
    }
}

#[tokio::test]
async fn a_purge_leaves_nothing_and_is_done_when_repeated() {
    let stage = Stage::new();
    let purge = Scene::of(ActionKind::AccountPurge).expect("a scene");
    stage.prepare(&purge).await;
    stage.perform(&purge, 1).await.expect("purges");
    let directory = stage.system("directory");
    assert_eq!(directory.read("u-0005").await.expect("reads"), None);
    stage.perform(&purge, 2).await.expect("is done");
    let delete = Scene::of(ActionKind::AccountDelete).expect("a scene");
    stage.perform(&delete, 1).await.expect("is done too");
    let verify = Scene::on(ActionKind::VerifyNoAccess, "directory", "u-0005", json!({}));
    stage.perform(&verify, 1).await.expect("no way in is left");
    let enable = Scene::of(ActionKind::AccountEnable).expect("a scene");
    let error = stage.perform(&enable, 1).await.expect_err("is gone");
    assert!(error.to_string().contains("was purged at 2027-01-20"), "{error}");
}

#[tokio::test]
async fn deletion_goes_into_the_trash_or_where_there_is_none_disables_and_hides() {
    let stage = Stage::new();
    let on = |action, system, id| Scene::on(action, system, id, json!({}));
    stage.perform(&on(ActionKind::AccountDelete, "mailhost", "m-0005"), 1).await.expect("deletes");
    stage.perform(&on(ActionKind::AccountDelete, "groupware", "g-0005"), 1).await.expect("puts away");

    let mail = stage.system("mailhost").read("m-0005").await.expect("reads").expect("recoverable");
    let thirty_days = 30 * 86_400_000;
    assert_eq!(mail.status, crate::run::AccountStatus::Deleted);
    assert_eq!(mail.purge_due, Some(now().as_millisecond() + thirty_days));
    let calendars = stage.system("groupware").read("g-0005").await.expect("reads").expect("still there");
    assert_eq!(calendars.status, crate::run::AccountStatus::Disabled);
    assert_eq!((calendars.purge_due, &calendars.attributes["hidden"]), (None, &json!(true)));

    stage.perform(&on(ActionKind::AccountPurge, "groupware", "g-0005"), 1).await.expect("purges");
    assert_eq!(stage.system("groupware").read("g-0005").await.expect("reads"), None);
}

#[tokio::test]
async fn removed_rights_are_remembered_for_undo() {
    let stage = Stage::new();
    let before = stage.view("directory", "u-0005");
    stage.perform(&Scene::of(ActionKind::AccessRemove).expect("a scene"), 1).await.expect("removes");
    let removed = stage.view("directory", "u-0005").removed.expect("remembered");
    assert_eq!((removed.role, removed.groups), (before.role, before.groups));
}

#[tokio::test]
async fn verify_names_every_way_in_that_is_left() {
    let stage = Stage::new();
    let verify = Scene::of(ActionKind::VerifyNoAccess).expect("a scene");
    let Err(ActionError::Fail { reason }) = stage.perform(&verify, 1).await else { panic!("it is wide open") };
    for way in ["is enabled", "2 open sessions", "2 application passwords", "1 forwards of its own"] {
        assert!(reason.contains(way), "{reason}");
    }
}

#[tokio::test]
async fn archives_are_files_with_the_checksum_that_the_evidence_names() {
    let stage = Stage::new();
    let archive = Scene::of(ActionKind::MailArchive).expect("a scene");
    let detail = stage.perform(&archive, 1).await.expect("archives").detail;
    let (name, sha256) = detail.split_once(" sha256:").expect("name and checksum");
    let path = stage.company.archive_path().join(name);
    let bytes = std::fs::read(&path).expect("a file");
    assert_eq!(super::super::digest::sha256(&bytes), sha256);

    std::fs::write(&path, "tampered").expect("writes");
    assert!(matches!(stage.observe(&archive).await, Ok(Observation::NotReached(_))));
    stage.perform(&archive, 2).await.expect("writes it anew");
    assert_eq!(std::fs::read(&path).expect("a file"), bytes);
}

#[tokio::test]
async fn a_created_account_is_complete_and_a_taken_address_can_be_numbered() {
    let stage = Stage::new();
    let mut create = Scene::of(ActionKind::AccountCreate).expect("a scene");
    create.with.insert("email".into(), json!("ada.keller@alpine-instruments.example"));
    let error = stage.perform(&create, 1).await.expect_err("is taken");
    assert!(error.to_string().contains("taken on `mailhost` by account `m-0005`"), "{error}");
    create.with.insert("on_collision".into(), json!("number"));
    let detail = stage.perform(&create, 2).await.expect("creates").detail;
    assert_eq!(detail, "created as account `mailhost-new-1`");
    let account = stage.view("mailhost", "mailhost-new-1");
    assert_eq!(account.email.as_deref(), Some("ada.keller2@alpine-instruments.example"));
    assert_eq!((account.quota_bytes, account.mailbox.is_some()), (Some(20_000_000_000), true));
}

#[tokio::test]
async fn groups_that_nobody_manages_are_let_be() {
    let stage = Stage::new();
    let with = json!({ "groups": ["sales", "staff"], "managed": ["engineering", "sales", "staff"] });
    let sync = Scene::on(ActionKind::GroupsSync, "directory", "u-0005", with);
    stage.perform(&sync, 1).await.expect("syncs");
    stage.perform(&sync, 2).await.expect("is done");
    let groups = stage.view("directory", "u-0005").groups;
    assert_eq!(groups, ["altimeter", "sales", "staff"].map(str::to_owned).into());
    assert_eq!(stage.effects(&sync), 1);
}

#[tokio::test]
async fn another_address_is_given_once_and_keeps_the_old_one() {
    let stage = Stage::new();
    let with = json!({ "address": "ada.brunner" });
    let rename = Scene::on(ActionKind::AccountUpdate, "mailhost", "m-0005", with);
    stage.perform(&rename, 1).await.expect("renames");
    stage.perform(&rename, 2).await.expect("is done");
    let ada = stage.view("mailhost", "m-0005");
    assert_eq!(ada.email.as_deref(), Some("ada.brunner@alpine-instruments.example"));
    assert!(ada.answers_to("ada.keller@alpine-instruments.example"));
    assert_eq!(stage.effects(&rename), 1);
    let taken = Scene::on(ActionKind::AccountUpdate, "mailhost", "m-0004", json!({ "address": "ada.keller" }));
    assert!(stage.perform(&taken, 1).await.expect_err("is taken").to_string().contains("m-0005"));
}

#[tokio::test]
async fn an_account_is_found_by_the_step_that_made_it() {
    let stage = Stage::new();
    let create = Scene::of(ActionKind::AccountCreate).expect("a scene");
    let mailhost = stage.system("mailhost");
    assert_eq!(mailhost.made(&create.call(1)).await.expect("looks"), None);
    let mut closed = create.clone();
    closed.with.insert("enabled".into(), json!(false));
    closed.with.insert("licence".into(), json!("mail-standard"));
    stage.perform(&closed, 1).await.expect("creates");
    let made = mailhost.made(&create.call(2)).await.expect("looks").expect("is there");
    assert_eq!((made.external_id.as_str(), made.status), ("mailhost-new-1", crate::run::AccountStatus::Disabled));
    assert_eq!(made.attributes["licence"], json!("mail-standard"));
}

#[test]
fn capabilities_say_what_will_happen() {
    let stage = Stage::new();
    for action in ActionKind::ALL {
        let anywhere = stage
            .company
            .description()
            .systems
            .keys()
            .any(|name| is_supported(&stage.system(name).capability(*action, None)));
        assert_eq!(anywhere, action.place() != Place::House, "{action}");
    }
    let badges = stage.system("badges");
    assert!(matches!(badges.capability(ActionKind::AccountDisable, None), Capability::Manual(_)));
    assert!(matches!(badges.capability(ActionKind::PasswordRotate, None), Capability::Unsupported(_)));
    let groupware = stage.system("groupware");
    assert!(matches!(groupware.capability(ActionKind::CalendarsTransfer, None), Capability::Degraded(_)));
    let mail = stage.system("mailhost").capability(ActionKind::ProductBlock, None);
    assert!(matches!(mail, Capability::Unsupported(why) if why.contains("maintenance")));
}

#[tokio::test]
async fn parameters_may_be_written_in_every_way_that_workflows_allow() {
    let stage = Stage::new();
    let on = |action, with| Scene::on(action, "mailhost", "m-0005", with);
    let manager = json!({ "to": { "employee_number": "1004", "email": null } });
    stage.perform(&on(ActionKind::MailTransfer, manager.clone()), 1).await.expect("finds the manager by number");
    stage.perform(&on(ActionKind::MailRedirect, manager), 1).await.expect("redirects to a person");
    stage.perform(&on(ActionKind::AliasAdd, json!({ "alias": "ada" })), 1).await.expect("completes the address");
    stage.perform(&on(ActionKind::QuotaSet, json!({ "quota": { "bytes": 5 } })), 1).await.expect("reads bytes");

    let manager = stage.view("mailhost", "m-0004").mailbox.expect("a mailbox");
    assert_eq!(manager.folders["From Ada Keller"].from.as_deref(), Some("m-0005"));
    let ada = stage.view("mailhost", "m-0005");
    assert!(ada.aliases.contains("ada@alpine-instruments.example"));
    assert_eq!(ada.quota_bytes, Some(5));
    let sent = stage.company.deliver_mail("ada@alpine-instruments.example", SOREN, now()).expect("arrives");
    assert_eq!(sent.stored, [("mailhost".to_owned(), "m-0004".to_owned())]);
}
