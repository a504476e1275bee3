//! The chain, the words apart, and the way back.

use super::*;

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
    };
    let (body, words) = split(&fact);
    assert!(!body.to_string().contains("abroad"), "{body}");
    assert_eq!(serde_json::from_value::<Fact>(join(body, Some(&words))).unwrap(), fact);
}
