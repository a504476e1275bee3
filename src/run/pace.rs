//! How fast a system is asked: how many attempts may be under way there at once, and how many may start within a second,
//! a minute or an hour, pages of readings with them. Pure: what has started in, an answer out; the store counts in the claim's own transaction.
//!
//! Within any span as long as the window no more start than the rate says: what has started is remembered, not guessed
//! from an average.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Attempts that a real system gets at once where nothing says otherwise.
pub const AT_ONCE: u32 = 16;

/// The most that may start within a window, or be under way.
const MOST: u32 = 1_000_000;

/// Starts so near to each other are remembered as one instant, the later one: a part of the window.
const PARTS: i64 = 200;

/// The limits of one system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// Attempts under way at once.
    pub at_once: Option<u32>,
    /// Attempts that start within a window.
    pub rate: Option<Rate>,
}

/// So many within a window that rolls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub starts: u32,
    /// How long the window is.
    pub per: Duration,
}

impl Rate {
    /// Reads `120/min`; `s`, `min` and `h` are known.
    ///
    /// # Errors
    /// What is wrong with it, and what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("`{text}` is no rate: {why}; write `120/min`, `5/s` or `1000/h`");
        let (starts, per) = text.split_once('/').ok_or_else(|| wrong("it says nothing of a time"))?;
        let per = match per.trim() {
            "s" => 1,
            "min" => 60,
            "h" => 3600,
            _ => return Err(wrong("the time is none of `s`, `min`, `h`")),
        };
        let starts = starts.trim().parse().map_err(|_| wrong("it does not begin with a whole number"))?;
        if !(1..=MOST).contains(&starts) {
            return Err(wrong("it allows nothing; `usher freeze` stops a system for a while"));
        }
        Ok(Self { starts, per: Duration::from_secs(per) })
    }

    fn millis(self) -> i64 {
        i64::try_from(self.per.as_millis()).unwrap_or(i64::MAX)
    }

    /// In which part of a window an instant is.
    fn part(self, at: i64) -> i64 {
        at.div_euclid((self.millis() / PARTS).max(1))
    }
}

impl Pace {
    /// How many may be under way.
    ///
    /// # Errors
    /// What would be right.
    pub fn at_once(number: i64) -> Result<u32, String> {
        let most = i64::from(MOST);
        u32::try_from(number)
            .ok()
            .filter(|_| (1..=most).contains(&number))
            .ok_or_else(|| format!("{number} is not between 1 and {most}; `usher freeze` stops a system for a while"))
    }

    /// Whether it says anything.
    pub fn is_limited(&self) -> bool {
        self.at_once.is_some() || self.rate.is_some()
    }

    /// How many more may start now, where so many are `under_way`.
    pub fn room(&self, starts: &Starts, under_way: u32) -> u32 {
        let hands = self.at_once.map_or(u32::MAX, |most| most.saturating_sub(under_way));
        let rate = self.rate.map_or(u32::MAX, |rate| rate.starts.saturating_sub(starts.count()));
        hands.min(rate)
    }

    /// When the rate lets another one start; `None` where it does now.
    pub fn next(&self, starts: &Starts) -> Option<Timestamp> {
        let rate = self.rate?;
        // As many of the oldest must be over as there are too many.
        let mut over = i64::from(starts.count()) - i64::from(rate.starts) + 1;
        for (at, number) in &starts.0 {
            if over <= 0 {
                break;
            }
            over -= i64::from(*number);
            if over <= 0 {
                return Timestamp::from_millisecond(at.saturating_add(rate.millis())).ok();
            }
        }
        None
    }
}

/// What has started within the window: when (epoch milliseconds), and how many; the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Starts(Vec<(i64, u32)>);

impl Starts {
    /// What of it is within the window now. What seems to be still to come, because the clock was set back, has started by now.
    #[must_use]
    pub fn within(mut self, pace: &Pace, now: Timestamp) -> Self {
        let (now, window) = (now.as_millisecond(), pace.rate.map_or(0, Rate::millis));
        for (at, _) in &mut self.0 {
            *at = (*at).min(now);
        }
        self.0.retain(|(at, _)| at.saturating_add(window) > now);
        self
    }

    /// How many.
    pub fn count(&self) -> u32 {
        self.0.iter().fold(0, |sum, (_, number)| sum.saturating_add(*number))
    }

