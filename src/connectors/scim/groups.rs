//! Groups: found by name, and by whom they hold (RFC 7643, 4.2). What an account says of its own groups is a mirror that not
//! every provider keeps, so the groups are asked; how they let themselves be asked is tried out on a group that is there.

use std::collections::BTreeMap;

use serde_json::Value;

use super::edit::{self, Seat};
use super::endpoint::{Change, Kind, To};
use super::filter::{self, Holding};
use super::listing::{NoPage, Query};
use super::place::Place;
use super::resource::{Resource, text, value};
use super::settings::Dialect;
use crate::connectors::{ActionError, membership};
use crate::workflow::params::Method;

/// What is read of a group.
const ATTRIBUTES: &str = "displayName,members,meta";

/// Nobody has this id.
const NOBODY: &str = "00000000-0000-4000-8000-757368657200";

/// A group.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) resource: Resource,
    /// What people call it.
    pub(super) name: String,
}

impl Group {
    fn of(resource: Resource) -> Self {
        let name = resource.text("displayName").unwrap_or_else(|| resource.id.clone());
        Self { resource, name }
    }

    fn listed(whole: Value) -> Option<Self> {
        Resource::listed(whole).map(Self::of)
    }

    /// Whether it holds an account; `None` where it does not show whom it holds.
    fn holds(&self, account: &str) -> Option<bool> {
        self.resource.shows("members").then(|| self.resource.values("members").iter().any(|id| id == account))
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.resource.id == other.resource.id
    }
}

impl membership::Group for Group {
    fn name(&self) -> &str {
        &self.name
    }

    /// What people call it, or its id.
    fn is(&self, called: &str) -> bool {
        self.name.eq_ignore_ascii_case(called) || self.resource.id == called
    }
}

/// How the groups that hold somebody are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lookup {
    /// They are asked for with this filter, which was seen to work.
    Filter(Holding),
    /// All groups are read.
    Reading,
}

/// What became of the change of one membership: what the provider said where it refused.
pub(super) type Refused = BTreeMap<String, String>;

