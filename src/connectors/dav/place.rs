//! Places on a server: built segment by segment, and taken from answers only where they are below what was asked for.

use percent_encoding::percent_decode_str;
use reqwest::Url;

/// The longest name of one thing, in bytes; file systems have none longer.
const LONGEST: usize = 255;

/// What keeps a text from being one segment of a path; `None` where it is fit.
pub(super) fn wrong_with_segment(text: &str) -> Option<&'static str> {
    match text {
        "" => Some("it is empty"),
        "." | ".." => Some("it means another place"),
        text if text.len() > LONGEST => Some("it is longer than 255 bytes"),
        text if text.contains(['/', '\\']) => Some("it holds a slash"),
        text if text.chars().any(char::is_control) => Some("it holds a control character"),
        _ => None,
    }
}

/// The collection at these segments below another one. Each is encoded whole (RFC 3986 §3.3).
pub(super) fn below<'a>(base: &Url, segments: impl Iterator<Item = &'a str>) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments).push("");
    }
    url
}

/// What is called `name` right in a collection.
pub(super) fn in_collection(collection: &Url, name: &str) -> Url {
    let mut url = collection.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().push(name);
    }
    url
}

/// The same place as a collection: with a slash at the end (RFC 4918 §5.2).
pub(super) fn as_collection(url: &Url) -> Url {
    below(url, std::iter::empty())
}

/// The decoded segments of a place; `None` where one of them is none.
pub(super) fn segments(url: &Url) -> Option<Vec<String>> {
    let path = url.path().strip_prefix('/')?;
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Some(Vec::new());
    }
    let decode = |segment: &str| {
        let text = percent_decode_str(segment).decode_utf8().ok()?.into_owned();
        wrong_with_segment(&text).is_none().then_some(text)
    };
    path.split('/').map(decode).collect()
}

/// A place that an answer names, and its segments below what was asked for.
///
/// # Errors
/// Where it leads to another server, above what was asked for, or nowhere.
pub(super) fn named(asked: &Url, href: &str) -> Result<(Url, Vec<String>), String> {
    let (url, found) = on_server(asked, href)?;
    let own = segments(asked).ok_or_else(|| wrong(href, "which is no place"))?;
    match found.strip_prefix(own.as_slice()) {
        Some(rest) => Ok((url, rest.to_vec())),
        None => Err(wrong(href, "which is not below what was asked for")),
    }
}

/// A place that an answer names, wherever on the server that was asked, and its segments.
///
/// # Errors
/// Where it leads to another server, or nowhere.
pub(super) fn on_server(asked: &Url, href: &str) -> Result<(Url, Vec<String>), String> {
    let url = asked.join(href.trim()).map_err(|_| wrong(href, "which is no address"))?;
    let elsewhere = url.origin() != asked.origin() || !url.username().is_empty() || url.password().is_some();
    if elsewhere {
        return Err(wrong(href, "which is on another server"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong(href, "which is no place"));
    }
    let found = segments(&url).ok_or_else(|| wrong(href, "which is no place"))?;
    Ok((url, found))
}

fn wrong(href: &str, why: &str) -> String {
    format!("the server names `{href}`, {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_below_what_was_asked_for_is_taken() {
        let asked: Url = "https://dav.example.org/u/j%20doe/work/".parse().unwrap();
        for (href, rest) in [
            ("/u/j%20doe/work/", vec![]),
            ("/u/j%20doe/work", vec![]),
            ("https://dav.example.org/u/j%20doe/work/a.ics", vec!["a.ics"]),
            ("/u/%6A%20doe/work/%C3%BC%23.ics", vec!["ü#.ics"]),
            ("/u/j%20doe/work/a/b", vec!["a", "b"]),
        ] {
            let (url, found) = named(&asked, href).unwrap_or_else(|why| panic!("{why}"));
            assert_eq!(found, rest, "{href}");
            assert_eq!(url.origin(), asked.origin());
        }
        for (href, named_as) in [
            ("https://evil.example.org/u/j%20doe/work/a", "another server"),
            ("//evil.example.org/u/j%20doe/work/a", "another server"),
            ("http://dav.example.org/u/j%20doe/work/a", "another server"),
            ("https://dav.example.org:8443/u/j%20doe/work/a", "another server"),
            ("https://x:y@dav.example.org/u/j%20doe/work/a", "another server"),
            ("/u/boss/work/a.ics", "not below"),
            ("/u/j%20doe/workshop/", "not below"),
            ("../../boss/", "not below"),
            ("/u/j%20doe/work/../../boss/x", "not below"),
            ("/u/j%20doe/work/%2e%2e/x", "not below"),
            ("/u/j%20doe/work/a%2f..%2fb", "no place"),
            ("/u/j%20doe/work/a%00b", "no place"),
            ("/u/j%20doe/work/a//b", "no place"),
            ("/u/j%20doe/work/a?x=1", "no place"),
            ("/u/j%20doe/work/%ff", "no place"),
            ("https://[", "no address"),
        ] {
            let why = named(&asked, href).unwrap_err();
            assert!(why.contains(named_as), "{href}: {why}");
        }
    }
}
