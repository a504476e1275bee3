//! Cuts, errors and lies: what an attempt may and may not have done.

use super::super::Knobs;
use super::*;

/// Scenes whose effect can be counted: they change something and their goal can be seen.
fn countable() -> Vec<Scene> {
    Scene::all().into_iter().filter(|scene| scene.is_observable() && !scene.only_looks()).collect()
}

#[tokio::test]
async fn a_cut_before_the_effect_has_none_and_the_next_attempt_has_one() {
    for scene in countable() {
        let stage = Stage::new();
        stage.prepare(&scene).await;
        stage.company.set_knobs(scene.system, Knobs { cut_before_rate: 1.0, ..Knobs::default() });
        let cut = stage.perform(&scene, 1).await;
        assert!(matches!(cut, Err(ActionError::Unknown { .. })), "{}: {cut:?}", scene.action);
        assert_eq!(stage.effects(&scene), 0, "{}", scene.action);

        stage.company.set_knobs(scene.system, Knobs::default());
        assert!(matches!(stage.observe(&scene).await, Ok(Observation::NotReached(_))), "{}", scene.action);
        stage.perform(&scene, 2).await.expect("does it");
        assert_eq!(stage.effects(&scene), 1, "{}", scene.action);
    }
}

#[tokio::test]
async fn a_cut_after_the_effect_is_found_done_and_has_no_second_effect() {
    for scene in countable() {
        let stage = Stage::new();
        stage.prepare(&scene).await;
        stage.company.set_knobs(scene.system, Knobs { cut_after_rate: 1.0, ..Knobs::default() });
        let cut = stage.perform(&scene, 1).await;
        assert!(matches!(cut, Err(ActionError::Unknown { .. })), "{}: {cut:?}", scene.action);
        assert_eq!(stage.effects(&scene), 1, "{}", scene.action);

        stage.company.set_knobs(scene.system, Knobs::default());
        assert!(matches!(stage.observe(&scene).await, Ok(Observation::Reached(_))), "{}", scene.action);
        stage.perform(&scene, 2).await.expect("finds it done");
        assert_eq!(stage.effects(&scene), 1, "{}", scene.action);
    }
}

#[tokio::test]
async fn a_lie_is_caught_by_reading_back() {
    for scene in countable() {
        let stage = Stage::new();
        stage.prepare(&scene).await;
        stage.company.set_knobs(scene.system, Knobs { lie_rate: 1.0, ..Knobs::default() });
        let Err(ActionError::Retry { reason, .. }) = stage.perform(&scene, 1).await else {
            panic!("{}: the lie was believed", scene.action)
        };
        assert!(reason.contains("said it is done, but shows"), "{}: {reason}", scene.action);
        assert_eq!(stage.effects(&scene), 0, "{}", scene.action);
    }
}

#[tokio::test]
async fn a_lie_about_a_password_cannot_be_caught_and_is_only_acknowledged() {
    let stage = Stage::new();
    let rotate = Scene::of(ActionKind::PasswordRotate).expect("a scene");
    stage.company.set_knobs(rotate.system, Knobs { lie_rate: 1.0, ..Knobs::default() });
    let evidence = stage.perform(&rotate, 1).await.expect("says it is done");
    assert_eq!(evidence.kind, crate::run::EvidenceKind::Acknowledged);
    assert_eq!(stage.effects(&rotate), 0);
}

#[tokio::test]
async fn a_busy_system_does_nothing_and_cannot_be_looked_at() {
    let stage = Stage::new();
    let disable = Scene::of(ActionKind::AccountDisable).expect("a scene");
    stage.company.set_knobs(disable.system, Knobs { error_rate: 1.0, ..Knobs::default() });
    assert!(matches!(stage.perform(&disable, 1).await, Err(ActionError::Retry { .. })));
    assert!(matches!(stage.observe(&disable).await, Err(ActionError::Retry { .. })));
    assert!(stage.entries().is_empty());
}

#[tokio::test]
async fn with_every_knob_turned_up_every_action_still_gets_there_with_one_effect() {
    let rough = Knobs {
        seed: 4,
        error_rate: 0.3,
        cut_before_rate: 0.3,
        cut_after_rate: 0.3,
        lie_rate: 0.3,
        ..Knobs::default()
    };
    for scene in countable() {
        let stage = Stage::new();
        stage.prepare(&scene).await;
        stage.company.set_knobs(scene.system, rough.clone());
        let mut fence = 1;
        while stage.perform(&scene, fence).await.is_err() {
            fence += 1;
            assert!(fence < 100, "{} never gets there", scene.action);
        }
        assert_eq!(stage.effects(&scene), 1, "{}", scene.action);
    }
}

#[tokio::test]
async fn knobs_of_the_description_count_and_own_ones_come_first() {
    let text = shipped::COMPANY
        .replace("error_rate = 0.0 ", "error_rate = 1.0 ")
        .replace("[systems.files]", "[systems.files.knobs]\nseed = 2\n\n[systems.files]");
    let folder = tempfile::tempdir().expect("a folder");
    let company = SandboxCompany::from_text(&text, &folder.path().join("ledger.jsonl")).expect("opens");
    let disable = Scene::on(ActionKind::AccountDisable, "directory", "u-0005", json!({}));
    let busy = company.system("directory").expect("a system").perform(&disable.call(1)).await;
    assert!(matches!(busy, Err(ActionError::Retry { .. })));
    let files = Scene::on(ActionKind::AccountDisable, "files", "f-0005", json!({}));
    company.system("files").expect("a system").perform(&files.call(1)).await.expect("is calm");
}
