//! Numbers with what they count: `1 run`, `2 runs`.

use std::fmt::Display;

/// `number` with the words for one, or for any other number.
pub(super) fn counted(number: impl Display, one: &str, many: &str) -> String {
    let number = number.to_string();
    let words = if number == "1" { one } else { many };
    format!("{number} {words}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_one_and_none_are_many() {
        assert_eq!(counted(1_i64, "entry", "entries"), "1 entry");
        assert_eq!([0_u64, 2, 11].map(|n| counted(n, "run", "runs")), ["0 runs", "2 runs", "11 runs"]);
    }
}
