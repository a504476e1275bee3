//! What limits and guards that have tripped would have against the destructive steps of a run, as things stand.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::CliError;
use super::house::House;
use crate::clock::plus;
use crate::run::limits::{self, Asked, Counted, HOUR, Limits, Tally};
use crate::run::trip::{Stops, Trip};

/// What has started lately, and what has tripped.
pub(super) struct Outlook {
    limits: Limits,
    lately: BTreeMap<String, Tally>,
    trips: Vec<Trip>,
    now: Timestamp,
}

impl Outlook {
    /// As it is on these systems.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(super) async fn on(house: &House, systems: &BTreeSet<String>) -> Result<Self, CliError> {
        Ok(Self {
            limits: house.engine.house_rules().limits.clone(),
            lately: house.store().lately(systems).await?,
            trips: house.store().trips(false).await?.into_iter().map(|row| row.trip).collect(),
            now: house.store().now().await?,
        })
    }

    /// What would hold a destructive step there that is due then (or whose time is not known yet).
    pub(super) fn against(&self, system: &str, due: Option<Timestamp>) -> Option<String> {
        let tally = self.lately.get(system)?;
        let soon = due.is_some_and(|due| due <= plus(self.now, HOUR));
        let asked =
            Asked { system, stops: Stops::Destructive, as_batch: false, counted: Counted::default(), now: self.now };
        limits::outlook(&self.limits, tally, &self.trips, &asked, soon)
    }
}
