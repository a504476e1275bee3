//! How badly the simulated systems behave: latency, errors, cuts, lies. Drawn from a seed, never from timing.

use std::time::Duration;

use serde::Deserialize;

use super::digest;

/// The misbehaviour of one simulated system. Rates go from 0 (never) to 1 (always); all of it is off by default.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Knobs {
    /// Another seed gives other accidents.
    pub seed: u64,
    /// Real milliseconds every request takes.
    pub latency_ms: u64,
    /// Requests refused for now, without effect.
    pub error_rate: f64,
    /// Requests cut before they had their effect.
    pub cut_before_rate: f64,
    /// Requests cut after they had their effect.
    pub cut_after_rate: f64,
    /// Requests answered with success that did nothing.
    pub lie_rate: f64,
    /// Requests whose answer takes `slow_ms` more, after their effect.
    pub slow_rate: f64,
    /// Real milliseconds a slow answer takes.
    pub slow_ms: u64,
}

/// What becomes of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fate {
    pub(super) refused: bool,
    pub(super) cut_before: bool,
    pub(super) cut_after: bool,
    pub(super) lie: bool,
    pub(super) latency: Duration,
    pub(super) slow: Duration,
}

impl Knobs {
    /// What is wrong with the figures, if anything.
    pub(super) fn mistake(&self) -> Option<String> {
        let rates = [
            ("error_rate", self.error_rate),
            ("cut_before_rate", self.cut_before_rate),
            ("cut_after_rate", self.cut_after_rate),
            ("lie_rate", self.lie_rate),
            ("slow_rate", self.slow_rate),
        ];
        let (name, rate) = rates.into_iter().find(|(_, rate)| !(0.0..=1.0).contains(rate))?;
        Some(format!("knob `{name}` is {rate}, but a rate goes from 0 to 1"))
    }

    /// The fate of attempt `fence` at `key` on `system`; the same every time it is asked.
    pub(super) fn fate(&self, system: &str, key: &str, fence: i64) -> Fate {
        let strikes = |what: &str, rate: f64| rate > 0.0 && self.draw(&[what, system, key, &fence.to_string()]) < rate;
        let slow = strikes("slow", self.slow_rate);
        Fate {
            refused: strikes("error", self.error_rate),
            cut_before: strikes("cut before", self.cut_before_rate),
            cut_after: strikes("cut after", self.cut_after_rate),
            lie: strikes("lie", self.lie_rate),
            latency: Duration::from_millis(self.latency_ms),
            slow: Duration::from_millis(if slow { self.slow_ms } else { 0 }),
        }
    }

    /// Whether the look before attempt `fence` fails.
    pub(super) fn blind(&self, system: &str, key: &str, fence: i64) -> bool {
        self.error_rate > 0.0 && self.draw(&["look", system, key, &fence.to_string()]) < self.error_rate
    }

    /// A number in [0, 1) that depends on the seed and `parts` alone.
    fn draw(&self, parts: &[&str]) -> f64 {
        let seed = self.seed.to_string();
        let all: Vec<&str> = std::iter::once(seed.as_str()).chain(parts.iter().copied()).collect();
        let [a, b, c, d, ..] = digest::of_parts(&all);
        f64::from(u32::from_be_bytes([a, b, c, d])) / (f64::from(u32::MAX) + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_of_one_always_strikes_and_zero_never() {
        let always = Knobs { error_rate: 1.0, lie_rate: 1.0, ..Knobs::default() };
        let fate = always.fate("mailhost", "run_1/disable/mailhost", 3);
        assert!(fate.refused && fate.lie && !fate.cut_before && !fate.cut_after);
    }

    #[test]
    fn the_same_attempt_meets_the_same_fate_and_half_of_them_strike() {
        let half = Knobs { seed: 9, cut_after_rate: 0.5, ..Knobs::default() };
        let struck = |fence| half.fate("files", "k", fence).cut_after;
        assert!((0..50).all(|fence| struck(fence) == struck(fence)));
        let count = (0..1000).filter(|fence| struck(*fence)).count();
        assert!((400..600).contains(&count), "{count} of 1000");
    }

    #[test]
    fn a_rate_beyond_one_is_named() {
        let wrong = Knobs { lie_rate: 1.5, ..Knobs::default() };
        assert_eq!(wrong.mistake().as_deref(), Some("knob `lie_rate` is 1.5, but a rate goes from 0 to 1"));
        assert!(Knobs { lie_rate: f64::NAN, ..Knobs::default() }.mistake().is_some());
    }
}