impl Place<'_> {
    /// All groups that hold an account themselves.
    pub(super) async fn groups_of(&self, account: &Resource) -> Result<Vec<Group>, ActionError> {
        let lookup = self.lookup().await?;
        let filter = match lookup {
            Lookup::Filter(holding) => Some(holding.filter(&account.id)),
            Lookup::Reading => None,
        };
        let query = Query { filter, attributes: Some(ATTRIBUTES), count: 0 };
        let found = self.all(Kind::Groups, query, |_| true).await?;
        let mut groups: Vec<Group> = found.into_iter().filter_map(Group::listed).collect();
        // A filter that works needs no members in the answer.
        let unseen = matches!(lookup, Lookup::Filter(_));
        groups.retain(|group| group.holds(&account.id).unwrap_or(unseen));
        for id in account.values("groups") {
            if groups.iter().all(|group| group.resource.id != id)
                && let Some(group) = self.one(Kind::Groups, &id).await?.map(Group::of)
                && group.holds(&account.id) != Some(false)
            {
                groups.push(group);
            }
        }
        groups.sort_by(|one, other| (&one.name, &one.resource.id).cmp(&(&other.name, &other.resource.id)));
        Ok(groups)
    }

    /// Found out once, on a group that has a member: the filter must find it by that, and nothing for nobody.
    pub(super) async fn lookup(&self) -> Result<Lookup, ActionError> {
        if !self.provider.filter {
            return Ok(Lookup::Reading);
        }
        if let Some(lookup) = self.known.lookup.get() {
            return Ok(*lookup);
        }
        let Some((group, member)) = self.witness().await? else { return Ok(Lookup::Reading) };
        let mut found = Lookup::Reading;
        for holding in Holding::ALL {
            let hits = self.ids(holding.filter(&member)).await?;
            let works = hits.is_some_and(|hits| hits.contains(&group))
                && self.ids(holding.filter(NOBODY)).await?.is_some_and(|hits| hits.is_empty());
            if works {
                found = Lookup::Filter(holding);
                break;
            }
        }
        Ok(*self.known.lookup.get_or_init(async || found).await)
    }

    /// A group, and somebody in it.
    async fn witness(&self) -> Result<Option<(String, String)>, ActionError> {
        let query = Query { attributes: Some(ATTRIBUTES), count: 10, ..Query::default() };
        let page = match self.page(Kind::Groups, &query, None).await {
            Ok(page) => page,
            Err(NoPage::Other(why)) => return Err(why),
            Err(NoPage::Filter) => return Ok(None),
        };
        Ok(page.resources.into_iter().filter_map(Resource::listed).find_map(|group| {
            let member = group.items("members").into_iter().find_map(value)?;
            Some((group.id, member))
        }))
    }

    /// The ids of the groups of one page that fit a filter; `None` where it is not understood.
    async fn ids(&self, filter: String) -> Result<Option<Vec<String>>, ActionError> {
        let query = Query { filter: Some(filter), attributes: Some("displayName"), count: 0 };
        match self.page(Kind::Groups, &query, None).await {
            Ok(page) => Ok(Some(page.resources.iter().filter_map(|group| text(group, "id")).collect())),
            Err(NoPage::Filter) => Ok(None),
            Err(NoPage::Other(why)) => Err(why),
        }
    }

    /// The group that is called so, or has this id.
    ///
    /// # Errors
    /// A final failure where there is none, or more than one.
    pub(super) async fn group(&self, called: &str) -> Result<Group, ActionError> {
        let named = |group: &Value| text(group, "displayName").is_some_and(|name| name.eq_ignore_ascii_case(called));
        let filter = Some(filter::equals("displayName", called));
        let query = Query { filter, attributes: Some(ATTRIBUTES), count: 0 };
        let mut found = self.all(Kind::Groups, query, named).await?;
        match (found.pop().and_then(Group::listed), found.pop()) {
            (Some(group), None) => Ok(group),
            (None, _) => match self.one(Kind::Groups, called).await {
                Ok(Some(group)) => Ok(Group::of(group)),
                Err(why @ ActionError::Retry { .. }) => Err(why),
                _ => Err(ActionError::fail(format!("there is no group called `{called}` on {}", self.system))),
            },
            (Some(_), Some(_)) => Err(ActionError::fail(format!(
                "several groups of {} are called `{called}`: write the id of the one that is meant",
                self.system
            ))),
        }
    }

    /// Lets an account into a group. Being in it already is no refusal.
    pub(super) async fn join(&self, group: &Group, account: &str) -> Result<(), ActionError> {
        self.seat(group, Seat::Taken, account).await
    }

    /// Takes an account out of groups, each by itself: one that refuses keeps the account in none of the others. What
    /// each refusal said.
    ///
    /// # Errors
    /// When the provider does not answer; the text names the groups that were left by then.
    pub(super) async fn leave(&self, groups: &[Group], account: &str) -> Result<Refused, ActionError> {
        let mut refused = Refused::new();
        for (number, group) in groups.iter().enumerate() {
            match self.seat(group, Seat::Left, account).await {
                Ok(()) => {}
                Err(ActionError::Fail { reason }) => drop(refused.insert(group.resource.id.clone(), reason)),
                Err(why) => return Err(membership::after(&groups[..number], why)),
            }
        }
        Ok(refused)
    }

    async fn seat(&self, group: &Group, seat: Seat, account: &str) -> Result<(), ActionError> {
        let id = group.resource.id.as_str();
        let to = To::One(Kind::Groups, id);
        let dialect = self.dialect();
        if dialect != Dialect::Put {
            // One member is no matter of versions: what others do to the group at the same time stays.
            let body = edit::patch_of_group(dialect, seat, account);
            let change = Change { method: Method::Patch, body: Some(&body), version: None, password: None };
            return self.endpoint.change(&to, change, &[]).await.map(drop);
        }
        let mut now = group.resource.clone();
        for _ in 0..super::place::TRIES {
            let body = edit::whole_group(&now.whole, seat, account);
            if self.write(&to, Method::Put, Some(&body), &now, None).await? {
                return Ok(());
            }
            now = self.whole_group(id).await?;
        }
        Err(self.restless())
    }

    /// As they are now, with everything in them, where they are written whole: before anything is changed.
    pub(super) async fn ready(&self, groups: Vec<Group>) -> Result<Vec<Group>, ActionError> {
        if self.dialect() != Dialect::Put {
            return Ok(groups);
        }
        let mut ready = Vec::new();
        for group in groups {
            ready.push(Group { resource: self.whole_group(&group.resource.id).await?, ..group });
        }
        Ok(ready)
    }

    async fn whole_group(&self, id: &str) -> Result<Resource, ActionError> {
        let gone = || ActionError::fail(format!("group {id} is gone from {}", self.system));
        self.one(Kind::Groups, id).await?.ok_or_else(gone)
    }
}
