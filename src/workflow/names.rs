//! What templates and conditions may refer to, checked before anything runs.

use super::codes::Code;
use super::definition::SubjectKind;
use super::diagnostic::Pos;
use super::report::Report;
use super::template::{Condition, Template};

/// Longest template or condition, in bytes.
const MAX_BYTES: usize = 16 * 1024;
/// What expressions know of a person.
pub const PERSON: [&str; 13] = [
    "employee_number",
    "given_name",
    "family_name",
    "display_name",
    "email",
    "private_email",
    "department",
    "role",
    "timezone",
    "language",
    "start_date",
    "last_day",
    "status",
];
const ACCOUNT: [&str; 3] = ["id", "login", "system"];
const RUN: [&str; 3] = ["id", "workflow", "started"];

/// The names that are known at one place of a workflow.
#[derive(Clone, Debug)]
pub(super) struct Names {
    known: Vec<String>,
}

impl Names {
    /// The inputs, and the person where the run is about one.
    pub(super) fn new(subject: Option<SubjectKind>, inputs: impl IntoIterator<Item = String>) -> Self {
        let mut known: Vec<String> = inputs.into_iter().map(|name| format!("inputs.{name}")).collect();
        if matches!(subject, Some(SubjectKind::Person) | None) {
            known.push("person.manager".to_owned());
            known.extend(PERSON.iter().map(|field| format!("person.{field}")));
            known.extend(PERSON.iter().map(|field| format!("person.manager.{field}")));
        }
        Self { known }
    }

    /// The names a step adds: the run, and its account where it has one.
    pub(super) fn in_step(&self, on_account: bool) -> Self {
        let mut known = self.known.clone();
        known.extend(RUN.iter().map(|field| format!("run.{field}")));
        if on_account {
            known.extend(ACCOUNT.iter().map(|field| format!("account.{field}")));
        }
        Self { known }
    }

    /// Reads text that may contain `{{ }}`, noting what is wrong with it.
    pub(super) fn template(&self, source: &str, pos: Pos, report: &mut Report<'_>) -> Option<Template> {
        if !short_enough(source, pos, report) {
            return None;
        }
        if source.contains("{%") {
            report
                .error(pos, Code::Template, "blocks (`{% %}`) are not accepted in workflow files")
                .help("write `{{ a if condition else b }}`, or put a longer text into a mail template");
            return None;
        }
        match Template::parse(source) {
            Ok(template) => {
                self.check(template.names(), &expressions(source), pos, report);
                Some(template)
            }
            Err(error) => {
                report
                    .error(pos, Code::Template, format!("this template cannot be read: {error}"))
                    .help("an expression looks like `{{ person.display_name }}`");
                None
            }
        }
    }

    /// Reads a bare expression, noting what is wrong with it.
    pub(super) fn condition(&self, source: &str, pos: Pos, report: &mut Report<'_>) -> Option<Condition> {
        if !short_enough(source, pos, report) {
            return None;
        }
        if let Some(inner) = source.trim().strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")) {
            report
                .error(pos, Code::Template, "a condition is a bare expression")
                .help(format!("write `{}` without the braces", inner.trim()));
            return None;
        }
        match Condition::parse(source) {
            Ok(condition) => {
                self.check(condition.names(), source, pos, report);
                Some(condition)
            }
            Err(error) => {
                report
                    .error(pos, Code::Template, format!("this condition cannot be read: {error}"))
                    .help("a condition looks like `inputs.redirect` or `person.department == 'Sales'`");
                None
            }
        }
    }

    fn check(&self, names: Vec<String>, expressions: &str, pos: Pos, report: &mut Report<'_>) {
        let known: Vec<&str> = self.known.iter().map(String::as_str).collect();
        for name in names.iter().filter(|name| !known.contains(&name.as_str())) {
            self.unknown(name, &known, report.locate(pos, name), report);
        }
        for (kind, name) in applied(expressions) {
            if !super::template::is_known(kind, name) {
                let message = format!("unknown {kind} `{name}`");
                let help = "the filters and tests are those of Jinja: `| lower`, `| default('')`, `is none`, …";
                report.error(report.locate(pos, name), Code::UnknownName, message).help(help);
            }
        }
    }

    fn unknown(&self, name: &str, known: &[&str], pos: Pos, report: &mut Report<'_>) {
        let prefix = format!("{name}.");
        let members: Vec<&str> = known.iter().copied().filter(|known| known.starts_with(&prefix)).collect();
        let root = name.split('.').next().unwrap_or(name);
        let alike = |known: &&str| known.split('.').next() == Some(root) && depth(known) == depth(name);
        let siblings: Vec<&str> = known.iter().copied().filter(alike).collect();
        if let Some(example) = members.first() {
            report
                .error(pos, Code::UnknownName, format!("`{name}` has parts, and one of them must be named"))
                .help(format!("write for example `{example}`; known are: {}", members.join(", ")));
        } else if siblings.is_empty() && matches!(root, "person" | "account" | "run") {
            report
                .error(pos, Code::UnknownName, format!("`{name}` is not known here: there is no {root} at this place"))
                .help(format!("known are: {}", known.join(", ")));
        } else if known.contains(&format!("inputs.{name}").as_str()) {
            report
                .error(pos, Code::UnknownName, format!("unknown variable `{name}`, did you mean `inputs.{name}`?"))
                .help(format!("replace it with `inputs.{name}`"));
        } else {
            report.unknown(
                pos,
                Code::UnknownName,
                "variable",
                name,
                if siblings.is_empty() { known } else { &siblings },
            );
        }
    }
}

