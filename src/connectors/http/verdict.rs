//! What an answer means: done, again later, never, or nobody knows.

use std::time::Duration;

use jiff::fmt::rfc2822;
use serde_json::{Map, Value};

use super::client::Answer;
use super::settings::ActionRequest;
use crate::connectors::declared::Condition;
use crate::connectors::{ActionError, Observation};
use crate::run::{Evidence, EvidenceKind};

/// Judges the answer to a request that was to change something: what the declaration says first, then the status.
pub(super) fn of_a_change(
    request: &ActionRequest,
    answer: &Answer,
    facts: &Map<String, Value>,
) -> Result<(), ActionError> {
    let facts = answer.facts(facts);
    let holds = |condition: &Condition| {
        condition.holds(&facts).map_err(|why| {
            ActionError::unknown(format!("the answer does not fit `{}` ({why}): {}", condition.source(), answer.said()))
        })
    };
    if let Some(retry) = &request.retry
        && holds(retry)?
    {
        return Err(ActionError::Retry { reason: answer.said(), after: asked_to_wait(answer) });
    }
    if let Some(fail) = &request.fail
        && holds(fail)?
    {
        return Err(ActionError::fail(answer.said()));
    }
    let good = (200..300).contains(&answer.status);
    match &request.done {
        Some(done) if good || done.asks_for("status") => {
            if holds(done)? {
                return Ok(());
            }
            if good {
                let what = format!("the answer is not what `{}` asks for: {}", done.source(), answer.said());
                return Err(ActionError::unknown(what));
            }
        }
        _ if good => return Ok(()),
        _ => {}
    }
    Err(by_status(answer))
}

/// Judges the answer to a request of which nothing is declared.
pub(super) fn of_a_request(answer: &Answer) -> Result<(), ActionError> {
    if (200..300).contains(&answer.status) { Ok(()) } else { Err(by_status(answer)) }
}

/// What a status means that is no success (RFC 9110 §15, RFC 6585, RFC 8470).
pub(in crate::connectors) fn by_status(answer: &Answer) -> ActionError {
    let said = answer.said();
    match answer.status {
        // Not taken in hand: too slow, too early, too many, or out of service.
        408 | 425 | 429 | 503 => ActionError::Retry { reason: said, after: asked_to_wait(answer) },
        300..=399 => ActionError::fail(format!("{said} (redirects are not followed)")),
        // 501, 505: it does not know what it was asked.
        400..=499 | 501 | 505 => ActionError::fail(said),
        // Something broke on the way: before the effect, or after it.
        _ => ActionError::unknown(said),
    }
}

/// Judges the answer to a look.
pub(super) fn of_a_look(
    reached: &Condition,
    shown: &str,
    answer: &Answer,
    facts: &Map<String, Value>,
) -> Result<Observation, ActionError> {
    if !(200..300).contains(&answer.status) && !reached.asks_for("status") {
        return Err(unreadable(answer));
    }
    match reached.holds(&answer.facts(facts)) {
        Ok(true) => {
            let detail = format!("`{shown}` answers {}, and `{}` holds", answer.status, reached.source());
            Ok(Observation::Reached(Evidence { kind: EvidenceKind::ReadBack, detail }))
        }
        Ok(false) if (200..300).contains(&answer.status) => {
            Ok(Observation::NotReached(format!("`{}` does not hold", reached.source())))
        }
        Ok(false) => Err(unreadable(answer)),
        Err(why) => Err(ActionError::retry(format!(
            "the answer does not fit `{}` ({why}): {}",
            reached.source(),
            answer.said()
        ))),
    }
}

/// Why a look shows nothing: only "not found" and "gone" are an answer about the account; anything else may pass.
pub(in crate::connectors) fn unreadable(answer: &Answer) -> ActionError {
    match answer.status {
        404 | 410 => ActionError::fail(format!("there is no such account: {}", answer.said())),
        _ => ActionError::Retry { reason: answer.said(), after: asked_to_wait(answer) },
    }
}

/// `Retry-After`, as an answer says it.
pub(in crate::connectors) fn asked_to_wait(answer: &Answer) -> Option<Duration> {
    wait(answer.headers.get("retry-after")?, answer.headers.get("date").map(String::as_str))
}

