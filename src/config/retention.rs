//! `[retention]`: how long what is over stays among the rest.

use std::time::Duration;

use super::judge::Judge;
use crate::store::Store;
use crate::workflow::Span;

const DAY: u64 = 86_400;

/// Auditors ask for the year before, and for the one before that.
const DEFAULT: Duration = Duration::from_secs(730 * DAY);

/// What is never archived.
const FOR_EVER: &str = "for ever";

impl Judge<'_> {
    /// `None`: runs that are over are never archived.
    pub(super) fn finished_runs(&mut self) -> Option<Duration> {
        let Some(text) = self.merged.raw.retention.finished_runs.as_deref() else { return Some(DEFAULT) };
        match retention(text) {
            Ok(age) => age,
            Err(why) => {
                self.wrong("retention.finished_runs", why);
                Some(DEFAULT)
            }
        }
    }
}

/// How long finished runs are kept among the others: a span of calendar time, or `for ever` (`None`).
///
/// # Errors
/// In words, when the text is neither, or too short.
pub fn retention(text: &str) -> Result<Option<Duration>, String> {
    if text.trim() == FOR_EVER {
        return Ok(None);
    }
    let span = Span::parse(text).map_err(|why| format!("{why}, or `{FOR_EVER}`"))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some thousands of whole days")]
    let days = span.days() as u64;
    let age = Duration::from_secs(days * DAY);
    match (&span, age < Store::ARCHIVED_AT_THE_EARLIEST) {
        (Span::BusinessDays(_), _) => {
            Err(format!("`{text}`: business days do not count here; write `60 days` or `2 years`"))
        }
        (_, true) => {
            Err(format!("`{text}` is too short: until 30 days after its end, a run stays where guards look first"))
        }
        (_, false) => Ok(Some(age)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::judged;

    #[test]
    fn finished_runs_stay_two_years_or_as_long_as_is_written() {
        let days = |text: &str| judged(text).0.finished_runs.map(|age| age.as_secs() / DAY);
        assert_eq!(days(""), Some(730));
        assert_eq!(days("[retention]\nfinished_runs = \"30 days\""), Some(30));
        assert_eq!(days("[retention]\nfinished_runs = \"18 months\""), Some(546));
        assert_eq!(days("[retention]\nfinished_runs = \"for ever\""), None);
    }

    #[test]
    fn what_is_too_short_or_no_span_is_named() {
        for (text, named) in [
            ("29 days", "too short"),
            ("90 business days", "business days do not count"),
            ("soon", "not a span of time"),
            ("40 years", "longer than 30 years"),
            ("never", "or `for ever`"),
        ] {
            let (config, problems) = judged(&format!("[retention]\nfinished_runs = \"{text}\""));
            assert!(problems[0].contains("`retention.finished_runs`") && problems[0].contains(named), "{problems:?}");
            assert_eq!(config.finished_runs, Some(DEFAULT));
        }
    }
}
