//! The ledger: what survives, who sees what, and which lines never counted.

use std::io::Write as _;

use super::*;

fn disable(id: &str) -> Scene {
    Scene::on(ActionKind::AccountDisable, "directory", id, json!({}))
}

#[tokio::test]
async fn a_restart_finds_the_same_company_after_every_action() {
    let stage = Stage::new();
    for scene in Scene::all().into_iter().filter(|scene| !scene.action.is_destructive() && !scene.only_looks()) {
        stage.perform(&scene, 1).await.unwrap_or_else(|error| panic!("{}: {error}", scene.action));
    }
    stage.company.deliver_mail(SOREN, "ada@keller.example", now()).expect("arrives");
    let after = stage.company.snapshot().expect("looks");
    assert_eq!(stage.again().snapshot().expect("looks"), after);
    assert_eq!(stage.again().entries().expect("reads"), stage.entries());
}

#[tokio::test]
async fn two_handles_on_one_file_see_each_other() {
    let stage = Stage::new();
    let other = stage.again();
    stage.perform(&disable("u-0005"), 1).await.expect("disables");
    let seen = other.account_view("directory", "u-0005").expect("reads").expect("an account");
    assert_eq!(seen.status, crate::run::AccountStatus::Disabled);
    let there = other.system("directory").expect("a system");
    there.perform(&disable("u-0005").call(2)).await.expect("finds it done");
    there.perform(&disable("u-0006").call(1)).await.expect("disables");
    assert_eq!(stage.view("directory", "u-0006").status, crate::run::AccountStatus::Disabled);
    assert_eq!(stage.company.effects().expect("reads").len(), 2);
}

#[test]
fn many_threads_with_handles_of_their_own_have_each_effect_once() {
    let stage = Stage::new();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let directory = stage.again().system("directory").expect("a system");
                for number in 1..=25 {
                    directory.by_hand(&disable(&format!("u-{number:04}")).call(1)).expect("disables");
                }
            });
        }
    });
    assert_eq!(stage.entries().len(), 100);
    assert_eq!(stage.company.effects().expect("reads").len(), 25);
}

#[tokio::test]
async fn a_torn_last_line_never_took_effect() {
    let stage = Stage::new();
    stage.perform(&disable("u-0005"), 1).await.expect("disables");
    let whole = std::fs::read(stage.company.ledger_path()).expect("reads");
    let torn = String::from_utf8_lossy(&whole).lines().last().expect("a line").replace("u-0005", "u-0006");
    let mut file = std::fs::OpenOptions::new().append(true).open(stage.company.ledger_path()).expect("opens");
    file.write_all(torn.as_bytes()).expect("writes, without a line feed");

    assert_eq!(stage.view("directory", "u-0006").status, crate::run::AccountStatus::Enabled);
    assert_eq!(std::fs::read(stage.company.ledger_path()).expect("reads"), whole);
    stage.perform(&disable("u-0006"), 1).await.expect("disables");
    assert_eq!(stage.again().effects().expect("reads").len(), 2);
}

#[test]
fn a_torn_first_line_begins_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ledger.jsonl");
    std::fs::write(&path, "{\"usher_sand").expect("writes");
    let company = SandboxCompany::from_text(shipped::COMPANY, &path).expect("opens");
    assert!(company.entries().expect("reads").is_empty());
}

#[tokio::test]
async fn a_line_of_nonsense_is_named() {
    let stage = Stage::new();
    stage.perform(&disable("u-0005"), 1).await.expect("disables");
    let mut file = std::fs::OpenOptions::new().append(true).open(stage.company.ledger_path()).expect("opens");
    file.write_all(b"nonsense\n").expect("writes");
    let error = stage.perform(&disable("u-0006"), 1).await.expect_err("cannot go on");
    assert!(matches!(error, ActionError::Retry { .. }));
    assert!(error.to_string().contains("line 3: "), "{error}");
    let error = stage.company.snapshot().expect_err("still cannot").to_string();
    assert!(error.contains("line 3: "), "{error}");
}

#[test]
fn another_companys_ledger_is_refused_but_other_knobs_and_comments_are_not() {
    let stage = Stage::new();
    let ledger = stage.company.ledger_path();
    let calmer = shipped::COMPANY.replace("seed = 1", "seed = 2 # another day").replace("Collect the", "Fetch the");
    SandboxCompany::from_text(&calmer, ledger).expect("is the same company");
    let other = shipped::COMPANY.replace("Keller", "Kessler");
    let error = SandboxCompany::from_text(&other, ledger).expect_err("is another").to_string();
    assert!(error.contains("belongs to another company description"), "{error}");
    assert!(error.contains("its own ledger file"), "{error}");
}

#[tokio::test]
async fn no_password_is_in_the_ledger() {
    let stage = Stage::new();
    let mut reset = Scene::of(ActionKind::PasswordReset).expect("a scene");
    reset.with.insert("password".into(), json!("correct horse battery"));
    stage.perform(&reset, 1).await.expect("sets it");
    let text = std::fs::read_to_string(stage.company.ledger_path()).expect("reads");
    assert!(!text.contains("correct horse"), "{text}");
}

#[tokio::test]
async fn a_company_in_a_file_opens_and_a_missing_one_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, ledger) = (folder.path().join("company.toml"), folder.path().join("deep/ledger.jsonl"));
    let error = SandboxCompany::open(&file, &ledger).expect_err("is missing").to_string();
    assert!(error.contains("company.toml"), "{error}");
    std::fs::write(&file, shipped::COMPANY).expect("writes");
    let company = SandboxCompany::open(&file, &ledger).expect("opens");
    let reach = company.system("badges").expect("a system").test().await;
    assert!(reach.ok && reach.findings.iter().any(|line| line.contains("25 accounts")), "{:?}", reach.findings);
    assert!(company.system("unheard of").is_none());
}
