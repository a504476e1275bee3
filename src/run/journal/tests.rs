//! The chain, the words apart, and the way back.

use super::*;
use crate::run::SkipReason;

fn chain_of(count: i64) -> Vec<Entry> {
    let mut previous = GENESIS.to_owned();
    (1..=count)
        .map(|seq| {
            let mut entry = Entry {
                run: 7,
                seq,
                at: 1_000 + seq,
                step: (seq > 1).then_some(seq),
                actor: "usher".into(),
                body: format!("{{\"n\":{seq}}}"),
                sealed: String::new(),
                hash: String::new(),
            };
            entry.hash = entry.chain(&previous);
            previous.clone_from(&entry.hash);
            entry
        })
        .collect()
}

#[test]
fn an_untouched_chain_verifies() {
    let chain = chain_of(5);
    assert_eq!(verify(&chain, 5, &chain[4].hash), Ok(()));
    assert_eq!(verify(&[], 0, GENESIS), Ok(()));
}

#[test]
fn every_kind_of_tampering_is_found_and_named() {
    let chain = chain_of(5);
    let head = chain[4].hash.clone();
    let edits: [fn(&mut Entry); 5] = [
        |e| e.body = "{}".into(),
        |e| e.actor = "mallory".into(),
        |e| e.at += 1,
        |e| e.step = None,
        |e| e.sealed = "x".into(),
    ];
    for edit in edits {
        let mut edited = chain.clone();
        edit(&mut edited[2]);
        assert_eq!(verify(&edited, 5, &head), Err(Broken::Changed { seq: 3 }));
    }
    let mut deleted = chain.clone();
    deleted.remove(2);
    assert_eq!(verify(&deleted, 5, &head), Err(Broken::Gap { expected: 3, found: 4 }));
    let mut swapped = chain.clone();
    swapped.swap(1, 2);
    assert_eq!(verify(&swapped, 5, &head), Err(Broken::Gap { expected: 2, found: 3 }));
    assert_eq!(verify(&chain[..4], 5, &head), Err(Broken::End { expected: 5, found: 4 }));
}

#[test]
fn personal_words_are_taken_out_and_put_back() {
    let fact = Fact::Step {
        change: StepEvent::Retried {
            fence: 2,
            due: Timestamp::UNIX_EPOCH,
            reason: "ada@example.org is over quota".into(),
        },
    };
    let (body, words) = split(&fact);
    assert!(!body.to_string().contains("ada@"), "{body}");
    assert_eq!(serde_json::from_value::<Fact>(join(body.clone(), Some(&words))).unwrap(), fact);
    assert!(join(body, None).to_string().contains(ERASED));
}

#[test]
fn several_facts_of_one_entry_keep_their_order_their_steps_and_their_words() {
    let ready = Fact::Step { change: StepEvent::Ready { due: Timestamp::UNIX_EPOCH } };
    let said = |order: &str, reason: &str| Fact::Ordered { order: order.into(), reason: reason.into() };
    let told = [(Some(3), said("retry", "Ada is back")), (None, said("pause", "")), (Some(0), ready)];
    let (body, words) = split(&told);
    assert!(!body.to_string().contains("Ada"), "{body}");
    let read = facts(join(body.clone(), Some(&words)), None);
    let read: Vec<(Option<i64>, Fact)> =
        read.into_iter().map(|(step, fact)| (step, serde_json::from_value(fact).unwrap())).collect();
    assert_eq!(read, told.clone().map(|(step, fact)| (step.map(i64::from), fact)));
    let erased = facts(join(body, None), None);
    assert_eq!(erased[0].1["reason"], ERASED);
    // As entries were written that say one thing each.
    let (alone, words) = split(&told[0].1);
    assert_eq!(facts(join(alone, Some(&words)), Some(3)), [(Some(3), serde_json::to_value(&told[0].1).unwrap())]);
}

#[test]
fn words_that_look_like_a_gap_come_back_as_they_were() {
    let inputs = serde_json::json!({ "sealed": 1, "note": { "sealed": 0 }, "reason": "moved abroad" });
    let fact = Fact::Started {
        workflow: "departure".into(),
        version: "0".repeat(64),
        subject: "person:1".into(),
        trigger: "cli".into(),
        start: Timestamp::UNIX_EPOCH,
        zone: "UTC".into(),
        inputs,
        steps: vec![],
        begun: Begun::default(),
    };
    let (body, words) = split(&fact);
    assert!(!body.to_string().contains("abroad"), "{body}");
    assert_eq!(serde_json::from_value::<Fact>(join(body, Some(&words))).unwrap(), fact);
}

