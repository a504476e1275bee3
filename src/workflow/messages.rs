//! The texts of auto-replies, by name and language, part of the program.
//!
//! A step names one by `template:`; it is filled with what the step's own expressions see, in the language that the
//! step or the person says, else in English.

use serde_json::{Map, Value};

use super::template::{Scope, Template};

/// Name, language and text.
const TEXTS: [(&str, &str, &str); 8] = [
    ("left-company", "en", include_str!("messages/left-company.en.txt")),
    ("left-company", "fr", include_str!("messages/left-company.fr.txt")),
    ("left-company", "de", include_str!("messages/left-company.de.txt")),
    ("left-company", "it", include_str!("messages/left-company.it.txt")),
    ("on-leave", "en", include_str!("messages/on-leave.en.txt")),
    ("on-leave", "fr", include_str!("messages/on-leave.fr.txt")),
    ("on-leave", "de", include_str!("messages/on-leave.de.txt")),
    ("on-leave", "it", include_str!("messages/on-leave.it.txt")),
];

/// The names that `template:` of `mail.auto_reply` may have.
pub const NAMES: [&str; 2] = ["left-company", "on-leave"];

/// What a text may refer to though a workflow has no such input: it is empty then.
const KNOWN: [&str; 2] = ["contact", "return_day"];

/// The text called `name`, filled. `contact` is the step's own parameter of that name; `language` is BCP 47.
///
/// # Errors
/// When there is no such text, or it cannot be filled; in words.
pub fn fill(name: &str, language: Option<&str>, contact: Option<&Value>, scope: &Scope) -> Result<String, String> {
    let wanted = language.or_else(|| scope.person.get("language").and_then(Value::as_str)).unwrap_or("en");
    let wanted = wanted.split(['-', '_']).next().unwrap_or("en").to_lowercase();
    let of = |language: &str| TEXTS.iter().find(|(text, spoken, _)| *text == name && *spoken == language);
    let Some((_, _, text)) = of(&wanted).or_else(|| of("en")) else {
        return Err(format!("there is no template called `{name}`; there are {}", NAMES.join(", ")));
    };
    let mut inputs: Map<String, Value> = KNOWN.iter().map(|known| ((*known).to_owned(), Value::Null)).collect();
    inputs.extend(scope.inputs.as_object().cloned().unwrap_or_default());
    if let Some(contact) = contact {
        inputs.insert("contact".to_owned(), contact.clone());
    }
    let scope = Scope { inputs: Value::Object(inputs), ..scope.clone() };
    let template = Template::parse(text).map_err(|error| error.message)?;
    template.render_text(&scope).map_err(|error| format!("the template `{name}` cannot be filled: {}", error.message))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ada(language: &str) -> Scope {
        Scope { person: json!({ "display_name": "Ada Keller", "language": language }), ..Scope::default() }
    }

    #[test]
    fn every_text_fills_in_every_language_with_and_without_a_contact() {
        for (name, language, _) in TEXTS {
            assert!(NAMES.contains(&name));
            let bare = fill(name, None, None, &ada(language)).unwrap();
            assert!(bare.contains("Ada Keller") && !bare.contains("{{") && !bare.contains("@"), "{bare}");
            let full = fill(name, None, Some(&json!("soren@example.org")), &ada(language)).unwrap();
            assert!(full.contains("soren@example.org"), "{full}");
        }
    }

    #[test]
    fn the_person_is_answered_for_in_their_language_else_in_english() {
        assert!(fill("left-company", None, None, &ada("fr-CH")).unwrap().starts_with("Bonjour"));
        assert!(fill("left-company", None, None, &ada("fi")).unwrap().starts_with("Hello"));
        assert!(fill("left-company", Some("de"), None, &ada("fr")).unwrap().starts_with("Guten Tag"));
        assert!(fill("left-compny", None, None, &ada("en")).unwrap_err().contains("left-company"));
    }
}
