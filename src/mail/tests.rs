//! Every template in every language, filled with its samples, as it goes out.

use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::clock::Clock;
use crate::run::Holidays;
use crate::secret::KeyRing;
use crate::store::{Opening, Store};

fn settings() -> MailSettings {
    MailSettings::of(Means::Memory, "usher <usher@example.org>")
}

fn room() -> MailRoom {
    let (room, mistakes) = MailRoom::open(settings());
    assert!(mistakes.is_empty(), "{mistakes:#?}");
    room
}

fn reader(language: Language) -> Addressee {
    Addressee { email: "soren@example.org".into(), name: Some("Søren Østergaard".into()), language: Some(language) }
}

async fn store(folder: &std::path::Path) -> Store {
    let keys = KeyRing::open_or_create(&folder.join("usher.key")).unwrap();
    let url = format!("sqlite:{}", folder.join("usher.db").display());
    let start: Timestamp = "2027-01-29T08:00:00Z".parse().unwrap();
    Store::open(&url, Opening::Migrate, Clock::manual(start), keys, Holidays::default()).await.unwrap()
}

/// What goes out for a letter.
async fn sent(room: &MailRoom, letters: &[(String, Letter)]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let mails: Vec<_> = letters.iter().map(|(key, letter)| room.mail(key.clone(), "test", letter, None)).collect();
    store.post(&mails).await.unwrap();
    assert_eq!(room.deliver_due(&store).await.unwrap(), letters.len());
    store.close().await;
    room.transport().kept()
}

#[tokio::test]
async fn every_template_is_a_whole_mail_in_every_language() {
    let room = room();
    let mut letters = Vec::new();
    for name in NAMES {
        for language in Language::ALL {
            for (number, facts) in samples::samples().iter().enumerate() {
                let letter = room.write(&reader(language), name, facts).unwrap();
                letters.push((format!("{name}/{}/{number}", language.as_str()), letter));
            }
        }
    }
    let mails = sent(&room, &letters).await;
    assert_eq!(mails.len(), NAMES.len() * 8);
    let mut ids = std::collections::BTreeSet::new();
    for ((key, letter), mail) in letters.iter().zip(&mails) {
        let (head, _) = mail.split_once("\r\n\r\n").unwrap();
        let header = |name: &str| {
            let found = head.lines().find(|line| line.starts_with(&format!("{name}: ")));
            found.unwrap_or_else(|| panic!("{key} has no {name}:\n{head}")).to_owned()
        };
        assert_eq!(header("Auto-Submitted"), "Auto-Submitted: auto-generated", "{key}");
        assert_eq!(header("From"), "From: usher <usher@example.org>", "{key}");
        assert!(header("Date").contains("Fri, 29 Jan 2027 08:00:00"), "{key}");
        let id = header("Message-ID");
        assert!(id.ends_with("@example.org>") && ids.insert(id.clone()), "{key}: {id}");
        assert!(header("To").contains("<soren@example.org>"), "{key}");
        assert!(head.contains("multipart/alternative"), "{key}");
        for part in ["text/plain; charset=utf-8", "text/html; charset=utf-8"] {
            assert!(mail.contains(part), "{key} has no {part}");
        }
        assert!(!letter.subject.is_empty() && !letter.subject.contains("Subject"), "{key}: {}", letter.subject);
        let parts = letter.parts();
        let (text, html) = (parts["text"].as_str().unwrap(), parts["html"].as_str().unwrap());
        assert!(text.contains("Søren Østergaard,") && text.contains("usher"), "{key}:\n{text}");
        for wrong in ["{{", "{%", "none", "undefined", "\u{E000}", "[]", "Subject:"] {
            assert!(!text.contains(wrong) && !letter.subject.contains(wrong), "{key} shows {wrong}:\n{text}");
        }
        assert!(!text.contains("\n\n\n"), "{key} has holes:\n{text}");
        assert!(
            html.contains("<p>") && html.contains(&format!("lang=\"{}\"", &key.split('/').nth(1).unwrap())),
            "{key}"
        );
    }
}

#[test]
fn names_are_words_and_nothing_else() {
    let room = room();
    let [mut facts, _] = samples::samples();
    let evil = "<script>alert(1)</script>\r\nBcc: all@example.org [x](https://evil.example)";
    for field in ["display_name", "given_name"] {
        facts.scope.person[field] = json!(evil);
    }
    facts.tasks[0].what = evil.to_owned();
    facts.problems[0].what = evil.to_owned();
    let to = Addressee { name: Some(evil.into()), ..reader(Language::En) };
    for name in NAMES {
        let letter = room.write(&to, name, &facts).unwrap();
        let parts = letter.parts();
        let html = parts["html"].as_str().unwrap();
        assert!(!html.contains("<script>"), "{name}:\n{html}");
        assert!(html.contains("&lt;script&gt;"), "{name}");
        assert!(!html.contains("href=\"https://evil"), "{name}");
        assert!(!letter.subject.contains(['\r', '\n']), "{name}: {}", letter.subject);
        assert!(!parts["name"].as_str().unwrap().contains(['\r', '\n']), "{name}");
    }
}

