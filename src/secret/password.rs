//! New passwords: the one place that makes them. Drawn from the operating system's generator, every sign as likely as
//! every other, by a policy that each of them satisfies.

use zeroize::Zeroizing;

use super::Secret;
use super::seal::{SealError, random_key};

/// A kind of sign. Signs that look alike (`0 O`, `1 l I`, `|`) are in none of them, for whoever has to type one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SignClass {
    /// `a` to `z`.
    Lower,
    /// `A` to `Z`.
    Upper,
    /// `2` to `9`.
    Digit,
    /// Signs that need no care in a shell's single quotes, in XML, CSV and URLs: `-` `_` `.` `+` `=` `!` `:` `,`.
    Other,
}

impl SignClass {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Lower, Self::Upper, Self::Digit, Self::Other];

    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lower => "lower",
            Self::Upper => "upper",
            Self::Digit => "digit",
            Self::Other => "other",
        }
    }

    const fn signs(self) -> &'static [u8] {
        match self {
            Self::Lower => b"abcdefghijkmnopqrstuvwxyz",
            Self::Upper => b"ABCDEFGHJKLMNPQRSTUVWXYZ",
            Self::Digit => b"23456789",
            Self::Other => b"-_.+=!:,",
        }
    }
}

/// `[passwords]`: what new passwords are like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordPolicy {
    length: usize,
    classes: Vec<SignClass>,
}

impl Default for PasswordPolicy {
    /// 24 letters and digits: about 140 bits.
    fn default() -> Self {
        Self { length: 24, classes: vec![SignClass::Lower, SignClass::Upper, SignClass::Digit] }
    }
}

impl PasswordPolicy {
    /// The shortest and the longest.
    pub const LENGTHS: std::ops::RangeInclusive<usize> = 12..=128;

    /// Passwords of this length, with at least one sign of each class and none of another; `None` for a length or a list
    /// that is not offered.
    pub fn new(length: usize, classes: &[SignClass]) -> Option<Self> {
        let mut classes = classes.to_vec();
        classes.sort_unstable();
        classes.dedup();
        let offered = Self::LENGTHS.contains(&length) && !classes.is_empty() && classes != [SignClass::Digit];
        offered.then_some(Self { length, classes })
    }

    /// Whether a password is as the policy says.
    pub fn admits(&self, password: &str) -> bool {
        let of = |class: SignClass| password.bytes().filter(|sign| class.signs().contains(sign)).count();
        let counts: Vec<usize> = self.classes.iter().map(|class| of(*class)).collect();
        password.len() == self.length && counts.iter().sum::<usize>() == self.length && !counts.contains(&0)
    }

