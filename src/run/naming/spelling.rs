//! Names of any script in the letters that every mail system takes: `a` to `z`, digits, and hyphens inside.

/// One word of a name: letters and digits, with single hyphens between them.
///
/// Accents are dropped (`José` is `jose`), other scripts are transliterated (`Мария` is `mariia`). German is spelt as
/// Germans do without umlauts (`Müller` is `mueller`), for people whose language is German; elsewhere `ü` is `u`.
/// Apostrophes join (`O'Neil` is `oneil`), hyphens stay (`Jean-Luc` is `jean-luc`), everything else is left out.
pub(super) fn word(name: &str, language: Option<&str>) -> String {
    let german = language.is_some_and(is_german);
    let mut spelt = String::with_capacity(name.len());
    for letter in name.chars() {
        match umlaut(letter).filter(|_| german) {
            Some(letters) => spelt.push_str(letters),
            None => push(&mut spelt, letter),
        }
    }
    spelt.trim_matches('-').to_owned()
}

/// The first word of given names: `Anna Maria` is called Anna.
pub(super) fn first(names: &str, language: Option<&str>) -> String {
    names.split_whitespace().map(|name| word(name, language)).find(|name| !name.is_empty()).unwrap_or_default()
}

/// A family name, its particles joined: `van der Berg` is `vanderberg`.
pub(super) fn joined(names: &str, language: Option<&str>) -> String {
    names.split_whitespace().map(|name| word(name, language)).collect()
}

fn push(spelt: &mut String, letter: char) {
    if is_hyphen(letter) {
        if !spelt.is_empty() && !spelt.ends_with('-') {
            spelt.push('-');
        }
        return;
    }
    // Pictures have names too, and nobody is called by them.
    let plain = deunicode::deunicode_char(letter).filter(|_| letter.is_alphanumeric()).unwrap_or_default();
    spelt.extend(plain.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()));
}

const fn is_hyphen(letter: char) -> bool {
    matches!(letter, '-' | '\u{2010}'..='\u{2015}' | '\u{ad}')
}

/// `de`, `de-CH`, and Alemannic, which has the same letters.
fn is_german(language: &str) -> bool {
    let primary = language.split(['-', '_']).next().unwrap_or_default();
    primary.eq_ignore_ascii_case("de") || primary.eq_ignore_ascii_case("gsw")
}

const fn umlaut(letter: char) -> Option<&'static str> {
    Some(match letter {
        'ä' | 'Ä' => "ae",
        'ö' | 'Ö' => "oe",
        'ü' | 'Ü' => "ue",
        _ => return None,
    })
}