#[tokio::test]
async fn no_header_comes_out_of_a_name() {
    let room = room();
    let to = Addressee { name: Some("Ada\r\nBcc: all@example.org".into()), ..reader(Language::En) };
    let letter = room.write_words(&to, "Hi\r\nX-Evil: 1", "words").unwrap();
    let mails = sent(&room, &[("one".into(), letter)]).await;
    let (head, _) = mails[0].split_once("\r\n\r\n").unwrap();
    assert!(!head.contains("\r\nBcc") && !head.contains("\r\nX-Evil"), "{head}");
}

#[test]
fn the_recipients_language_counts_then_the_configured_one() {
    let room = MailRoom::open(MailSettings { language: Language::It, ..settings() }).0;
    let [facts, _] = samples::samples();
    let subject = |to: &Addressee| room.write(to, "test", &facts).unwrap().subject;
    assert_eq!(subject(&reader(Language::De)), "Ein Test von usher");
    assert_eq!(subject(&Addressee::unknown("x@example.org")), "Una prova di usher");
    assert!(room.write(&reader(Language::De), "tset", &facts).unwrap_err().0.contains("`tset`"));
}

#[test]
fn a_link_is_in_the_mail_and_nowhere_else() {
    let room = room();
    let [facts, _] = samples::samples();
    let letter = room.write(&reader(Language::En), "setup-link", &facts).unwrap();
    let link = facts.link.as_ref().unwrap().expose();
    assert!(letter.parts()["text"].as_str().unwrap().contains(link));
    let mail = room.mail("key".into(), "setup-link", &letter, None);
    for shown in [format!("{letter:?}"), format!("{facts:?}"), format!("{mail:?}"), format!("{room:?}")] {
        assert!(!shown.contains("6f1c2a"), "{shown}");
    }
}

#[test]
fn files_take_the_place_of_templates_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("test.de.txt", "Subject: Prüfung\n\n{{ greeting }}\n\nEs geht.\n");
    write("canteen.en.txt", "Subject: The canteen, {{ to.name }}\n\nIs shut for {{ inputs.week }}.\n");
    write("footer.en.txt", "Alpine Instruments\n");
    write("README.md", "not a template {{ x }}");
    let own = MailSettings { templates: Some(folder.path().to_owned()), ..settings() };
    let (room, mistakes) = MailRoom::open(own);
    assert!(mistakes.is_empty(), "{mistakes:#?}");
    let [mut facts, _] = samples::samples();
    assert_eq!(room.write(&reader(Language::De), "test", &facts).unwrap().subject, "Prüfung");
    let english = room.write(&reader(Language::En), "test", &facts).unwrap();
    assert_eq!(english.subject, "A test from usher");
    assert!(english.parts()["text"].as_str().unwrap().ends_with("-- \nAlpine Instruments\n"));
    assert!(is_known("canteen", Some(folder.path())) && !is_known("canteen", None) && is_known("alert", None));
    // Only the workflow's own input is missing.
    assert!(room.write(&reader(Language::De), "canteen", &facts).unwrap_err().0.contains("undefined"));
    facts.scope.inputs["week"] = json!(3);
    let own = room.write(&reader(Language::De), "canteen", &facts).unwrap();
    assert_eq!(own.subject, "The canteen, Søren Østergaard");
}

#[test]
fn mistakes_in_files_have_a_place_and_the_shipped_template_stays() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("test.en.txt", "Subject: x\n\nHello {{ to.nmae }}\n");
    write("welcome.fr.txt", "Subject: x\n\n{% if link %}\n{{ persn.email }}\n");
    write("alert.it.txt", "Subject: x\n\n{% for problem in problems %}\n- {{ problem.waht }}\n{% endfor %}\n");
    write("setup-link.de.txt", "Kein Betreff\n");
    write("layout.html", "<p>{{ bdoy }}</p>");
    let (room, mistakes) = MailRoom::open(MailSettings { templates: Some(folder.path().to_owned()), ..settings() });
    let told: Vec<String> = mistakes
        .iter()
        .map(|it| format!("{}:{} {}", it.file.rsplit('/').next().unwrap(), it.line, it.message))
        .collect();
    for expected in [
        "test.en.txt:3 `to.nmae`",
        "welcome.fr.txt:",
        "alert.it.txt:4 undefined",
        "setup-link.de.txt:1 the first line",
        "layout.html:1 undefined",
    ] {
        assert!(told.iter().any(|it| it.starts_with(expected)), "{expected} is not in {told:#?}");
    }
    assert!(mistakes.iter().all(|it| !it.file.is_empty()));
    let [facts, _] = samples::samples();
    assert_eq!(room.write(&reader(Language::En), "test", &facts).unwrap().subject, "A test from usher");
}
