//! What HR says about one person over a year: words in any order, each at one of four stages of their departure.

use jiff::civil::{Date, date};
use usher::run::{EventFacts, Person, PersonStatus};
use usher::store::NewEvent;
use usher::workflow::HrEvent;

/// One word of HR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Somebody is hired.
    Hire,
    /// Another department.
    Change,
    /// A last day, soon.
    Leaves,
    /// Another last day, later.
    Moved,
    /// The departure is taken back.
    Stays,
    /// They are hired again.
    Back,
}

impl Word {
    pub const ALL: [Self; 6] = [Self::Hire, Self::Change, Self::Leaves, Self::Moved, Self::Stays, Self::Back];
}

/// When a word is said, counted by the first departure: long before it, after its cuts, in the grace of its deletions,
/// after its purge.
pub const STAGES: [Date; 4] = [date(2027, 1, 21), date(2027, 3, 1), date(2027, 4, 25), date(2027, 6, 1)];

/// The last days that are said at a stage: `Leaves`, then `Moved`.
const DAYS: [[Date; 2]; 4] = [
    [date(2027, 1, 29), date(2027, 2, 19)],
    [date(2027, 3, 12), date(2027, 3, 31)],
    [date(2027, 5, 7), date(2027, 5, 28)],
    [date(2027, 6, 11), date(2027, 6, 30)],
];

/// What HR says about one person: the stage and the word, stages in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    pub words: Vec<(usize, Word)>,
    /// Whether people carry out what is proposed for parked events, or leave it.
    pub heeded: bool,
}

/// Where HR's words so far leave somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The last day, of those who leave.
    pub last_day: Option<Date>,
    pub department: usize,
}

impl History {
    /// Whether they work there, with accounts, when the story begins.
    pub fn begins_employed(&self) -> bool {
        self.words.first().is_none_or(|(_, first)| *first != Word::Hire)
    }

    /// Where the first `count` words leave them.
    pub fn standing(&self, count: usize) -> Standing {
        let mut standing = Standing { last_day: None, department: 0 };
        for (stage, word) in &self.words[..count] {
            match word {
                Word::Hire | Word::Stays | Word::Back => standing.last_day = None,
                Word::Change => standing.department += 1,
                Word::Leaves => standing.last_day = Some(DAYS[*stage][0]),
                Word::Moved => standing.last_day = Some(DAYS[*stage][1]),
            }
        }
        standing
    }

    /// The person after the first `count` words.
    pub fn person(&self, number: &str, count: usize) -> Person {
        let Standing { last_day, department } = self.standing(count);
        Person {
            employee_number: number.into(),
            given_name: "Robin".into(),
            family_name: number.into(),
            display_name: format!("Robin {number}"),
            email: Some(address(number)),
            department: Some(format!("Department {department}")),
            start_date: Some(date(2027, 1, 20)),
            last_day,
            status: if last_day.is_some() { PersonStatus::Leaving } else { PersonStatus::Active },
            ..Person::default()
        }
    }

    /// The event of word `n`, as HR's feeds make it.
    pub fn event(&self, number: &str, n: usize) -> NewEvent {
        let (stage, word) = self.words[n];
        let leaving = n > 0 && self.standing(n).last_day.is_some();
        let (kind, facts) = match word {
            // Whoever was leaving and is hired is hired again.
            Word::Hire if !leaving => (HrEvent::Joined, EventFacts::on(STAGES[stage])),
            Word::Hire | Word::Back => (HrEvent::Rehired, EventFacts::default()),
            Word::Stays => (HrEvent::Rescinded, EventFacts::default()),
            Word::Leaves => (HrEvent::Departure, EventFacts::on(DAYS[stage][0])),
            Word::Moved => (HrEvent::Departure, EventFacts::on(DAYS[stage][1])),
            Word::Change => {
                (HrEvent::Changed, EventFacts { fields: vec!["department".into()], ..EventFacts::default() })
            }
        };
        NewEvent { source: "test".into(), key: format!("{number}:{n}"), kind, employee_number: number.into(), facts }
    }
}

pub fn address(number: &str) -> String {
    format!("robin.{number}@crowd.example")
}

/// Every order of up to `most` words, all of them said at one stage; at the later ones, a departure is told at the first.
/// A word right after itself is left out: that every word is told again is part of each history anyway.
pub fn every_order(most: usize) -> Vec<History> {
    let mut orders: Vec<Vec<Word>> = vec![Vec::new()];
    let mut all = Vec::new();
    for _ in 0..most {
        let longer = |order: &Vec<Word>| {
            let next = Word::ALL.into_iter().filter(|word| order.last() != Some(word));
            next.map(|word| [order.as_slice(), &[word]].concat()).collect::<Vec<_>>()
        };
        orders = orders.iter().flat_map(longer).collect();
        all.extend(orders.iter().cloned());
    }
    let at_stage = |stage: usize| {
        let heeded = stage.is_multiple_of(2);
        all.iter().map(move |order| {
            let before = (stage > 0).then_some((0, Word::Leaves));
            let words = before.into_iter().chain(order.iter().map(|word| (stage, *word))).collect();
            History { words, heeded }
        })
    };
    (0..STAGES.len()).flat_map(at_stage).collect()
}

/// Histories of up to ten words, drawn from a seed.
pub fn random(seed: u64, count: usize) -> Vec<History> {
    let mut dice = Dice(seed);
    let mut one = || {
        let length = 1 + dice.below(10);
        let mut stages: Vec<usize> = (0..length).map(|_| dice.below(STAGES.len())).collect();
        stages.sort_unstable();
        let words = stages.into_iter().map(|stage| (stage, Word::ALL[dice.below(Word::ALL.len())])).collect();
        History { words, heeded: dice.below(2) == 0 }
    };
    (0..count).map(|_| one()).collect()
}

/// Numbers from a seed (SplitMix64): the same on every machine.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % limit as u64).expect("a small number")
    }
}
