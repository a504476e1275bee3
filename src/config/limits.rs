//! `[limits]`, and the limits of `[systems.NAME]`: how much may happen on a system before a person looks.

use std::collections::BTreeMap;

use super::judge::Judge;
use super::keys::SYSTEMS;
use crate::run::limits::{Limit, Limits, SystemLimits};

/// What one section says of the three limits, in their order.
type Written<'a> = [(&'static str, Option<&'a str>); 3];

impl Judge<'_> {
    pub(super) fn limits(&mut self) -> Limits {
        let merged = self.merged;
        let raw = &merged.raw.limits;
        let default = Limits::default();
        let everywhere = [
            ("destructive_per_hour", raw.destructive_per_hour.as_deref()),
            ("destructive_per_day", raw.destructive_per_day.as_deref()),
            ("cuts_per_hour", raw.cuts_per_hour.as_deref()),
        ];
        let everywhere = self.system_limits("limits", everywhere, default.everywhere);
        let mut on = BTreeMap::new();
        for (name, raw) in &merged.raw.systems {
            let own: Written<'_> = [
                ("destructive_per_hour", raw.destructive_per_hour.as_deref()),
                ("destructive_per_day", raw.destructive_per_day.as_deref()),
                ("cuts_per_hour", raw.cuts_per_hour.as_deref()),
            ];
            if own.iter().any(|(_, text)| text.is_some()) {
                on.insert(name.clone(), self.system_limits(&format!("{SYSTEMS}.{name}"), own, everywhere));
            }
        }
        let age = self.length(
            "limits.inventory_age",
            raw.inventory_age.as_deref(),
            3600..=3650 * 86_400,
            default.inventory_age,
        );
        Limits { everywhere, on, inventory_age: age }
    }

    fn system_limits(&mut self, section: &str, written: Written<'_>, default: SystemLimits) -> SystemLimits {
        let mut limits = default;
        let places = [&mut limits.destructive_per_hour, &mut limits.destructive_per_day, &mut limits.cuts_per_hour];
        for ((key, text), place) in written.into_iter().zip(places) {
            match text.map(Limit::parse) {
                None => {}
                Some(Ok(limit)) => *place = limit,
                Some(Err(why)) => self.wrong(&format!("{section}.{key}"), why),
            }
        }
        limits
    }
}
