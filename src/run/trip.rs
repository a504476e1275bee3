//! Guards that have tripped. What they stop waits until a person releases them.

use super::book::{Book, Step};
use super::state::{HoldReason, StepState};

/// What tripped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TripKind {
    /// More would have happened on a system than its limits allow.
    Threshold,
    /// One of the first of many destructive steps did not end well.
    Canary,
    /// The clock has jumped, or nobody can say how long usher was away.
    Clock,
    /// The database is older than what is known to have happened.
    Restore,
}

impl TripKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Threshold, Self::Canary, Self::Clock, Self::Restore];

    /// The word used in tables and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Threshold => "threshold",
            Self::Canary => "canary",
            Self::Clock => "clock",
            Self::Restore => "restore",
        }
    }

    /// The kind called `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// Which steps a trip stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stops {
    /// Those that lose data or lead to it.
    Destructive,
    /// Those that cut access and that no person has asked for: runs of HR's word and of schedules.
    Cuts,
    /// Every step of a run that is not urgent.
    Everything,
}

impl Stops {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Destructive, Self::Cuts, Self::Everything];

    /// The word used in tables and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Destructive => "destructive",
            Self::Cuts => "cuts",
            Self::Everything => "everything",
        }
    }

    /// The one called `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stops| stops.as_str() == name)
    }

    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Destructive => "destructive steps",
            Self::Cuts => "access cuts that nobody asked for by hand",
            Self::Everything => "all steps but those of urgent workflows",
        }
    }

    /// What kind of step this is to the guards that count; `None` where they have no say. What is urgent goes ahead of
    /// everything, and a cut that a person asked for is that person's word.
    pub fn of(book: &Book, step: &Step) -> Option<Self> {
        if step.action.is_destructive() {
            return Some(Self::Destructive);
        }
        let by_itself = ["hr:", "schedule:"].iter().any(|from| book.run.trigger.starts_with(from));
        (step.action.is_cut() && by_itself && !book.run.workflow.urgent).then_some(Self::Cuts)
    }
}

/// A guard that has tripped.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Trip {
    /// Row key; shown as `trip_ID`.
    #[serde(skip)]
    pub id: i64,
    /// What tripped.
    pub kind: TripKind,
    /// Where; `None` is everywhere.
    pub system: Option<String>,
    /// Which steps it stops there.
    pub stops: Stops,
    /// What happened.
    pub words: String,
}

impl Trip {
    /// `trip_3`.
    pub fn public_id(&self) -> String {
        public_id(self.id)
    }

    /// Where it stops something, in words.
    pub fn scope(&self) -> String {
        self.system.as_ref().map_or_else(|| "everything".to_owned(), |system| format!("system {system}"))
    }

    /// Whether it stops such a step on this system.
    pub fn stops(&self, stops: Stops, system: Option<&str>) -> bool {
        self.stops == stops && (self.system.is_none() || self.system.as_deref() == system)
    }

    /// Whether it stops every step of this run.
    pub fn stops_all(&self, book: &Book) -> bool {
        self.stops == Stops::Everything && !book.run.workflow.urgent
    }

    /// Why a step that it stops is held.
    pub fn hold(&self) -> HoldReason {
        HoldReason::Guard {
            name: self.kind.as_str().to_owned(),
            detail: format!("{}: {}", self.public_id(), self.words),
        }
    }

    /// Whether a step is held because of it.
    pub fn holds(&self, reason: &HoldReason) -> bool {
        matches!(reason, HoldReason::Guard { name, detail } if name == self.kind.as_str()
            && detail.strip_prefix(&self.public_id()).is_some_and(|rest| rest.starts_with(':')))
    }
}

/// The trip that holds a step, as `trip_3`.
pub fn holding(step: &Step) -> Option<&str> {
    let StepState::Held { reason: HoldReason::Guard { name, detail }, .. } = &step.state else { return None };
    TripKind::from_name(name)?;
    let (id, _) = detail.split_once(':')?;
    parse_public_id(id).map(|_| id)
}

/// `trip_3`.
pub fn public_id(id: i64) -> String {
    format!("trip_{id}")
}

/// The row key in `trip_3` (or plain `3`).
pub fn parse_public_id(text: &str) -> Option<i64> {
    text.strip_prefix("trip_").unwrap_or(text).parse().ok().filter(|id| *id > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trip_holds_what_names_it_whole() {
        let trip = |id| Trip { id, kind: TripKind::Clock, system: None, stops: Stops::Destructive, words: "x".into() };
        assert!(trip(1).holds(&trip(1).hold()) && trip(12).holds(&trip(12).hold()));
        assert!(!trip(1).holds(&trip(12).hold()) && !trip(12).holds(&trip(1).hold()));
        let other = Trip { kind: TripKind::Restore, ..trip(1) };
        assert!(!other.holds(&trip(1).hold()));
    }
}
