//! A template's lines as plain text and as HTML. One text gives both parts, so they never say different things.
//!
//! Paragraphs are parted by empty lines. `# ` begins a heading, `- ` a point of a list, four spaces a command, and
//! `[words](https://…)` alone on a line is a button.

/// Stands for `[` in what is filled in, so that nobody's name becomes a button.
pub(super) const BRACKET: char = '\u{E000}';

/// What a line is.
#[derive(Debug, PartialEq, Eq)]
enum Line<'a> {
    Empty,
    Heading(&'a str),
    Point(&'a str),
    Command(&'a str),
    Button(&'a str, &'a str),
    Words(&'a str),
}

fn read(line: &str) -> Line<'_> {
    if let Some(command) = line.strip_prefix("    ").filter(|rest| !rest.trim().is_empty()) {
        return Line::Command(command.trim_end());
    }
    let line = line.trim();
    if line.is_empty() {
        return Line::Empty;
    }
    let button = || {
        let (words, link) = line.strip_prefix('[')?.strip_suffix(')')?.split_once("](")?;
        link.starts_with("http").then_some((words, link))
    };
    match button() {
        Some((words, link)) => Line::Button(words, link),
        None => match (line.strip_prefix("# "), line.strip_prefix("- ")) {
            (Some(heading), _) => Line::Heading(heading),
            (_, Some(point)) => Line::Point(point),
            _ => Line::Words(line),
        },
    }
}

/// The plain part.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut empty = true;
    for line in text.lines() {
        let written = match read(line) {
            Line::Empty if empty => continue,
            Line::Empty => String::new(),
            Line::Heading(words) => words.to_owned(),
            Line::Point(words) => format!("- {words}"),
            Line::Command(words) => format!("    {words}"),
            Line::Button(words, link) => format!("{words}:\n{link}"),
            Line::Words(words) => words.to_owned(),
        };
        empty = written.is_empty();
        out.push_str(&written.replace(BRACKET, "["));
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

/// The HTML part's body. Everything that was filled in is escaped already.
pub(super) fn html(text: &str) -> String {
    let mut page = Page::default();
    for line in text.lines() {
        page.take(&read(line));
    }
    page.close();
    page.out.replace(BRACKET, "[")
}

#[derive(Default)]
struct Page {
    out: String,
    /// The element that is open.
    open: Option<&'static str>,
}

impl Page {
    fn take(&mut self, line: &Line<'_>) {
        match line {
            Line::Empty => self.close(),
            Line::Heading(words) => {
                self.close();
                self.out.push_str(&format!("<h2>{words}</h2>\n"));
            }
            Line::Point(words) => {
                self.within("ul", "");
                self.out.push_str(&format!("<li>{words}</li>\n"));
            }
            Line::Command(words) => {
                self.within("pre", "\n");
                self.out.push_str(words);
            }
            Line::Button(words, link) => {
                self.close();
                self.out.push_str(&format!(
                    "<p><a class=\"button\" href=\"{link}\">{words}</a></p>\n<p class=\"link\">{link}</p>\n"
                ));
            }
            Line::Words(words) => {
                self.within("p", "\n");
                self.out.push_str(words);
            }
        }
    }

    /// Goes on in this element, or opens it.
    fn within(&mut self, element: &'static str, between: &str) {
        if self.open == Some(element) {
            self.out.push_str(between);
            return;
        }
        self.close();
        self.out.push_str(&format!("<{element}>"));
        self.open = Some(element);
    }

    fn close(&mut self) {
        if let Some(element) = self.open.take() {
            self.out.push_str(&format!("</{element}>\n"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "Hello,\n\n\none\ntwo\n\n# Now\n- a\n- b\n\n    usher tasks\n    usher doctor\n\n[Go](https://x.example/y)\n";

    #[test]
    fn one_text_gives_both_parts() {
        let text = plain(TEXT);
        assert_eq!(
            text,
            "Hello,\n\none\ntwo\n\nNow\n- a\n- b\n\n    usher tasks\n    usher doctor\n\nGo:\nhttps://x.example/y\n"
        );
        let page = html(TEXT);
        assert!(page.starts_with("<p>Hello,</p>\n<p>one\ntwo</p>\n<h2>Now</h2>\n<ul><li>a</li>\n<li>b</li>\n</ul>\n"));
        assert!(page.contains("<pre>usher tasks\nusher doctor</pre>"), "{page}");
        assert!(page.contains("<a class=\"button\" href=\"https://x.example/y\">Go</a>"), "{page}");
    }

    #[test]
    fn a_button_takes_only_links_of_the_web_and_no_name_becomes_one() {
        assert_eq!(read("[x](javascript:alert(1))"), Line::Words("[x](javascript:alert(1))"));
        let name = format!("{BRACKET}x](https://evil.example)");
        assert_eq!(html(&name), "<p>[x](https://evil.example)</p>\n");
        assert_eq!(plain(&name), "[x](https://evil.example)\n");
    }
}
