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
