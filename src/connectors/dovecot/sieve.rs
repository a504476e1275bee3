//! Sieve (RFC 5228): the one script that usher keeps in a mailbox. It is written from data, and holds that data in a
//! comment, so that usher knows what it has set without any memory of its own.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// What usher's script is called.
pub(super) const NAME: &str = "usher";

/// Somebody who writes again within so many days has no second answer (RFC 5230, 4.1).
const ONCE_IN_DAYS: u32 = 7;

const TITLE: &str = "# usher writes this script and removes it again. What it holds, as data:";

/// What usher has set in a mailbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Wishes {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) auto_reply: Option<Reply>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) redirect: Option<Redirect>,
    /// Who reads along because usher let them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) delegates: BTreeSet<String>,
    /// The script that acted before, which comes back afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) own: Option<Own>,
}

/// An automatic answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reply {
    pub(super) subject: String,
    pub(super) message: String,
}

/// Where arriving mail goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Redirect {
    pub(super) to: String,
    pub(super) keep_copy: bool,
}

/// The person's own script.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Own {
    pub(super) name: String,
    /// Whether it acts meanwhile too, behind usher's.
    pub(super) goes_on: bool,
}

impl Wishes {
    /// Whether something is to be done with mail that arrives.
    pub(super) fn act(&self) -> bool {
        self.auto_reply.is_some() || self.redirect.is_some()
    }

    /// The script.
    pub(super) fn text(&self) -> String {
        let data = serde_json::to_string(self).unwrap_or_default();
        let mut needs = Vec::new();
        let mut lines = Vec::new();
        if let Some(reply) = &self.auto_reply {
            needs.push("vacation");
            let subject = quoted(&reply.subject.split_whitespace().collect::<Vec<_>>().join(" "));
            lines.push(format!("vacation :days {ONCE_IN_DAYS} :subject {subject} {};", quoted(&reply.message)));
        }
        if let Some(Redirect { to, keep_copy }) = &self.redirect {
            if *keep_copy {
                needs.push("copy");
            }
            let copy = if *keep_copy { ":copy " } else { "" };
            lines.push(format!("redirect {copy}{};", quoted(to)));
        }
        // A mail that is to be kept by nobody but the receiver is not put into a folder either.
        let sent_away = self.redirect.as_ref().is_some_and(|redirect| !redirect.keep_copy);
        if let Some(own) = self.own.as_ref().filter(|own| own.goes_on && !sent_away && self.act()) {
            needs.push("include");
            lines.push(format!("include :personal :optional {};", quoted(&own.name)));
        }
        if !needs.is_empty() {
            let needs: Vec<String> = needs.into_iter().map(quoted).collect();
            lines.insert(0, format!("require [{}];", needs.join(", ")));
        }
        let head = [TITLE.to_owned(), format!("# {data}")];
        head.into_iter().chain(lines).map(|line| format!("{line}\r\n")).collect()
    }

    /// What a script of usher's holds; `None` where it is not one.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let title = lines.next()?.trim_end();
        let data = lines.next()?.strip_prefix("# ")?;
        (title == TITLE).then(|| serde_json::from_str(data.trim_end()).ok()).flatten()
    }
}

/// A text as Sieve writes it (RFC 5228, 2.4.2): two signs mean something in it. Lines end with CRLF; other control signs are
/// left out.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    let lines = text.replace("\r\n", "\n").replace('\r', "\n");
    for sign in lines.chars() {
        match sign {
            '"' | '\\' => quoted.extend(['\\', sign]),
            '\n' => quoted.push_str("\r\n"),
            '\t' => quoted.push('\t'),
            sign if sign.is_control() => {}
            sign => quoted.push(sign),
        }
    }
    quoted.push('"');
    quoted
}

/// What a script of somebody else's does that matters here: counted by the words that stand outside of its texts and
/// comments. What cannot be read counts as if it did everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Does {
    /// Sends a mail, or word of it, elsewhere (RFC 5228, 4.2; RFC 5435).
    pub(super) forwards: usize,
    pub(super) answers: bool,
    pub(super) includes: bool,
}

impl Does {
    pub(super) fn read(script: &str) -> Self {
        let Some(words) = words(script) else { return Self { forwards: 1, answers: true, includes: true } };
        let has = |wanted: &str| words.iter().any(|word| word == wanted);
        Self {
            forwards: words.iter().filter(|word| ["redirect", "notify"].contains(&word.as_str())).count(),
            answers: has("vacation"),
            includes: has("include"),
        }
    }

    /// Whether it may act behind an answer of usher's: two answers to one mail are a mistake of the script (RFC 5230, 4.7), and
    /// what it includes nobody has looked at.
    pub(super) fn may_go_on(self) -> bool {
        !self.answers && !self.includes
    }
}

