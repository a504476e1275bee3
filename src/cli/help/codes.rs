//! The page of codes, which is part of the program: docs/errors.md, section by section.

/// What docs/errors.md says.
const PAGE: &str = include_str!("../../../docs/errors.md");

/// What is said of one code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Section {
    /// The kind of code: the heading above.
    pub(super) kind: &'static str,
    /// The code.
    pub(super) code: &'static str,
    /// Meaning, cause, way out, example.
    pub(super) text: &'static str,
}

/// Every section, in the order of the page.
pub(super) fn sections() -> Vec<Section> {
    let mut found = Vec::new();
    for part in PAGE.split("\n## ").skip(1) {
        let mut pieces = part.split("\n### ");
        let kind = pieces.next().and_then(|head| head.lines().next()).unwrap_or_default();
        for piece in pieces {
            let (code, text) = piece.split_once('\n').unwrap_or((piece, ""));
            found.push(Section { kind, code: code.trim(), text: text.trim() });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::workflow::Code;

    fn of(kind: &str) -> BTreeSet<String> {
        let found: Vec<Section> = sections().into_iter().filter(|section| section.kind == kind).collect();
        let codes: BTreeSet<String> = found.iter().map(|section| section.code.to_owned()).collect();
        assert_eq!(codes.len(), found.len(), "a code stands twice under `{kind}`");
        codes
    }

    #[test]
    fn every_finding_of_check_has_a_section_and_no_section_is_left_over() {
        let codes = |warnings: bool| -> BTreeSet<String> {
            Code::ALL.iter().filter(|code| code.is_warning() == warnings).map(ToString::to_string).collect()
        };
        assert_eq!(of("Mistakes in workflow files"), codes(false));
        assert_eq!(of("Warnings about workflow files"), codes(true));
    }

    /// The first literal text behind each `call` in `source`, where `skip` (an exit code) may stand before it.
    fn literals(source: &str, call: &str, skip: bool) -> Vec<String> {
        let mut found = Vec::new();
        for (at, _) in source.match_indices(call) {
            let mut rest = source[at + call.len()..].trim_start();
            if skip {
                let Some((exit, behind)) = rest.split_once(',') else { continue };
                if !exit.starts_with("Exit::") {
                    continue;
                }
                rest = behind.trim_start();
            }
            if let Some(text) = rest.strip_prefix('"') {
                found.extend(text.split_once('"').map(|(code, _)| code.to_owned()));
            }
        }
        found
    }

    fn gather(folder: &Path, codes: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                gather(&path, codes);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
                for call in ["::not_right(", "::refused(", "::environment("] {
                    codes.extend(literals(text, call, false));
                }
                codes.extend(literals(text, "::new(", true));
            }
        }
    }

    #[test]
    fn every_error_of_a_command_has_a_section_and_no_section_is_left_over() {
        let mut codes = BTreeSet::new();
        gather(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli"), &mut codes);
        assert!(codes.contains("not_found") && codes.contains("usage"), "{codes:?}");
        assert_eq!(of("Errors of commands"), codes, "docs/errors.md (left) and src/cli (right)");
    }

    /// The words that `fn code` of a source gives.
    fn words_of(source: &str) -> BTreeSet<String> {
        let body = source.split("fn code(&self)").nth(1).unwrap();
        let body = body.split("\n    }").next().unwrap();
        literals(body, "=>", false).into_iter().collect()
    }

    #[test]
    fn every_plan_that_cannot_be_made_and_every_hold_has_a_section() {
        assert_eq!(of("Plans that cannot be made"), words_of(include_str!("../../run/planning/error.rs")));
        assert_eq!(of("Steps that are held"), words_of(include_str!("../../run/state/reason.rs")));
    }

    #[test]
    fn every_section_tells_meaning_cause_way_out_and_an_example() {
        for section in sections() {
            let Section { code, text, .. } = section;
            assert!(!text.starts_with('-') && !text.starts_with("```"), "{code} does not begin with its meaning");
            for part in ["- **Cause:** ", "- **Way out:** ", "```"] {
                assert!(text.contains(part), "{code} has no {part}");
            }
        }
    }
}