    /// A password that nobody knows and nobody guesses: each that the policy admits is as likely as any other.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn draw(&self) -> Result<Secret, SealError> {
        self.draw_from(random_key)
    }

    /// Draws again where a class is missing: to put one in afterwards would make some passwords likelier than others.
    fn draw_from(
        &self,
        mut bytes: impl FnMut() -> Result<Zeroizing<[u8; 32]>, SealError>,
    ) -> Result<Secret, SealError> {
        let signs: Zeroizing<Vec<u8>> =
            Zeroizing::new(self.classes.iter().flat_map(|class| class.signs()).copied().collect());
        // What is above the last whole multiple would make the first signs likelier.
        let fair = 256 - 256 % signs.len();
        loop {
            // As long as it will be, so that no part of it is left behind where a longer text was needed.
            let mut password = Zeroizing::new(String::with_capacity(self.length));
            while password.len() < self.length {
                for byte in bytes()?.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < fair) {
                    if let Some(sign) = signs.get(byte % signs.len()).filter(|_| password.len() < self.length) {
                        password.push(char::from(*sign));
                    }
                }
            }
            if self.admits(&password) {
                return Ok(Secret::new(std::mem::take(&mut *password)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn all() -> PasswordPolicy {
        PasswordPolicy::new(16, &SignClass::ALL).unwrap()
    }

    #[test]
    fn no_two_are_the_same_and_none_has_signs_that_look_alike() {
        let drawn: BTreeSet<String> = (0..500).map(|_| all().draw().unwrap().expose().to_owned()).collect();
        assert_eq!(drawn.len(), 500);
        assert!(drawn.iter().all(|password| !password.contains(['0', 'O', '1', 'l', 'I', '|'])));
        let usual = PasswordPolicy::default().draw().unwrap();
        assert!(usual.expose().len() == 24 && usual.expose().chars().all(|sign| sign.is_ascii_alphanumeric()));
    }

    /// Over 57 signs the figure is distributed as chi-squared with 56 degrees of freedom: 56 on average, above 115 once
    /// in 200,000 times. A draw modulo 57 of a byte without the fair limit gives above 700 here.
    #[test]
    fn every_sign_is_as_likely_as_every_other() {
        let policy = PasswordPolicy::default();
        let mut counts: BTreeMap<char, u32> = BTreeMap::new();
        let passwords = 8_000;
        for _ in 0..passwords {
            policy.draw().unwrap().expose().chars().for_each(|sign| *counts.entry(sign).or_default() += 1);
        }
        let letters = f64::from(counts.iter().filter(|(sign, _)| sign.is_alphabetic()).map(|(_, n)| n).sum::<u32>());
        let digits = f64::from(counts.iter().filter(|(sign, _)| sign.is_numeric()).map(|(_, n)| n).sum::<u32>());
        assert_eq!((counts.len(), letters + digits), (57, f64::from(passwords * 24)));
        // Within its class; asking for each class shifts the classes against each other by a little.
        let chi: f64 = counts
            .iter()
            .map(|(sign, n)| {
                let expected = if sign.is_numeric() { digits / 8.0 } else { letters / 49.0 };
                (f64::from(*n) - expected).powi(2) / expected
            })
            .sum();
        assert!(chi < 115.0, "chi-squared is {chi}");
        assert!((0.13..0.16).contains(&(digits / (letters + digits))), "8 of 57 are digits: {digits}");
    }

    /// A byte that would make the first signs likelier is thrown away, not folded back.
    #[test]
    fn the_remainder_of_the_bytes_is_not_used() {
        let policy = PasswordPolicy::new(12, &[SignClass::Lower]).unwrap();
        let fair = 256 - 256 % 25;
        let mut rounds = 0;
        let drawn = policy.draw_from(|| {
            rounds += 1;
            let byte = if rounds == 1 { u8::try_from(fair).unwrap() } else { 24 };
            Ok(Zeroizing::new([byte; 32]))
        });
        assert_eq!((drawn.unwrap().expose(), rounds), ("zzzzzzzzzzzz", 2));
    }

    #[test]
    fn what_is_not_offered_is_refused() {
        for (length, classes) in
            [(11, &[SignClass::Lower][..]), (129, &[SignClass::Lower]), (24, &[]), (24, &[SignClass::Digit])]
        {
            assert_eq!(PasswordPolicy::new(length, classes), None, "{length} {classes:?}");
        }
        assert!(matches!(all().draw_from(|| Err(SealError::NoRandomness)), Err(SealError::NoRandomness)));
    }

    proptest! {
        #[test]
        fn every_password_is_as_its_policy_says(length in 12_usize..=128, mask in 1_u8..16) {
            let classes: Vec<SignClass> =
                SignClass::ALL.into_iter().enumerate().filter(|(at, _)| mask & (1 << at) != 0).map(|(_, class)| class).collect();
            if let Some(policy) = PasswordPolicy::new(length, &classes) {
                let password = policy.draw().unwrap();
                prop_assert!(policy.admits(password.expose()));
                prop_assert_eq!(password.expose().len(), length);
                for class in SignClass::ALL {
                    let has = password.expose().bytes().any(|sign| class.signs().contains(&sign));
                    prop_assert_eq!(has, classes.contains(&class));
                }
            }
        }
    }
}