/// The identifiers of a script, in lower case (RFC 5228, 2.1 to 2.4); `None` where a text or a comment has no end.
fn words(script: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = script;
    while let Some(sign) = rest.chars().next() {
        rest = match sign {
            '#' => rest.find('\n').map_or("", |end| &rest[end..]),
            '/' if rest.starts_with("/*") => &rest[rest.find("*/")? + 2..],
            '"' => behind_text(&rest[1..])?,
            sign if sign.is_ascii_alphabetic() || sign == '_' => {
                let end = rest.find(|sign: char| !sign.is_ascii_alphanumeric() && sign != '_').unwrap_or(rest.len());
                let (word, behind) = rest.split_at(end);
                let word = word.to_ascii_lowercase();
                match (word.as_str(), behind.strip_prefix(':')) {
                    ("text", Some(text)) => behind_lines(text)?,
                    _ => {
                        words.push(word);
                        behind
                    }
                }
            }
            sign => &rest[sign.len_utf8()..],
        };
    }
    Some(words)
}

fn behind_text(text: &str) -> Option<&str> {
    let mut escaped = false;
    for (at, sign) in text.char_indices() {
        match sign {
            '"' if !escaped => return Some(&text[at + 1..]),
            sign => escaped = sign == '\\' && !escaped,
        }
    }
    None
}

/// `text:` goes on until a line that is one dot.
fn behind_lines(text: &str) -> Option<&str> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        at += line.len();
        if line.trim_end_matches(['\r', '\n']) == "." {
            return Some(&text[at..]);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const NASTY: &str = "He said \"hi\\\"; redirect \"x@y.z\";\r\n.\r\n*/ # ${hex:22}\u{0}\u{1b}\n\"; discard; 名前\r";

    fn whole() -> Wishes {
        Wishes {
            auto_reply: Some(Reply { subject: format!("Ada\r\nBcc: x@y.z {NASTY}"), message: NASTY.to_owned() }),
            redirect: Some(Redirect { to: "boss@example.org".to_owned(), keep_copy: true }),
            delegates: BTreeSet::from(["boss@example.org".to_owned()]),
            own: Some(Own { name: "a\"b;\r\ndiscard;".to_owned(), goes_on: true }),
        }
    }

    #[test]
    fn a_script_holds_what_it_was_written_from() {
        for wishes in [Wishes::default(), whole(), Wishes { auto_reply: None, ..whole() }] {
            assert_eq!(Wishes::read(&wishes.text()), Some(wishes));
        }
        for other in ["", "keep;", "# usher\n# {}\n", &whole().text()[1..]] {
            assert_eq!(Wishes::read(other), None, "{other}");
        }
    }

    #[test]
    fn no_value_gets_out_of_its_text() {
        let text = whole().text();
        assert_eq!(
            words(&text).unwrap(),
            ["require", "vacation", "days", "subject", "redirect", "copy", "include", "personal", "optional"]
        );
        assert!(text.lines().skip(2).all(|line| !line.contains('\u{0}')), "{text}");
        let subject = text.lines().find(|line| line.starts_with("vacation")).unwrap();
        assert!(subject.contains(":subject \"Ada Bcc: x@y.z He said \\\"hi\\\\\\\"; redirect"), "{subject}");
    }

    #[test]
    fn what_is_sent_away_is_put_into_no_folder() {
        let mut wishes = whole();
        wishes.redirect = Some(Redirect { to: "boss@example.org".to_owned(), keep_copy: false });
        assert!(!wishes.text().contains("include") && wishes.text().contains("redirect \"boss@"));
        wishes.redirect = None;
        assert!(wishes.text().contains("include"));
        wishes.own = Some(Own { name: "x".to_owned(), goes_on: false });
        assert!(!wishes.text().contains("include"));
    }

    #[test]
    fn what_a_script_does_is_read_outside_of_its_texts() {
        let script = "require [\"copy\", \"vacation\"]; # redirect \"a\"\n/* vacation */ if header \"X\" \"redirect \\\" redirect\" \
            { Redirect :copy \"a@b.c\"; }\nkeep; text:x\nfileinto text: # y\r\nredirect;\r\n.\r\n; redirect \"d@e.f\";";
        assert_eq!(Does::read(script), Does { forwards: 2, answers: false, includes: false });
        assert!(Does::read("vacation \"x\";").answers && Does::read("include :personal \"x\";").includes);
        assert!(Does::read("fileinto \"Work\";").may_go_on());
        for unreadable in ["\"", "/* x", "text:\nx", "\"a\\\""] {
            assert_eq!(Does::read(unreadable).forwards, 1, "{unreadable}");
            assert!(!Does::read(unreadable).may_go_on());
        }
    }
}
