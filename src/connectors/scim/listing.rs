//! Resources page by page (RFC 7644, 3.4.2.4; RFC 9865). Nobody is believed about how many there are: a list is read until
//! a page is empty, and one that shows less than it promises is not taken for whole.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::endpoint::{Kind, To, is_good, unread};
use super::place::Place;
use super::resource::{field, text};
use crate::connectors::ActionError;

/// So many pages at most: a list without an end is none.
const MOST: usize = 100_000;

/// Which resources are asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Query {
    /// Only these; where the provider does not understand the filter, all of them.
    pub(super) filter: Option<String>,
    /// Only these attributes, where the provider leaves out others.
    pub(super) attributes: Option<&'static str>,
    /// How many at once; 0 is as configured.
    pub(super) count: u32,
}

/// Where the next page begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Next {
    /// At this position, from 1 on, behind a page that began with this id and told of so many.
    At { start: usize, behind: String, total: Option<usize> },
    /// Where this word says.
    Cursor(String),
}

impl Next {
    /// Whether everything that was told of has been shown.
    fn is_behind_all(&self) -> bool {
        matches!(self, Self::At { start, total: Some(total), .. } if total < start)
    }
}

/// One page.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) resources: Vec<Value>,
    pub(super) next: Option<Next>,
}

/// Why there is no page.
#[derive(Debug)]
pub(super) enum NoPage {
    /// The provider does not understand the filter.
    Filter,
    /// Something else.
    Other(ActionError),
}

impl Place<'_> {
    /// All resources that are `wanted`. The filter only saves time: what comes is looked at again.
    pub(super) async fn all(
        &self,
        kind: Kind,
        query: Query,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Vec<Value>, ActionError> {
        let filter = query.filter.clone().filter(|_| self.provider.filter);
        let mut query = Query { filter, ..query };
        let (mut found, mut from) = (Vec::new(), None);
        for _ in 0..MOST {
            match self.page(kind, &query, from.as_ref()).await {
                Ok(page) => {
                    found.extend(page.resources.into_iter().filter(|resource| wanted(resource)));
                    match page.next {
                        None => return Ok(found),
                        next => from = next,
                    }
                }
                Err(NoPage::Filter) => {
                    query.filter = None;
                    (found, from) = (Vec::new(), None);
                }
                Err(NoPage::Other(why)) => return Err(why),
            }
        }
        Err(ActionError::retry(format!("the list of {} has no end", self.system)))
    }

    /// One page.
    pub(super) async fn page(&self, kind: Kind, query: &Query, from: Option<&Next>) -> Result<Page, NoPage> {
        let count = if query.count == 0 { self.settings.page } else { query.count };
        let mut parameters = Vec::new();
        parameters.extend(query.filter.clone().map(|filter| ("filter", filter)));
        parameters.extend(query.attributes.map(|names| ("attributes", names.to_owned())));
        match from {
            Some(Next::Cursor(word)) => parameters.push(("cursor", word.clone())),
            // Empty, it asks for pages of this sort (RFC 9865, 2).
            None if self.provider.cursors => parameters.push(("cursor", String::new())),
            Some(Next::At { start, .. }) => parameters.push(("startIndex", start.to_string())),
            None => parameters.push(("startIndex", "1".to_owned())),
        }
        parameters.push(("count", count.to_string()));
        let answer = self.endpoint.ask(&To::Some(kind, &parameters)).await.map_err(NoPage::Other)?;
        match answer.status {
            _ if is_good(&answer) => {}
            // Some refuse a position behind the last one, where all has been shown.
            400 | 404 if from.is_some_and(Next::is_behind_all) => {
                return Ok(Page { resources: Vec::new(), next: None });
            }
            400 | 403 | 501 if query.filter.is_some() => return Err(NoPage::Filter),
            _ => return Err(NoPage::Other(unread(&answer))),
        }
        let strange = |why: String| NoPage::Other(ActionError::retry(format!("the list of {}: {why}", self.system)));
        let total =
            field(&answer.body, "totalResults").and_then(Value::as_u64).and_then(|total| usize::try_from(total).ok());
        let list = field(&answer.body, "Resources").and_then(Value::as_array).cloned();
        // Without results there may be no list (RFC 7644, 3.4.2).
        let resources = match (list, total) {
            (Some(resources), _) => resources,
            (None, Some(0)) => Vec::new(),
            (None, Some(_)) if from.is_some() => Vec::new(),
            (None, _) => return Err(strange(format!("this is none: {}", answer.words))),
        };
        let next = match (from, self.provider.cursors) {
            (Some(Next::Cursor(_)), _) | (None, true) => text(&answer.body, "nextCursor").map(Next::Cursor),
            (from, _) => return behind(resources, total, from, query.filter.is_some()).map_err(strange),
        };
        if next.is_some() && next.as_ref() == from {
            return Err(strange("its next page is this page".to_owned()));
        }
        Ok(Page { resources, next })
    }
}

