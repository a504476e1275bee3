//! One history: a house, its daemons, what people have asked for, and what has been seen of it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::{SignedDuration, Timestamp};
use sqlx::{AnyConnection, Connection};
use usher::connectors::sandbox::Entry;
use usher::run::guard::Freeze;
use usher::store::{Completion, Store};

use crate::daemons::Daemon;
use crate::dice::Dice;
use crate::house::{Flavour, House, start};
use crate::people::Hr;
use crate::tally::Tally;

thread_local! {
    /// What has happened in the history of this thread, for whoever has to find out why one failed.
    static TOLD: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// What has happened so far in the history that this thread plays.
pub(crate) fn told() -> Vec<String> {
    TOLD.with_borrow(Clone::clone)
}

/// What people have been promised: kept apart from usher, by those who were told "done".
#[derive(Default)]
pub(crate) struct Promises {
    /// Runs that a person has paused.
    pub(crate) paused: BTreeSet<i64>,
    /// Runs that a person has cancelled.
    pub(crate) cancelled: BTreeSet<i64>,
    /// Freezes that are on.
    pub(crate) freezes: Vec<Freeze>,
    /// Approvals by run and step: when, and a picture of what was approved.
    pub(crate) approvals: BTreeMap<(i64, u16), (Timestamp, String)>,
}

/// One history.
pub(crate) struct World {
    pub(crate) house: House,
    pub(crate) dice: Dice,
    pub(crate) daemons: Vec<Daemon>,
    pub(crate) hr: Hr,
    pub(crate) promises: Promises,
    pub(crate) tally: Tally,
    /// Attempts whose end was certain for whoever made them: refused, or never begun.
    pub(crate) certain: BTreeSet<(i64, u16, i64)>,
    /// Outcomes that were recorded once already.
    pub(crate) ghosts: Vec<Completion>,
    /// What has been read of the systems' ledger: its length, the effects by key, the last key by account.
    pub(crate) ledger: Ledger,
    /// A connection beside the daemons', to look.
    pub(crate) looker: AnyConnection,
    hash: DefaultHasher,
}

/// What the systems have had done to them.
#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) read: u64,
    pub(crate) entries: Vec<Entry>,
}

impl World {
    pub(crate) async fn begin(seed: u64) -> Self {
        TOLD.with_borrow_mut(Vec::clear);
        let mut dice = Dice::new(seed);
        let flavour = dice.weighted(&[(82, Flavour::Compact), (4, Flavour::Shipped), (14, Flavour::Scheduled)]);
        let posts = dice.percent(8);
        let house = House::new(flavour, posts);
        let mut daemons = Vec::new();
        let count = if dice.percent(25) { 3 } else { 2 };
        for number in 0..count {
            daemons.push(Daemon::new(format!("daemon{number}"), house.engine().await));
        }
        let looker = AnyConnection::connect(&house.url).await.expect("connects");
        let mut world = Self {
            house,
            dice,
            daemons,
            hr: Hr::new(),
            promises: Promises::default(),
            tally: Tally::default(),
            certain: BTreeSet::new(),
            ghosts: Vec::new(),
            ledger: Ledger::default(),
            looker,
            hash: DefaultHasher::new(),
        };
        world.read_ledger();
        world.say(format!("{flavour:?}, posts: {posts}, {} daemons", world.daemons.len()));
        world
    }

    /// Writes down what happens: the trace of the history.
    pub(crate) fn say(&mut self, what: impl Into<String>) {
        let line = format!("{} {}", self.now(), what.into());
        line.hash(&mut self.hash);
        TOLD.with_borrow_mut(|told| told.push(line));
    }

    /// What tells this history from others.
    pub(crate) fn fingerprint(&self) -> u64 {
        self.hash.finish()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.house.clock.now()
    }

    /// The time since the beginning.
    pub(crate) fn age(&self) -> SignedDuration {
        self.now().duration_since(start())
    }

    /// A daemon that is up; one is started where all are down.
    pub(crate) async fn someone_up(&mut self) -> usize {
        let up: Vec<usize> = (0..self.daemons.len()).filter(|at| self.daemons[*at].engine.is_some()).collect();
        match self.dice.pick(&up) {
            Some(at) => at,
            None => {
                self.daemons[0].engine = Some(self.house.engine().await);
                0
            }
        }
    }

    pub(crate) async fn store(&mut self) -> Store {
        let at = self.someone_up().await;
        self.daemons[at].engine.as_ref().expect("up").store().clone()
    }

    /// New lines of the systems' ledger.
    pub(crate) fn read_ledger(&mut self) -> Vec<Entry> {
        use std::io::{Read, Seek, SeekFrom};
        let mut file = std::fs::File::open(self.house.ledger()).expect("the ledger");
        file.seek(SeekFrom::Start(self.ledger.read)).expect("seeks");
        let mut text = String::new();
        file.read_to_string(&mut text).expect("reads");
        // The first line of all is the company's.
        let skip = usize::from(self.ledger.read == 0);
        self.ledger.read += text.len() as u64;
        text.lines().skip(skip).map(|line| serde_json::from_str(line).expect("an entry")).collect()
    }

    /// Ends all connections.
    pub(crate) async fn leave(mut self) -> (u64, Tally) {
        for daemon in &mut self.daemons {
            if let Some(engine) = daemon.engine.take() {
                engine.store().close().await;
            }
        }
        let fingerprint = self.fingerprint();
        self.looker.close().await.ok();
        (fingerprint, self.tally)
    }
}
