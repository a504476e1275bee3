//! `[limits]`, and the limits of `[systems.NAME]`: how much may happen on a system before a person looks, and how fast.

use std::collections::BTreeMap;

use super::judge::Judge;
use super::keys::SYSTEMS;
use crate::run::limits::{Limit, Limits, SystemLimits};
use crate::run::pace::{AT_ONCE, Pace, Rate};

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

    /// How fast single systems are asked.
    pub(super) fn paces(&mut self) -> BTreeMap<String, Pace> {
        let merged = self.merged;
        let mut paces = BTreeMap::new();
        for (name, raw) in &merged.raw.systems {
            // A simulated company bears everything.
            let real = raw.kind.as_deref().is_some_and(|kind| kind != "sandbox");
            let mut pace = Pace { at_once: real.then_some(AT_ONCE), rate: None };
            match raw.at_once.map(Pace::at_once) {
                None => {}
                Some(Ok(most)) => pace.at_once = Some(most),
                Some(Err(why)) => self.wrong(&format!("{SYSTEMS}.{name}.at_once"), why),
            }
            match raw.rate.as_deref().map(Rate::parse) {
                None => {}
                Some(Ok(rate)) => pace.rate = Some(rate),
                Some(Err(why)) => self.wrong(&format!("{SYSTEMS}.{name}.rate"), why),
            }
            if pace.is_limited() {
                paces.insert(name.clone(), pace);
            }
        }
        paces
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::config::tests::judged;
    use crate::run::pace::{AT_ONCE, Pace, Rate};

    const SYSTEM: &str = "[systems.a]\nkind = \"sandbox\"\ncompany = \"c.toml\"\n";

    #[test]
    fn a_pace_is_read_where_it_is_written() {
        let (config, problems) = judged(&format!("{SYSTEM}at_once = 4\nrate = \"120/min\"\n"));
        assert_eq!(problems, [""; 0]);
        let rate = Rate { starts: 120, per: Duration::from_secs(60) };
        assert_eq!(config.rules.paces["a"], Pace { at_once: Some(4), rate: Some(rate) });
        assert!(judged(SYSTEM).0.rules.paces.is_empty(), "without limit, nothing is asked of the database");
        let real = "[systems.b]\nkind = \"exec\"\n";
        assert_eq!(judged(real).0.rules.paces["b"], Pace { at_once: Some(AT_ONCE), rate: None });
        let own = judged(&format!("{real}at_once = 200\n")).0.rules.paces["b"];
        assert_eq!(own.at_once, Some(200), "what is written counts");
        for (more, named) in [
            ("at_once = 0", "`systems.a.at_once`: 0 is not between 1"),
            ("rate = \"0/min\"", "`systems.a.rate`: `0/min` is no rate: it allows nothing"),
            ("rate = \"60\"", "write `120/min`"),
        ] {
            let (_, problems) = judged(&format!("{SYSTEM}{more}\n"));
            assert!(problems.iter().any(|problem| problem.contains(named)), "{more}: {problems:?}");
        }
    }
}
