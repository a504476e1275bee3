//! Every state meets every event: the listed pairs pass, all others are refused.

use super::*;
use crate::run::EvidenceKind;

const DUE: Timestamp = Timestamp::UNIX_EPOCH;

fn evidence() -> Evidence {
    Evidence { kind: EvidenceKind::ReadBack, detail: "seen".into() }
}

fn words() -> String {
    "words".into()
}

/// A state of each kind, both ways of leased and held, by the name the table below uses.
fn states() -> Vec<(&'static str, StepState)> {
    let held = |observe| StepState::Held { reason: HoldReason::Late, observe };
    vec![
        ("blocked", StepState::Blocked),
        ("waiting", StepState::Waiting { due: DUE }),
        ("leased", StepState::Leased { fence: 3, observe: false }),
        ("leased?", StepState::Leased { fence: 3, observe: true }),
        ("unknown", StepState::Unknown { due: DUE }),
        ("done", StepState::Done { at: DUE, evidence: evidence() }),
        ("failed", StepState::Failed { at: DUE, reason: words() }),
        ("held", held(false)),
        ("held?", held(true)),
        ("awaiting_approval", StepState::AwaitingApproval),
        ("awaiting_person", StepState::AwaitingPerson { instruction: words() }),
        ("skipped", StepState::Skipped { at: DUE, reason: SkipReason::Late }),
        ("cancelled", StepState::Cancelled),
    ]
}

fn events() -> Vec<StepEvent> {
    use StepEvent as E;
    vec![
        E::Ready { due: DUE },
        E::Moved { due: DUE },
        E::Reblocked,
        E::Claimed { fence: 3 },
        E::Returned { fence: 3, due: DUE },
        E::Completed { fence: 3, at: DUE, evidence: evidence() },
        E::Retried { fence: 3, due: DUE, reason: words() },
        E::Lost { fence: 3, due: DUE, reason: words() },
        E::Failed { fence: 3, at: DUE, reason: words() },
        E::Held { reason: HoldReason::Late },
        E::Released { due: DUE },
        E::ApprovalAsked,
        E::PersonAsked { instruction: words() },
        E::PersonDone { at: DUE, evidence: evidence() },
        E::Refused { at: DUE, reason: words() },
        E::Skipped { at: DUE, reason: SkipReason::Late },
        E::Cancelled,
    ]
}

/// Every legal transition: state, event, the state after it. `?` marks that the target is observed first.
const LEGAL: &str = "
    blocked            ready           waiting
    blocked            held            held
    blocked            skipped         skipped
    blocked            cancelled       cancelled
    waiting            moved           waiting
    waiting            reblocked       blocked
    waiting            claimed         leased
    waiting            held            held
    waiting            approval_asked  awaiting_approval
    waiting            person_asked    awaiting_person
    waiting            skipped         skipped
    waiting            cancelled       cancelled
    leased             returned        waiting
    leased             completed       done
    leased             retried         waiting
    leased             lost            unknown
    leased             failed          failed
    leased             held            held
    leased             person_asked    awaiting_person
    leased             skipped         skipped
    leased?            returned        unknown
    leased?            completed       done
    leased?            retried         waiting
    leased?            lost            unknown
    leased?            failed          failed
    leased?            held            held?
    leased?            person_asked    awaiting_person
    leased?            skipped         skipped
    unknown            moved           unknown
    unknown            claimed         leased?
    unknown            held            held?
    unknown            skipped         skipped
    unknown            cancelled       cancelled
    done               approval_asked  awaiting_approval
    done               reblocked       blocked
    failed             released        waiting
    failed             approval_asked  awaiting_approval
    failed             skipped         skipped
    held               held            held
    held               released        waiting
    held               reblocked       blocked
    held               skipped         skipped
    held               cancelled       cancelled
    held?              held            held?
    held?              released        unknown
    held?              skipped         skipped
    held?              cancelled       cancelled
    awaiting_approval  person_done     done
    awaiting_approval  held            held
    awaiting_approval  reblocked       blocked
    awaiting_approval  refused         failed
    awaiting_approval  skipped         skipped
    awaiting_approval  cancelled       cancelled
    awaiting_person    person_done     done
    awaiting_person    held            held
    awaiting_person    reblocked       blocked
    skipped            reblocked       blocked
    awaiting_person    refused         failed
    awaiting_person    skipped         skipped
    awaiting_person    cancelled       cancelled