/// A step with everything that a step may have, and one with what every step has.
fn planned() -> [PlannedStep; 2] {
    let full = PlannedStep {
        ordinal: 0,
        name: "delete.purge".into(),
        action: crate::workflow::ActionKind::AccountPurge,
        system: Some("crm".into()),
        account: Some(7),
        needs: vec![1],
        at: Some(LocalInstant {
            at: "2027-01-29T17:00:00Z".parse().unwrap(),
            local: "2027-01-29T18:00:00".parse().unwrap(),
            fold: crate::run::Fold::Gap,
        }),
        delay: Some(Span::parse("30 days").unwrap()),
        of: Some(1),
        undoes: Some(3),
        late: Some(crate::run::Lateness::Postponed),
        capability: crate::run::Capability::Manual("by hand".into()),
        when: Some("person.role == 'x'".into()),
        skip: Some(SkipReason::NotApplicable("no mailbox".into())),
    };
    let bare = PlannedStep {
        ordinal: 1,
        name: "note".into(),
        action: crate::workflow::ActionKind::AccountDisable,
        system: None,
        account: None,
        needs: vec![],
        at: None,
        delay: None,
        of: None,
        undoes: None,
        late: None,
        capability: crate::run::Capability::Supported,
        when: None,
        skip: None,
    };
    [full, bare]
}

fn started(steps: Vec<PlannedStep>) -> Fact {
    Fact::Started {
        workflow: "departure".into(),
        version: "0".repeat(64),
        subject: "person:1".into(),
        trigger: "cli".into(),
        start: Timestamp::UNIX_EPOCH,
        zone: "UTC".into(),
        inputs: serde_json::json!({}),
        steps,
        begun: Begun::default(),
    }
}

fn said(step: Option<u16>, fact: Fact) -> crate::run::book::Said {
    crate::run::book::Said { at: Timestamp::UNIX_EPOCH, step, actor: "usher".into(), fact }
}

#[test]
fn a_plan_is_kept_whole_without_what_goes_without_saying() {
    let fact = started(planned().to_vec());
    let (body, words) = split(&fact);
    assert_eq!(body["steps"][1], serde_json::json!({ "name": "note", "action": "account.disable" }));
    assert_eq!(serde_json::from_value::<Fact>(join(body, Some(&words))).unwrap(), fact);
}

#[test]
fn plans_of_older_versions_have_every_field_and_are_read_as_ever() {
    let fact = started(planned().to_vec());
    let mut body = serde_json::to_value(&fact).unwrap();
    body["steps"] = serde_json::to_value(planned()).unwrap();
    assert_eq!(body["steps"][1]["delay"], Value::Null, "as older versions wrote it");
    body.as_object_mut().unwrap().remove("begun");
    assert_eq!(serde_json::from_value::<Fact>(body).unwrap(), fact);
}

#[test]
fn what_becomes_of_steps_at_once_is_told_with_the_plan_up_to_the_first_other_fact() {
    let [mut timed, mut bare] = planned();
    timed.skip = None;
    bare.ordinal = 2;
    let left_out = PlannedStep { ordinal: 1, skip: Some(SkipReason::Late), ..timed.clone() };
    let own_time = timed.at.as_ref().unwrap().at;
    let plan = vec![timed, left_out, bare.clone(), PlannedStep { ordinal: 3, ..bare }];
    let (now, later) = (Timestamp::UNIX_EPOCH, "2027-02-01T00:00:00Z".parse().unwrap());
    let changes = [
        (1, StepEvent::Skipped { at: now, reason: SkipReason::Late }),
        (0, StepEvent::Ready { due: own_time }),
        (2, StepEvent::Ready { due: now }),
        // The plan does not give this reason, so it is told by itself, and so is what comes after it.
        (3, StepEvent::Skipped { at: now, reason: SkipReason::NotNeeded("another".into()) }),
        (2, StepEvent::Moved { due: later }),
    ];
    let mut told = vec![said(None, started(plan.clone()))];
    told.extend(changes.iter().map(|(step, change)| said(Some(*step), Fact::Step { change: change.clone() })));
    let states = |said: &[crate::run::book::Said]| {
        let facts = said.iter().zip(1..).map(|(said, seq)| (seq, said.step.map(usize::from), &said.fact));
        replay(facts).unwrap().steps
    };
    let before = states(&told);
    tell_with_the_plan(&mut told);
    assert_eq!(told.len(), 3, "{told:#?}");
    assert_eq!(states(&told), before);
    let Fact::Started { begun, .. } = &told[0].fact else { panic!("{told:#?}") };
    assert_eq!(begun.counts(), (1, 2));
    assert!(!serde_json::to_string(begun).unwrap().contains("2027-01-29"), "the plan has its time already");
}

#[test]
fn a_beginning_that_its_plan_does_not_bear_out_is_not_replayed() {
    let at = "1970-01-01T00:00:00Z";
    let beginnings = [
        (serde_json::json!({ "ready": [7] }), "does not have"),
        (serde_json::json!({ "ready": [1] }), "an instant that the plan does not have"),
        (serde_json::json!({ "skipped": { "at": at, "steps": [1] } }), "no reason"),
        (serde_json::json!({ "due": [{ "at": at, "steps": [1, 1] }] }), "cannot take `ready`"),
    ];
    for (begun, why) in beginnings {
        let mut fact = started(planned().to_vec());
        let Fact::Started { begun: slot, .. } = &mut fact else { panic!("{fact:?}") };
        *slot = serde_json::from_value(begun.clone()).unwrap();
        let error = replay([(1, None, &fact)]).unwrap_err();
        assert!(error.why.contains(why), "{begun}: {error}");
    }
}
