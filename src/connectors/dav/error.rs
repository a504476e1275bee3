//! What an answer of a WebDAV server means for an attempt (RFC 9110 §15, RFC 4918 §11), and what none means.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

use crate::connectors::ActionError;
use crate::connectors::declared::one_line;
use crate::connectors::http::verdict;
use crate::outbound::chain;

/// Whether what was asked for may have been done although no answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// It only looks: nothing can have changed.
    Looks,
    /// It changes something.
    Changes,
}

impl Effect {
    /// Nobody knows what has become of it, which for a look is only a reason to look again.
    pub(super) fn in_doubt(self, why: impl std::fmt::Display) -> ActionError {
        match self {
            Self::Looks => ActionError::retry(why),
            Self::Changes => ActionError::unknown(why),
        }
    }
}

/// An answer that was read to its end.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// The beginning of the body, for messages, without secrets; empty for pages that are for browsers.
    pub(super) words: String,
    /// What was asked, for messages: `MOVE at dav.example.org`.
    pub(super) asked: String,
}

impl Answer {
    pub(super) fn is_good(&self) -> bool {
        (200..300).contains(&self.status) && !self.tells_of_parts()
    }

    /// Only some of it was done, or not even that (RFC 4918 §9.8.5).
    pub(super) fn tells_of_parts(&self) -> bool {
        self.status == 207
    }

    /// There is nothing.
    pub(super) fn is_absent(&self) -> bool {
        matches!(self.status, 404 | 410)
    }

    /// The server's own words.
    pub(super) fn said(&self) -> String {
        let reason = StatusCode::from_u16(self.status).ok().and_then(|status| status.canonical_reason());
        let words = if self.words.is_empty() { String::new() } else { format!(": {}", self.words) };
        format!("{}: HTTP {} {}{words}", self.asked, self.status, reason.unwrap_or_default())
    }

    /// What an answer means that is none of those the caller can do something with.
    pub(super) fn refused(&self, effect: Effect) -> ActionError {
        let said = self.said();
        match self.status {
            // Not taken in hand: too slow, locked by somebody (RFC 4918 §11.3), too early, too many, out of service.
            408 | 423 | 425 | 429 | 503 => ActionError::Retry { reason: said, after: self.asked_to_wait() },
            // It does not even take the place for one.
            400 | 414 => ActionError::fail(said),
            // Mended in the configuration, or on the server: nothing has been done.
            401 => ActionError::retry(format!("{said}; the server does not take usher's user or password")),
            _ if effect == Effect::Looks => ActionError::retry(said),
            300..=399 => ActionError::fail(format!("{said} (redirects are not followed)")),
            400..=499 | 501 | 505 => ActionError::fail(said),
            // Something broke on the way: before the effect, after it, or in the middle of it.
            _ => ActionError::unknown(said),
        }
    }

    fn asked_to_wait(&self) -> Option<Duration> {
        let header = |name| self.headers.get(name).and_then(|value| value.to_str().ok());
        verdict::wait(header(RETRY_AFTER)?, header(DATE))
    }
}

/// What it means that no answer came.
pub(super) fn of_cut(asked: &str, error: reqwest::Error, effect: Effect) -> ActionError {
    let (connecting, building) = (error.is_connect(), error.is_builder());
    let said = format!("{asked}: {}", one_line(&chain(&error.without_url())));
    match effect {
        // Nothing has left the house.
        _ if connecting => ActionError::retry(said),
        Effect::Changes if building => ActionError::fail(said),
        effect => effect.in_doubt(said),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16) -> Answer {
        let (words, asked) = ("its words".to_owned(), "MOVE at dav".to_owned());
        Answer { status, headers: HeaderMap::new(), body: Vec::new(), words, asked }
    }

    #[test]
    fn a_status_says_whether_there_was_an_effect() {
        for (statuses, meaning) in [
            (&[408, 423, 425, 429, 503, 401][..], "retry"),
            (&[301, 400, 403, 404, 405, 409, 412, 415, 501], "fail"),
            (&[207, 424 + 76, 500, 502, 504, 507, 599], "unknown"),
        ] {
            for status in statuses {
                let found = match answer(*status).refused(Effect::Changes) {
                    ActionError::Retry { reason, .. } => ("retry", reason),
                    ActionError::Fail { reason } => ("fail", reason),
                    ActionError::Unknown { reason } => ("unknown", reason),
                };
                assert_eq!(found.0, meaning, "{status}");
                assert!(found.1.contains("its words"), "{found:?}");
            }
        }
        for status in [301, 403, 500, 502, 507] {
            let look = answer(status).refused(Effect::Looks);
            assert!(matches!(look, ActionError::Retry { .. }), "a look changes nothing: {status}");
        }
    }

    #[test]
    fn a_server_says_how_long_to_stay_away() {
        let mut busy = answer(503);
        busy.headers.insert(RETRY_AFTER, "120".parse().unwrap());
        let ActionError::Retry { after, .. } = busy.refused(Effect::Changes) else { panic!() };
        assert_eq!(after, Some(Duration::from_secs(120)));
    }
}