/// Where it goes on behind a page that was asked for by its position.
fn behind(resources: Vec<Value>, total: Option<usize>, from: Option<&Next>, filtered: bool) -> Result<Page, String> {
    let (start, before) = match from {
        Some(Next::At { start, behind, .. }) => (*start, Some(behind.as_str())),
        _ => (1, None),
    };
    let end = |resources| Ok(Page { resources, next: None });
    let Some(first) = resources.first().and_then(|first| text(first, "id")) else {
        return match total {
            Some(total) if total >= start && !filtered => {
                Err(format!("{total} are said to be there, and {} are shown", start - 1))
            }
            _ => end(resources),
        };
    };
    if before == Some(first.as_str()) {
        return match total {
            // Everything comes at once, whatever is asked for.
            Some(total) if total < start => end(Vec::new()),
            _ => Err("its next page is this page".to_owned()),
        };
    }
    let start = start + resources.len();
    // What fits a filter is little, and looked at again: the number is believed there.
    if filtered && total.is_some_and(|total| total < start) {
        return end(resources);
    }
    Ok(Page { resources, next: Some(Next::At { start, behind: first, total }) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn page(ids: &[&str], total: usize, from: Option<&Next>, filtered: bool) -> Result<(usize, Option<Next>), String> {
        let resources = ids.iter().map(|id| json!({ "id": id })).collect();
        behind(resources, Some(total), from, filtered).map(|page| (page.resources.len(), page.next))
    }

    fn at(start: usize, behind: &str, total: usize) -> Option<Next> {
        Some(Next::At { start, behind: behind.to_owned(), total: Some(total) })
    }

    #[test]
    fn a_list_ends_with_an_empty_page() {
        assert_eq!(page(&["a", "b"], 2, None, false), Ok((2, at(3, "a", 2))), "the number is not believed");
        assert_eq!(page(&[], 2, at(3, "a", 2).as_ref(), false), Ok((0, None)));
        assert_eq!(
            page(&["c"], 2, at(3, "a", 2).as_ref(), false),
            Ok((1, at(4, "c", 2))),
            "there were more than were told"
        );
        assert_eq!(page(&[], 0, None, false), Ok((0, None)));
    }

    #[test]
    fn a_list_that_shows_less_than_it_promises_is_not_whole() {
        let why = page(&[], 1000, at(101, "a", 1000).as_ref(), false).unwrap_err();
        assert!(why.contains("1000 are said to be there, and 100 are shown"), "{why}");
        assert!(page(&["a", "b"], 1000, at(3, "a", 1000).as_ref(), false).is_err(), "the same page again");
        assert_eq!(page(&["a", "b"], 2, at(3, "a", 2).as_ref(), false), Ok((0, None)), "all of it again, at once");
        assert!(at(3, "a", 2).unwrap().is_behind_all() && !at(3, "a", 3).unwrap().is_behind_all());
    }

    #[test]
    fn what_fits_a_filter_needs_no_second_page() {
        assert_eq!(page(&["a"], 1, None, true), Ok((1, None)));
        assert_eq!(page(&["a"], 2, None, true), Ok((1, at(2, "a", 2))));
        assert_eq!(page(&[], 7, at(2, "a", 7).as_ref(), true), Ok((0, None)));
    }
}
