//! What an answer of a directory means for an attempt: result codes of RFC 4511, 4.1.9 and appendix A.

use ldap3::{LdapError, LdapResult};

use crate::connectors::ActionError;

/// Codes of answers that something has to be made of.
pub(super) const SUCCESS: u32 = 0;
pub(super) const SIZE_LIMIT: u32 = 4;
pub(super) const NO_SUCH_ATTRIBUTE: u32 = 16;
pub(super) const VALUE_EXISTS: u32 = 20;
pub(super) const NO_SUCH_OBJECT: u32 = 32;
pub(super) const INVALID_CREDENTIALS: u32 = 49;
pub(super) const NO_RIGHT: u32 = 50;
pub(super) const UNWILLING: u32 = 53;
pub(super) const OBJECT_CLASS_VIOLATION: u32 = 65;
pub(super) const ENTRY_EXISTS: u32 = 68;

/// Whether what was asked for may have been done although no answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// It only looks: nothing can have changed.
    Looks,
    /// It changes something.
    Changes,
}

/// The server's own words: `insufficientAccess (50): no write access to parent`.
pub(super) fn words(result: &LdapResult) -> String {
    // The library writes `rc=50 (insufficientAccessRights), dn: "…", text: "…"`; the name of an entry is no word for a journal.
    let whole = result.to_string();
    let name = whole.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map_or("unknown", |(name, _)| name);
    let text = result.text.trim().trim_end_matches('\0');
    match text {
        "" => format!("{name} ({})", result.rc),
        text => format!("{name} ({}): {text}", result.rc),
    }
}

/// Whether the connection itself may be what is wrong: nobody is signed in on it any more, or the server goes away.
pub(super) const fn needs_another_connection(rc: u32) -> bool {
    matches!(rc, 1 | INVALID_CREDENTIALS | 52)
}

/// What an answer with this code means. An answer that is no success changed nothing (RFC 4511, 4.6 and others: an
/// operation is done whole or not at all); a code that nobody knows may mean anything.
pub(super) fn of_result(host: &str, result: &LdapResult, effect: Effect) -> ActionError {
    let said = format!("{host}: {}", words(result));
    match result.rc {
        // Signed out, busy, unavailable, an internal error, an assertion that no longer holds: another attempt, perhaps on another
        // connection, may find it otherwise. An own password that is refused is mended in the configuration.
        1 | 3 | 49 | 51 | 52 | 80 | 122 => ActionError::retry(said),
        4 | 11 => ActionError::fail(format!(
            "{said}; the server lets usher's user read too little at once: raise its limits there, or lower `page`"
        )),
        10 => ActionError::fail(format!(
            "{said}; the server sends us elsewhere ({}): name that one in `url`",
            result.refs.join(", ")
        )),
        2 | 7 | 8 | 12..=21 | 32..=36 | 48 | 50 | 53 | 54 | 64..=69 | 71 => ActionError::fail(said),
        _ if effect == Effect::Looks => ActionError::retry(said),
        _ => ActionError::unknown(said),
    }
}

/// What an answer that never came means. What could not even be handed to the connection was never sent.
pub(super) fn of_cut(host: &str, error: &LdapError, effect: Effect) -> ActionError {
    let said = match error {
        LdapError::Timeout { .. } => format!("{host} did not answer in time"),
        error => format!("{host}: the connection was lost before its answer came ({error})"),
    };
    match (error, effect) {
        (_, Effect::Looks) | (LdapError::OpSend { .. } | LdapError::FilterParsing | LdapError::AddNoValues, _) => {
            ActionError::retry(said)
        }
        _ => ActionError::unknown(said),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(rc: u32, text: &str) -> LdapResult {
        LdapResult { rc, matched: String::new(), text: text.to_owned(), refs: vec![], ctrls: vec![] }
    }

    #[test]
    fn codes_are_retry_fail_or_unknown_with_the_servers_words() {
        for (rc, kind) in [
            (51, "retry"),
            (52, "retry"),
            (80, "retry"),
            (122, "retry"),
            (50, "fail"),
            (19, "fail"),
            (53, "fail"),
            (65, "fail"),
            (68, "fail"),
            (10, "fail"),
            (4711, "unknown"),
        ] {
            let error = of_result("ldap", &answer(rc, "its own words"), Effect::Changes);
            let found = match &error {
                ActionError::Retry { .. } => "retry",
                ActionError::Fail { .. } => "fail",
                ActionError::Unknown { .. } => "unknown",
            };
            assert_eq!(found, kind, "{rc}: {error}");
            assert!(error.to_string().contains("its own words"), "{error}");
        }
        let look = of_result("ldap", &answer(4711, ""), Effect::Looks);
        assert!(matches!(look, ActionError::Retry { .. }), "a look changes nothing");
    }

    #[test]
    fn an_answer_that_never_came_is_unknown_only_where_something_may_have_changed() {
        let cut = || LdapError::EndOfStream;
        assert!(matches!(of_cut("ldap", &cut(), Effect::Changes), ActionError::Unknown { .. }));
        assert!(matches!(of_cut("ldap", &cut(), Effect::Looks), ActionError::Retry { .. }));
    }
}