";

#[test]
fn the_table_of_transitions_is_this_one_and_no_other() {
    let states = states();
    let name = |state: &StepState| states.iter().find(|(_, known)| known == state).map_or("?", |(name, _)| name);
    let mut told = Vec::new();
    for (from, state) in &states {
        for event in events() {
            match state.next(&event) {
                Ok(to) => told.push(format!("{from} {} {}", event.as_str(), name(&to))),
                Err(refused) => assert_eq!((refused.state, refused.event), (state.as_str(), event.as_str())),
            }
        }
    }
    let lines = LEGAL.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    let legal: Vec<String> = lines.filter(|line| !line.is_empty()).collect();
    let mut sorted = (told, legal);
    sorted.0.sort();
    sorted.1.sort();
    assert_eq!(sorted.0, sorted.1);
}

#[test]
fn an_outcome_of_another_attempt_is_refused() {
    for observe in [false, true] {
        let leased = StepState::Leased { fence: 4, observe };
        for event in events() {
            let of_attempt_3 = matches!(
                event,
                StepEvent::Returned { .. }
                    | StepEvent::Completed { .. }
                    | StepEvent::Retried { .. }
                    | StepEvent::Lost { .. }
                    | StepEvent::Failed { .. }
            );
            assert!(!of_attempt_3 || leased.next(&event).is_err(), "{event:?}");
        }
    }
}

#[test]
fn transitions_carry_the_data_of_their_events() {
    let later = Timestamp::from_millisecond(5).unwrap();
    let leased = StepState::Waiting { due: DUE }.next(&StepEvent::Claimed { fence: 9 }).unwrap();
    assert_eq!(leased, StepState::Leased { fence: 9, observe: false });
    let again = StepEvent::Retried { fence: 9, due: later, reason: words() };
    assert_eq!(leased.next(&again).unwrap().due(), Some(later));
    let lost = leased.next(&StepEvent::Lost { fence: 9, due: later, reason: words() }).unwrap();
    assert_eq!(lost, StepState::Unknown { due: later });
    let held = StepState::Unknown { due: later }.next(&StepEvent::Held { reason: HoldReason::Paused }).unwrap();
    let replaced = held.next(&StepEvent::Held { reason: HoldReason::Late }).unwrap();
    assert_eq!(replaced, StepState::Held { reason: HoldReason::Late, observe: true });
}

#[test]
fn only_what_can_be_claimed_has_a_due_time_and_only_endings_are_final() {
    for (name, state) in states() {
        let claimable = state.next(&StepEvent::Claimed { fence: 3 }).is_ok();
        assert_eq!(state.due().is_some(), claimable, "{name}");
        assert_eq!(state.is_final(), ["done", "failed", "skipped", "cancelled"].contains(&name), "{name}");
        let stored: StepState = serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
        assert_eq!(stored, state);
    }
}

#[test]
fn what_a_person_left_out_or_nobody_needs_stays_left_out() {
    for reason in [SkipReason::ByPerson(words()), SkipReason::NotApplicable(words())] {
        assert!(StepState::Skipped { at: DUE, reason }.next(&StepEvent::Reblocked).is_err());
    }
}

#[test]
fn states_of_runs_have_one_word_each() {
    for state in RunState::ALL {
        assert_eq!(RunState::from_name(state.as_str()), Some(state));
    }
    assert_eq!(RunState::ALL.iter().filter(|state| state.is_over()).count(), 3);
    assert_eq!(RunState::from_name("done"), None);
}
