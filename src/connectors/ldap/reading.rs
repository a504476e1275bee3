//! Reading all accounts, a page at a time (RFC 2696). The server remembers where a reading stands, for the connection that
//! it came by: so each reading has a connection of its own.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};

use ldap3::controls::{ControlType, MakeCritical, PagedResults, RawControl};
use ldap3::{LdapResult, Scope};
use tokio::sync::Mutex;

use super::account::attributes;
use super::connection::{Connection, Door};
use super::directory::{Unread, read_all};
use super::error::{self, Effect};
use super::governing::Administrators;
use super::name;
use super::place::Place;
use super::settings::LdapSettings;
use crate::connectors::ActionError;
use crate::run::Account;

/// So many readings may be under way at once; with one more, the oldest is given up.
const AT_ONCE: usize = 4;

/// The readings that are under way.
#[derive(Default)]
pub(super) struct Readings {
    open: Mutex<BTreeMap<u64, Reading>>,
    last: AtomicU64,
}

struct Reading {
    connection: Connection,
    administrators: Administrators,
    /// Where there is still something to read; the first is being read.
    places: VecDeque<String>,
    cookie: Vec<u8>,
}

/// What a page ends with.
type Page = (Vec<Account>, Option<String>);

impl Readings {
    /// One page, and the name of the reading that goes on with the next.
    pub(super) async fn page(&self, from: Option<String>, door: &Door, place: &Place<'_>) -> Result<Page, ActionError> {
        let mut reading = match &from {
            None => Reading::begin(door, place).await?,
            Some(cursor) => self.take(cursor).await?,
        };
        let accounts = reading.next(door, place).await?;
        if reading.places.is_empty() {
            return Ok((accounts, None));
        }
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        let mut open = self.open.lock().await;
        open.insert(number, reading);
        while open.len() > AT_ONCE {
            open.pop_first();
        }
        Ok((accounts, Some(number.to_string())))
    }

    /// Each page of a reading has a name of its own, so none is read twice or left out.
    async fn take(&self, cursor: &str) -> Result<Reading, ActionError> {
        let lost = || ActionError::retry("the reading was interrupted: it begins anew");
        let number: u64 = cursor.parse().map_err(|_| lost())?;
        self.open.lock().await.remove(&number).ok_or_else(lost)
    }
}

impl Reading {
    async fn begin(door: &Door, place: &Place<'_>) -> Result<Self, ActionError> {
        let LdapSettings { people, deleted, .. } = place.settings;
        let elsewhere = deleted.iter().filter(|place| !name::is_below(place, people));
        // Where deleted accounts wait above the others, one reading finds them all.
        let above = elsewhere.clone().any(|place| name::is_below(people, place));
        let people = (!above).then_some(people);
        Ok(Self {
            connection: door.open().await?,
            administrators: place.administrators().await?,
            places: people.into_iter().chain(elsewhere).cloned().collect(),
            cookie: Vec::new(),
        })
    }

    async fn next(&mut self, door: &Door, place: &Place<'_>) -> Result<Vec<Account>, ActionError> {
        let Some(base) = self.places.front() else { return Ok(Vec::new()) };
        let LdapSettings { profile, page, .. } = *place.settings;
        let size = if profile.has_pages() { page } else { LdapSettings::WHOLE };
        let mut ldap = self.connection.ldap.clone();
        let control: RawControl = PagedResults { size, cookie: std::mem::take(&mut self.cookie) }.critical().into();
        ldap.with_timeout(door.timeout()).with_controls(control);
        let wanted = attributes(place.settings);
        let answer = read_all(ldap, base, Scope::Subtree, &place.settings.filter, &wanted, size).await;
        let (found, result) = answer.map_err(|why| match why {
            Unread::Cut(why) => error::of_cut(door.host(), &why, Effect::Looks),
            Unread::Odd(why) => why,
        })?;
        if result.rc != error::SUCCESS {
            return Err(error::of_result(door.host(), &result, Effect::Looks));
        }
        match cookie(&result) {
            Some(cookie) => self.cookie = cookie,
            None => drop(self.places.pop_front()),
        }
        let account = |entry: &super::entry::Entry| place.account(entry, &self.administrators);
        Ok(found.iter().filter_map(account).collect())
    }
}

/// Where the next page begins; `None` behind the last one.
fn cookie(result: &LdapResult) -> Option<Vec<u8>> {
    let paged = result.ctrls.iter().find(|control| matches!(control.0, Some(ControlType::PagedResults)))?;
    // The library panics where there is no value.
    paged.1.val.as_ref()?;
    let page: PagedResults = paged.1.parse();
    Some(page.cookie).filter(|cookie| !cookie.is_empty())
}
