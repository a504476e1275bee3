//! Other people's words, fit to stand in a message of ours.

/// The longest that a message repeats.
const LONGEST: usize = 300;

/// On one line, without control characters, and not endless.
pub(in crate::connectors) fn one_line(words: &str) -> String {
    let clean: String = words.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut line = clean.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(LONGEST) {
        line.truncate(end);
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_on_one_line_and_end() {
        assert_eq!(one_line("no\r\nsuch \u{1b}[31m account\t7"), "no such [31m account 7");
        assert_eq!(one_line(&"ä".repeat(301)).chars().count(), 301);
        assert_eq!(one_line(&"ä".repeat(300)), "ä".repeat(300));
    }
}
