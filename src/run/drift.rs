//! Whether the clocks can be believed. Pure: readings in, what is wrong with them out, in words.
//!
//! Steps wait for months, and what destroys must not start because a clock is wrong. Three things are looked at: the
//! record's clock against one that goes on evenly, the machine's against the record's, and how long nobody was there.

/// So far the record's clock may go further, or less far, than a steady one between two looks.
pub const JUMP_MS: i64 = 10 * 60 * 1000;

/// So far the machine's clock and the record's may be apart.
pub const SKEW_MS: i64 = 30 * 1000;

/// So long nobody may have been at work.
pub const GAP_MS: i64 = 7 * 24 * 60 * 60 * 1000;

/// One look at the clocks, in milliseconds. The record was asked somewhere between the two readings of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// The clock that due times are judged by, without a sandbox's offset.
    pub real: i64,
    /// The machine's, before and after.
    pub machine: (i64, i64),
    /// A steady one, before and after.
    pub steady: (i64, i64),
}

impl Look {
    /// How much further than the steady clock the record's went since `earlier`; negative where it fell back. What may
    /// be due to the time that the looks took is left out.
    pub fn jumped_since(&self, earlier: &Self) -> i64 {
        let gone = self.real.saturating_sub(earlier.real);
        outside(gone, self.steady.0.saturating_sub(earlier.steady.1), self.steady.1.saturating_sub(earlier.steady.0))
    }

    /// How far the record's clock is ahead of the machine's; negative where it is behind. Where the machine's was set back
    /// between its two readings, nobody knows when the record was asked: what lies between them is no skew.
    pub fn ahead(&self) -> i64 {
        let (before, after) = self.machine;
        outside(self.real, before.min(after), before.max(after))
    }
}

/// How far `value` is above or below a range.
fn outside(value: i64, least: i64, most: i64) -> i64 {
    if value > most {
        value.saturating_sub(most)
    } else if value < least {
        value.saturating_sub(least)
    } else {
        0
    }
}

/// What has been believed so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clocks {
    seen: Option<Look>,
    /// The skew that was found before: told once, and again where it grows.
    skew: i64,
}

impl Clocks {
    /// What is wrong with this look.
    pub fn judge(&self, look: &Look) -> Option<String> {
        let jumped = self.seen.map_or(0, |seen| look.jumped_since(&seen));
        if jumped > JUMP_MS {
            return Some(format!("the clock jumped ahead by {}", span(jumped)));
        }
        if jumped < -JUMP_MS {
            return Some(format!("the clock fell back by {}", span(jumped)));
        }
        let ahead = look.ahead();
        let news = ahead.saturating_sub(self.skew).saturating_abs() > SKEW_MS;
        if ahead.saturating_abs() <= SKEW_MS || !news {
            return None;
        }
        let direction = if ahead > 0 { "behind" } else { "ahead of" };
        Some(format!("a machine's clock is {} {direction} the database's", span(ahead)))
    }

    /// Goes on from this look: it is right, or what is wrong with it has been told.
    pub fn believe(&mut self, look: &Look) {
        self.seen = Some(*look);
        let ahead = look.ahead();
        self.skew = if ahead.saturating_abs() <= SKEW_MS { 0 } else { ahead };
    }
}

/// What is wrong when the last sign of life was at `last` and it is `now`, both in milliseconds since the epoch.
pub fn away(last: i64, now: i64) -> Option<String> {
    let gone = now.saturating_sub(last);
    if gone > GAP_MS {
        return Some(format!("nobody was at work for {}, or the clock is wrong", span(gone)));
    }
    (gone < -JUMP_MS).then(|| format!("the clock is {} behind the last sign of life", span(gone)))
}

