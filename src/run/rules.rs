//! What the configuration says about working days and about the law, by name, and about how much may happen at once:
//! calendars, policies, limits.

use std::collections::BTreeMap;

use super::business::Holidays;
use super::limits::Limits;
use super::pace::Pace;
use super::policy::Policy;
use crate::workflow::Workflow;

/// Calendars and policies, each with the one that holds where a workflow names none; limits and paces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// `[time]`: weekends and holidays.
    pub holidays: Holidays,
    /// `[calendars.NAME]`.
    pub calendars: BTreeMap<String, Holidays>,
    /// `[policy]`.
    pub policy: Policy,
    /// `[policies.NAME]`.
    pub policies: BTreeMap<String, Policy>,
    /// `[limits]`: how much may happen on a system before a person looks.
    pub limits: Limits,
    /// How fast systems are asked, where `[systems.NAME]` says so.
    pub paces: BTreeMap<String, Pace>,
}

impl Rules {
    /// The calendar called `name`; without a name the configured one, `None` where there is none of that name.
    pub fn calendar(&self, name: Option<&str>) -> Option<&Holidays> {
        name.map_or(Some(&self.holidays), |name| self.calendars.get(name))
    }

    /// The working days of a run that has started. Where its calendar is gone from the configuration, the configured
    /// one: what waits for business days of the missing one is held at its claim (guarantee 12).
    pub fn holidays_of(&self, workflow: &Workflow) -> &Holidays {
        self.calendar(workflow.calendar.as_deref()).unwrap_or(&self.holidays)
    }

    /// The policy called `name`; without a name the configured one, `None` where there is none of that name.
    pub fn policy(&self, name: Option<&str>) -> Option<&Policy> {
        name.map_or(Some(&self.policy), |name| self.policies.get(name))
    }
}

impl From<Holidays> for Rules {
    fn from(holidays: Holidays) -> Self {
        Self { holidays, ..Self::default() }
    }
}
