//! What a cell must be to count as an address, a zone, a language, a status.

use crate::run::PersonStatus;

/// The longest cell that is a name or an address.
const LONGEST: usize = 200;

/// A name, a department: one line, not too long.
pub(super) fn text(cell: &str) -> Result<String, String> {
    match cell.chars().count() {
        ..=LONGEST if !cell.contains(['\n', '\r', '\t']) => Ok(cell.to_owned()),
        ..=LONGEST => Err("has a line break".to_owned()),
        length => Err(format!("{length} characters; {LONGEST} is the most")),
    }
}

/// RFC 5321's shape, no more: one `@`, a name before it, a domain with a dot after it, nothing that could end a header.
pub(super) fn email(cell: &str) -> Result<String, String> {
    let strange = |c: char| c.is_whitespace() || matches!(c, '<' | '>' | ',' | ';' | '"' | '(' | ')' | ':' | '\\');
    let domain_fits = |domain: &str| {
        domain.contains('.') && domain.split('.').all(|label| !label.is_empty() && !label.starts_with('-'))
    };
    match cell.split_once('@') {
        Some((name, domain))
            if !name.is_empty()
                && !domain.contains('@')
                && domain_fits(domain)
                && cell.len() <= 254
                && !cell.contains(strange) =>
        {
            Ok(cell.to_owned())
        }
        _ => Err(format!("`{cell}` is no mail address")),
    }
}

pub(super) fn zone(cell: &str) -> Result<String, String> {
    jiff::tz::TimeZone::get(cell)
        .map(|zone| zone.iana_name().unwrap_or(cell).to_owned())
        .map_err(|_| format!("`{cell}` is no IANA time zone, as `Europe/Zurich` is one"))
}

pub(super) fn language(cell: &str) -> Result<String, String> {
    let mut parts = cell.split(['-', '_']);
    let first = parts.next().is_some_and(|part| (2..=3).contains(&part.len()));
    let fits = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if first && cell.split(['-', '_']).all(fits) {
        Ok(cell.replace('_', "-"))
    } else {
        Err(format!("`{cell}` is no language tag, as `de` or `fr-CH` are"))
    }
}

pub(super) fn status(cell: &str) -> Result<PersonStatus, String> {
    let known = match cell.to_lowercase().as_str() {
        "prehire" | "pre-hire" | "future" | "hired" => Some(PersonStatus::Prehire),
        "active" | "employed" | "actif" | "active(e)" | "aktiv" | "angestellt" | "attivo" | "attiva" => {
            Some(PersonStatus::Active)
        }
        "on_leave" | "on leave" | "leave" | "en congé" | "abwesend" | "beurlaubt" | "in congedo" => {
            Some(PersonStatus::OnLeave)
        }
        "leaving" | "notice" | "gekündigt" | "en préavis" | "in uscita" => Some(PersonStatus::Leaving),
        "left" | "inactive" | "terminated" | "former" | "sorti" | "sortie" | "inactif" | "ausgetreten" | "inaktiv"
        | "cessato" | "cessata" | "uscito" | "uscita" | "inattivo" => Some(PersonStatus::Left),
        other => PersonStatus::from_name(other),
    };
    let words = PersonStatus::ALL.map(PersonStatus::as_str).join(", ");
    known.ok_or_else(|| format!("`{cell}` is no status; the statuses are {words}"))
}