/// `3 h 12 min`, `45 s`, `9 days`.
fn span(ms: i64) -> String {
    let seconds = ms.unsigned_abs() / 1000;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A look at `real` when the steady clock stood at `steady`, and the machine's went like the record's.
    fn look(real: i64, steady: i64) -> Look {
        Look { real, machine: (real, real), steady: (steady, steady) }
    }

    fn after(first: Look) -> Clocks {
        let mut clocks = Clocks::default();
        clocks.believe(&first);
        clocks
    }

    #[test]
    fn ten_minutes_are_no_jump_and_a_millisecond_more_is_one() {
        let clocks = after(look(1_000_000_000, 5_000));
        for (real, steady) in
            [(1_000_000_000 + JUMP_MS, 5_000), (1_000_000_000 - JUMP_MS, 5_000), (1_900_000_000, 900_005_000)]
        {
            assert_eq!(clocks.judge(&look(real, steady)), None, "{real}");
        }
        let ahead = clocks.judge(&look(1_000_000_001 + JUMP_MS, 5_000)).unwrap();
        assert_eq!(ahead, "the clock jumped ahead by 10 min");
        let back = clocks.judge(&look(999_999_999 - JUMP_MS - 3_600_000 * 2, 5_000)).unwrap();
        assert_eq!(back, "the clock fell back by 2 h 10 min");
        assert_eq!(Clocks::default().judge(&look(0, 0)), None, "a first look has nothing to compare with");
    }

    #[test]
    fn a_look_that_took_long_proves_nothing() {
        // The process stood still for an hour between asking the record and looking at the other clocks.
        let hour = 3_600_000;
        let slow = Look { real: 1_000_000, machine: (1_000_000, 1_000_000 + hour), steady: (0, hour) };
        assert_eq!((slow.ahead(), after(look(1_000_000, 0)).judge(&slow)), (0, None));
        assert_eq!(after(slow).judge(&look(1_000_000 + hour, hour)), None);
        // The record was asked at the end of that hour, as far as anybody knows.
        assert_eq!(after(slow).judge(&look(1_001_000, hour + 1_000)), None);
    }

    /// A SQLite file has the machine's own clock: somebody who sets it during a look makes a jump, not a skew.
    #[test]
    fn a_clock_that_is_set_during_a_look_has_jumped_and_is_not_skewed() {
        let before = 1_000_000_000;
        for (by, words) in [
            (-5 * 60_000, None),
            (5 * 60_000, None),
            (-11 * 60_000, Some("the clock fell back by 11 min")),
            (11 * 60_000, Some("the clock jumped ahead by 11 min")),
        ] {
            let now = before + by;
            // It is set before, or after, the record is asked between the two readings of the machine's clock.
            let early = Look { real: now, machine: (before, now), steady: (0, 0) };
            let late = Look { real: before, machine: (before, now), steady: (0, 0) };
            assert_eq!((early.ahead(), late.ahead()), (0, 0), "{by}");
            assert_eq!(after(look(before, 0)).judge(&early).as_deref(), words);
            let mut clocks = after(look(before, 0));
            assert_eq!(clocks.judge(&late), None, "the record has not seen it yet");
            clocks.believe(&late);
            assert_eq!(clocks.judge(&look(now, 0)).as_deref(), words, "the next look has");
        }
    }

    #[test]
    fn a_skew_is_told_once_and_again_when_it_grows() {
        let apart =
            |by: i64| Look { real: 1_000_000_000, machine: (1_000_000_000 - by, 1_000_000_000 - by), steady: (0, 0) };
        let mut clocks = after(apart(SKEW_MS));
        assert_eq!(clocks.judge(&apart(SKEW_MS)), None, "30 s are allowed");
        assert_eq!(clocks.judge(&apart(45_000)).unwrap(), "a machine's clock is 45 s behind the database's");
        assert_eq!(clocks.judge(&apart(-45_000)).unwrap(), "a machine's clock is 45 s ahead of the database's");
        clocks.believe(&apart(45_000));
        assert_eq!(clocks.judge(&apart(60_000)), None);
        assert!(clocks.judge(&apart(80_000)).is_some());
        clocks.believe(&apart(0));
        assert!(clocks.judge(&apart(45_000)).is_some(), "it was right in between");
    }

    #[test]
    fn a_week_without_a_sign_of_life_is_too_long() {
        assert_eq!(away(0, GAP_MS), None);
        assert_eq!(away(0, GAP_MS + 1).unwrap(), "nobody was at work for 7 days, or the clock is wrong");
        assert_eq!(away(JUMP_MS, 0), None);
        assert_eq!(away(JUMP_MS + 1, 0).unwrap(), "the clock is 10 min behind the last sign of life");
    }
}
