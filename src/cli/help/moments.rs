//! When the steps of a workflow take place, in words, without a person to plan for: in the order in which they come.

use std::collections::HashMap;

use crate::workflow::{Amount, Anchor, At, Sign, Span, StepDef, Workflow};

/// When something takes place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Moment {
    /// For the order: what it counts from, by first appearance, then days.
    key: (usize, f64),
    /// In words: `60 days after the last day, at 09:00`.
    pub(super) words: String,
}

impl Moment {
    /// Before or behind another.
    pub(super) fn order(&self, other: &Self) -> std::cmp::Ordering {
        self.key.0.cmp(&other.key.0).then(self.key.1.total_cmp(&other.key.1))
    }

    /// Whether both are the same.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.words == other.words
    }
}

/// The moments of a workflow's steps.
pub(super) struct Moments<'w> {
    workflow: &'w Workflow,
    anchors: Vec<Anchor>,
    known: HashMap<&'w str, Moment>,
}

impl<'w> Moments<'w> {
    pub(super) fn of(workflow: &'w Workflow) -> Self {
        let mut anchors = vec![Anchor::Start];
        for at in workflow.steps.iter().flat_map(|step| [&step.at, &step.until]).flatten() {
            if !anchors.contains(&at.anchor) {
                anchors.push(at.anchor.clone());
            }
        }
        let mut moments = Self { workflow, anchors, known: HashMap::new() };
        for step in &workflow.steps {
            moments.step(step, 0);
        }
        moments
    }

    /// The moment of a step: its own, or that of what it comes after, whichever is later.
    pub(super) fn step(&mut self, step: &'w StepDef, depth: usize) -> Moment {
        if let Some(known) = self.known.get(step.id.as_str()) {
            return known.clone();
        }
        let start = Moment { key: (0, 0.0), words: "At once".to_owned() };
        let workflow = self.workflow;
        let mut moment = start;
        // A workflow in hand has no circles; the depth is a belt to that.
        for name in step.after.iter().filter(|_| depth <= workflow.steps.len()) {
            if let Some(before) = workflow.step(name) {
                let before = self.step(before, depth + 1);
                if before.order(&moment).is_gt() {
                    moment = before;
                }
            }
        }
        if let Some(delay) = &step.delay {
            let (days, words) = self.amount(delay);
            let after = lower(&moment.words);
            let words = match after.as_str() {
                "at once" => format!("{words} after the start"),
                after => format!("{words} after what happens {after}"),
            };
            moment = Moment { key: (moment.key.0, moment.key.1 + days), words: upper(&words) };
        }
        if let Some(at) = &step.at {
            let own = self.at(at);
            if own.order(&moment).is_ge() {
                moment = own;
            }
        }
        self.known.insert(&step.id, moment.clone());
        moment
    }

    /// `amount` after the end of the step `of`, which takes place at `moment`.
    pub(super) fn later(&self, moment: &Moment, amount: &Amount, of: &str) -> Moment {
        let (days, words) = self.amount(amount);
        Moment { key: (moment.key.0, moment.key.1 + days), words: upper(&format!("{words} after {of}")) }
    }

    /// The moment of an instant.
    pub(super) fn at(&self, at: &At) -> Moment {
        let anchor = match &at.anchor {
            Anchor::Input(name) => format!("the {}", name.replace('_', " ")),
            Anchor::Start => "the start".to_owned(),
            Anchor::Person(field) => format!("the person's {}", field.replace('_', " ")),
        };
        let mut days = at.time.map_or(9.0, |time| f64::from(time.hour()) + f64::from(time.minute()) / 60.0) / 24.0;
        let (mut plus, mut minus) = (Vec::new(), Vec::new());
        for (sign, amount) in &at.offsets {
            let (length, words) = self.amount(amount);
            days += if *sign == Sign::Plus { length } else { -length };
            if *sign == Sign::Plus { plus.push(words) } else { minus.push(words) }
        }
        let (plus, minus) = (plus.join(" and "), minus.join(" and "));
        let day = match (plus.is_empty(), minus.is_empty()) {
            (true, true) => format!("On {anchor}"),
            (false, true) => format!("{plus} after {anchor}"),
            (true, false) => format!("{minus} before {anchor}"),
            (false, false) => format!("{plus} after {anchor}, less {minus}"),
        };
        let time = match (at.time, &at.anchor) {
            (Some(time), _) => format!(", at {:02}:{:02}", time.hour(), time.minute()),
            (None, Anchor::Start) => String::new(),
            (None, _) => ", at 09:00".to_owned(),
        };
        let place = self.anchors.iter().position(|known| *known == at.anchor).unwrap_or_default();
        Moment { key: (place, days), words: upper(&format!("{day}{time}")) }
    }

    /// About how many days an amount has, and how it is said.
    pub(super) fn amount(&self, amount: &Amount) -> (f64, String) {
        match amount {
            Amount::Literal(span) => (span.days(), span.words()),
            Amount::Input(name) => {
                let default = self.workflow.input(name).and_then(|input| input.default.as_ref());
                match default.and_then(|text| Span::parse(text.source()).ok()) {
                    Some(span) => (span.days(), format!("{} ({})", name.replace('_', " "), span.words())),
                    None => (1.0, name.replace('_', " ")),
                }
            }
        }
    }
}

fn upper(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

pub(super) fn lower(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