/// `Retry-After`, in seconds or as a date (RFC 9110 §10.2.3). A date counts from the answer's own `Date`.
pub(in crate::connectors) fn wait(after: &str, date: Option<&str>) -> Option<Duration> {
    let after = after.trim();
    if let Ok(seconds) = after.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let instant = |text: &str| rfc2822::parse(text).ok().map(|at| at.timestamp());
    let (until, from) = (instant(after)?, instant(date?)?);
    Duration::try_from(until.duration_since(from)).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(status: u16, body: Value) -> Answer {
        Answer { status, words: body.to_string(), body, headers: Default::default() }
    }

    fn judged(declared: &str, answer: &Answer) -> Result<(), ActionError> {
        let request: ActionRequest = toml::from_str(&format!("url = \"x\"\n{declared}")).unwrap();
        of_a_change(&request, answer, &Map::new())
    }

    fn word(outcome: &Result<(), ActionError>) -> &'static str {
        match outcome {
            Ok(()) => "done",
            Err(ActionError::Retry { .. }) => "retry",
            Err(ActionError::Fail { .. }) => "fail",
            Err(ActionError::Unknown { .. }) => "unknown",
        }
    }

    #[test]
    fn a_status_says_whether_there_was_an_effect() {
        for (statuses, meaning) in [
            (&[200, 201, 202, 204][..], "done"),
            (&[408, 425, 429, 503], "retry"),
            (&[301, 302, 307, 308, 400, 401, 403, 404, 409, 410, 412, 422, 451, 501, 505], "fail"),
            (&[500, 502, 504, 507, 520, 101], "unknown"),
        ] {
            for status in statuses {
                assert_eq!(word(&judged("", &answer(*status, json!({})))), meaning, "{status}");
            }
        }
        let Err(ActionError::Fail { reason }) = judged("", &answer(403, json!("no right"))) else { panic!() };
        assert_eq!(reason, "HTTP 403 Forbidden: \"no right\"");
    }

    #[test]
    fn what_is_declared_comes_before_the_status() {
        let body = |state: &str| json!({ "state": state });
        let declared =
            "done = \"body.state == 'off'\"\nretry = \"body.state == 'busy'\"\nfail = \"body.state == 'never'\"";
        for (state, meaning) in [("off", "done"), ("busy", "retry"), ("never", "fail"), ("what", "unknown")] {
            assert_eq!(word(&judged(declared, &answer(200, body(state)))), meaning, "{state}");
        }
        assert_eq!(word(&judged(declared, &answer(200, json!({})))), "unknown", "another form than was declared");
        let gone = "done = \"status in [204, 404]\"";
        assert_eq!(word(&judged(gone, &answer(404, json!({})))), "done");
        assert_eq!(word(&judged(gone, &answer(403, json!({})))), "fail");
        assert_eq!(word(&judged(gone, &answer(200, json!({})))), "unknown");
    }

    #[test]
    fn a_target_says_how_long_to_stay_away() {
        let waits = |after: &str| {
            let headers = [("retry-after", after), ("date", "Sun, 06 Nov 1994 08:49:37 GMT")];
            let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
            let answer = Answer { headers: headers.into(), ..answer(429, Value::Null) };
            match judged("", &answer) {
                Err(ActionError::Retry { after, .. }) => after.map(|after| after.as_secs()),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!((waits("120"), waits("Sun, 06 Nov 1994 08:50:07 GMT")), (Some(120), Some(30)));
        assert_eq!((waits("soon"), waits("Sun, 06 Nov 1994 08:49:07 GMT")), (None, None));
    }

    #[test]
    fn a_look_that_shows_nothing_is_no_answer_about_the_goal() {
        let look = |condition: &str, answer: &Answer| {
            let condition = Condition::try_from(condition.to_owned()).unwrap();
            of_a_look(&condition, "GET x", answer, &Map::new())
        };
        let off = "body.active == false";
        assert!(matches!(look(off, &answer(200, json!({ "active": false }))), Ok(Observation::Reached(_))));
        assert!(matches!(look(off, &answer(200, json!({ "active": true }))), Ok(Observation::NotReached(_))));
        assert!(matches!(look(off, &answer(200, json!({}))), Err(ActionError::Retry { .. })));
        assert!(matches!(look(off, &answer(404, json!({}))), Err(ActionError::Fail { .. })));
        for status in [302, 401, 403, 429, 500, 503] {
            assert!(matches!(look(off, &answer(status, json!({}))), Err(ActionError::Retry { .. })), "{status}");
        }
        let gone = "status == 404";
        assert!(matches!(look(gone, &answer(404, json!({}))), Ok(Observation::Reached(_))));
        assert!(matches!(look(gone, &answer(200, json!({}))), Ok(Observation::NotReached(_))));
        assert!(matches!(look(gone, &answer(500, json!({}))), Err(ActionError::Retry { .. })));
    }
}