    /// So many more have started.
    pub fn add(&mut self, pace: &Pace, now: Timestamp, number: u32) {
        let Some(rate) = pace.rate.filter(|_| number > 0) else { return };
        let now = now.as_millisecond();
        match self.0.last_mut() {
            // Remembered as later than it was, it counts for longer: never for less.
            Some((at, last)) if rate.part(*at) == rate.part(now) => {
                *at = now;
                *last = last.saturating_add(number);
            }
            _ => self.0.push((now, number)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(millis).unwrap()
    }

    fn paced(at_once: Option<u32>, rate: Option<&str>) -> Pace {
        Pace { at_once, rate: rate.map(|rate| Rate::parse(rate).unwrap()) }
    }

    #[test]
    fn rates_are_read() {
        let rate = |starts, secs| Rate { starts, per: Duration::from_secs(secs) };
        assert_eq!(Rate::parse("120/min"), Ok(rate(120, 60)));
        assert_eq!((Rate::parse(" 5 / s "), Rate::parse("1000/h")), (Ok(rate(5, 1)), Ok(rate(1000, 3600))));
        for wrong in ["", "120", "0/min", "-1/s", "5/day", "x/s", "1.5/s", "5/"] {
            let why = Rate::parse(wrong).unwrap_err();
            assert!(why.contains("write `120/min`"), "{wrong}: {why}");
        }
        assert!(Pace::at_once(0).is_err() && Pace::at_once(4) == Ok(4));
    }

    #[test]
    fn room_is_what_both_limits_leave() {
        let pace = paced(Some(3), Some("5/min"));
        let mut starts = Starts::default();
        assert_eq!((pace.room(&starts, 0), pace.room(&starts, 2), pace.room(&starts, 9)), (3, 1, 0));
        starts.add(&pace, at(1000), 4);
        assert_eq!((pace.room(&starts, 0), pace.next(&starts)), (1, None));
        starts.add(&pace, at(31_000), 1);
        assert_eq!((pace.room(&starts, 0), pace.next(&starts)), (0, Some(at(61_000))));
        let later = starts.clone().within(&pace, at(61_000));
        assert_eq!((pace.room(&later, 0), later.count()), (3, 1));
        assert_eq!(starts.within(&pace, at(60_999)).count(), 5, "until then nothing is over");
        assert_eq!(paced(None, None).room(&Starts::default(), 1000), u32::MAX);
    }

    #[test]
    fn a_clock_that_is_set_back_stops_nothing_for_long() {
        let pace = paced(None, Some("1/min"));
        let mut starts = Starts::default();
        starts.add(&pace, at(3_600_000), 1);
        let back = starts.within(&pace, at(1000));
        assert_eq!(pace.next(&back), Some(at(61_000)));
    }

    proptest! {
        /// Whoever asks at any time and takes all the room there is never starts more within any window than the rate says;
        /// and whoever waits as long as was said finds room.
        #[test]
        fn no_window_holds_more_than_the_rate(rate in 1_u32..50, pauses in proptest::collection::vec(0_i64..30_000, 1..80)) {
            let pace = Pace { at_once: None, rate: Some(Rate { starts: rate, per: Duration::from_secs(60) }) };
            let (mut now, mut starts, mut all) = (0, Starts::default(), Vec::new());
            for (number, pause) in pauses.into_iter().enumerate() {
                now += pause;
                starts = starts.within(&pace, at(now));
                if let Some(next) = pace.next(&starts) {
                    prop_assert_eq!(pace.room(&starts, 0), 0);
                    prop_assert!(next > at(now));
                    now = next.as_millisecond();
                    starts = starts.within(&pace, at(now));
                }
                let room = pace.room(&starts, 0);
                prop_assert!(room > 0);
                let taken = if number % 3 == 0 { room } else { 1 };
                starts.add(&pace, at(now), taken);
                all.push((now, taken));
                prop_assert!(starts.0.len() <= 2 * usize::try_from(PARTS).unwrap());
            }
            for (begin, _) in &all {
                let within: u32 = all.iter().filter(|(at, _)| (*begin..begin + 60_000).contains(at)).map(|(_, number)| number).sum();
                prop_assert!(within <= rate, "{} of {} from {}", within, rate, begin);
            }
        }
    }
}