fn depth(name: &str) -> usize {
    name.matches('.').count()
}

fn short_enough(source: &str, pos: Pos, report: &mut Report<'_>) -> bool {
    let fits = source.len() <= MAX_BYTES;
    if !fits {
        report
            .error(pos, Code::TooLarge, format!("this text is longer than {} KiB", MAX_BYTES / 1024))
            .help("put it into a mail template and name that");
    }
    fits
}

/// The insides of all `{{ }}`, joined.
fn expressions(source: &str) -> String {
    source
        .split("{{")
        .skip(1)
        .map(|part| part.split_once("}}").map_or(part, |(inside, _)| inside))
        .collect::<Vec<_>>()
        .join(" ; ")
}

/// The filters (`| name`) and tests (`is name`, `is not name`) an expression applies, outside of quotes.
fn applied(expression: &str) -> Vec<(&'static str, &str)> {
    let words = words(expression);
    let mut found = Vec::new();
    for (index, word) in words.iter().enumerate() {
        let kind = match *word {
            "|" => "filter",
            "is" => "test",
            _ => continue,
        };
        let next = words[index + 1..].iter().find(|word| **word != "not");
        found.extend(next.filter(|word| word.starts_with(char::is_alphabetic)).map(|word| (kind, *word)));
    }
    found
}

/// Names and single signs; strings in quotes are left out.
fn words(expression: &str) -> Vec<&str> {
    let (mut found, mut rest) = (Vec::new(), expression);
    while let Some(first) = rest.chars().next() {
        let length = if first.is_alphanumeric() || first == '_' {
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.')).unwrap_or(rest.len());
            found.push(&rest[..end]);
            end
        } else if first == '"' || first == '\'' {
            closing(rest, first)
        } else {
            found.extend((!first.is_whitespace()).then(|| &rest[..first.len_utf8()]));
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    found
}

fn closing(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + quote.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const POS: Pos = Pos { line: 1, column: 1, width: 1 };

    fn names() -> Names {
        Names::new(Some(SubjectKind::Person), ["contact".to_owned(), "redirect".to_owned()]).in_step(true)
    }

    fn mistakes(template: &str) -> Vec<String> {
        let mut report = Report::new("x", template);
        names().template(template, POS, &mut report);
        report.finish().into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn every_documented_name_is_known() {
        for name in [
            "person.display_name",
            "person.manager.email",
            "person.manager",
            "inputs.contact",
            "account.login",
            "run.id",
        ] {
            assert_eq!(mistakes(&format!("Hello {{{{ {name} }}}}")), [""; 0], "{name}");
        }
        assert_eq!(
            mistakes("{{ person.department | default('none') | upper if inputs.redirect is not none else '|x' }}"),
            [""; 0]
        );
    }

    #[test]
    fn an_unknown_name_comes_with_the_nearest_and_its_place() {
        let text = "Hello {{ person.displayname }}";
        let mut report = Report::new("x", text);
        names().template(text, POS, &mut report);
        let found = report.finish();
        assert_eq!(found[0].message, "unknown variable `person.displayname`, did you mean `person.display_name`?");
        assert_eq!((found[0].column, found[0].width), (10, 18));
    }

    #[test]
    fn an_input_without_its_prefix_is_recognised() {
        assert_eq!(mistakes("{{ contact }}"), ["unknown variable `contact`, did you mean `inputs.contact`?"]);
    }

    #[test]
    fn a_whole_person_is_no_value_and_hides_no_names() {
        assert_eq!(mistakes("{{ person }}"), ["`person` has parts, and one of them must be named"]);
        assert_eq!(mistakes("{{ person['nickname'] }}"), ["`person` has parts, and one of them must be named"]);
    }

    #[test]
    fn a_default_does_not_excuse_an_unknown_name() {
        assert_eq!(mistakes("{{ inputs.contakt | default('') }}").len(), 1);
    }

    #[test]
    fn unknown_filters_tests_and_functions_are_mistakes() {
        assert_eq!(mistakes("{{ person.email | shout }}"), ["unknown filter `shout`"]);
        assert_eq!(mistakes("{{ 1 if person.email is odder else 2 }}"), ["unknown test `odder`"]);
        assert_eq!(mistakes("{{ lookup('x') }}"), ["unknown variable `lookup`"]);
        assert_eq!(mistakes("{{ 'a | b is c' }}"), [""; 0]);
    }

    #[test]
    fn blocks_braces_and_broken_templates_are_mistakes() {
        assert!(mistakes("{% for a in person %}{% endfor %}")[0].contains("blocks"));
        assert!(mistakes("{{ person.email ")[0].contains("cannot be read"));
        let mut report = Report::new("x", "{{ inputs.redirect }}");
        names().condition("{{ inputs.redirect }}", POS, &mut report);
        assert_eq!(report.finish()[0].suggestion.as_deref(), Some("write `inputs.redirect` without the braces"));
    }

    #[test]
    fn there_is_no_person_where_the_run_is_about_the_organisation() {
        let mut report = Report::new("x", "person.email");
        Names::new(Some(SubjectKind::Organisation), []).in_step(false).condition("person.email", POS, &mut report);
        assert!(report.finish()[0].message.contains("there is no person"));
    }

    #[test]
    fn endless_templates_are_refused() {
        assert!(mistakes(&"x".repeat(MAX_BYTES + 1))[0].contains("longer than 16 KiB"));
    }
}
