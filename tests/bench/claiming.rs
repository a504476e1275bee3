//! A turn that claims 32 steps, and one that takes their outcomes in, on a SQLite file with `synchronous=FULL`.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use tokio::runtime::Runtime;
use usher::clock::Clock;
use usher::connectors::Connector;
use usher::connectors::sandbox::SandboxCompany;
use usher::engine::Engine;
use usher::engine::library::Library;
use usher::engine::trigger::{Request, SubjectRef};
use usher::intake::feed;
use usher::intake::people::{Mapping, read_people};
use usher::run::Rules;
use usher::run::settle::Outcome;
use usher::secret::KeyRing;
use usher::store::{Claim, Completion, Opening, Store, StoreError, TurnReport, TurnRequest};

/// Steps of a turn.
const STEPS: usize = 32;

const WORKFLOW: &str = "workflow: single\ntitle: Single\nfor: person\non: { manual: true }\nsteps:\n  - id: step\n    \
                        systems: all\n    action: quota.set\n    with: { quota: 1 GB }\n";

/// Claims, then gives everything back, so that each turn finds the same work.
pub(crate) fn turns(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
    let (runtime, folder) = (Runtime::new()?, tempfile::tempdir()?);
    let store = runtime.block_on(ground(folder.path()))?;
    let mut group = criterion.benchmark_group("turn on SQLite");
    group.throughput(Throughput::Elements(STEPS as u64)).sample_size(20);
    for (name, measured) in [("32 steps claimed", Measured::Claims), ("32 outcomes recorded", Measured::Outcomes)] {
        let mut failed = None;
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| match runtime.block_on(there_and_back(&store, times, measured)) {
                Ok(took) => took,
                Err(error) => {
                    failed = Some(error);
                    Duration::from_nanos(1)
                }
            });
        });
        if let Some(error) = failed {
            return Err(error);
        }
    }
    group.finish();
    runtime.block_on(store.close());
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Measured {
    Claims,
    Outcomes,
}

async fn there_and_back(store: &Store, times: u64, measured: Measured) -> Result<Duration, Box<dyn Error>> {
    let mut took = Duration::ZERO;
    for _ in 0..times {
        let began = Instant::now();
        let claims = turn(store, Vec::new(), STEPS).await?.claims;
        let claimed = began.elapsed();
        if claims.len() != STEPS {
            return Err(format!("{} steps were claimed", claims.len()).into());
        }
        let began = Instant::now();
        turn(store, claims.iter().map(returned).collect(), 0).await?;
        took += if measured == Measured::Claims { claimed } else { began.elapsed() };
    }
    Ok(took)
}

fn returned(claim: &Claim) -> Completion {
    Completion { run: claim.run, ordinal: claim.ordinal, fence: claim.fence, outcome: Outcome::Returned, seen: None }
}

async fn turn(store: &Store, completions: Vec<Completion>, permits: usize) -> Result<TurnReport, StoreError> {
    let systems = BTreeSet::from(["mailhost".to_owned()]);
    let lease = Duration::from_secs(30);
    store.turn(&TurnRequest { completions, permits, reserved: 0, owner: "bench", lease, systems: &systems }).await
}

/// A record with 32 runs of one step, each about somebody else, all of them due.
async fn ground(folder: &Path) -> Result<Store, Box<dyn Error>> {
    let mut company = "name = \"Bench\"\n[systems.mailhost]\ntitle = \"Mail\"\nfacets = [\"mail\"]\n".to_owned();
    let mut people = "employee_number,given_name,family_name,email,start_date,status\n".to_owned();
    for n in 1..=STEPS {
        writeln!(
            company,
            "[[people]]\nnumber = \"{n}\"\ngiven_name = \"Robin\"\nfamily_name = \"{n}\"\nemail = \"{n}@bench.example\"\n\
             on.mailhost = {{ id = \"m-{n}\" }}"
        )?;
        writeln!(people, "{n},Robin,{n},{n}@bench.example,2020-01-06,active")?;
    }
    let company = SandboxCompany::from_text(&company, &folder.join("company.state"))?;
    let keys = KeyRing::open_or_create(&folder.join("usher.key"))?;
    let url = format!("sqlite:{}", folder.join("usher.db").display());
    let store = Store::open(&url, Opening::Migrate, Clock::System, keys, Rules::default()).await?;
    let system = company.system("mailhost").ok_or("the system")?;
    let systems = BTreeMap::from([("mailhost".to_owned(), Connector::Sandbox(system))]);
    let library = Library::of([("single.yaml", WORKFLOW)]).workflows;
    let engine = Engine::new(store.clone(), systems, library, "Europe/Zurich", Rules::default());
    feed::take_in(&engine, &read_people(people.as_bytes(), &Mapping::default())?, "bench", |_| ()).await?;
    engine.sync("mailhost").await?;
    for n in 1..=STEPS {
        let request = Request {
            workflow: "single".to_owned(),
            subject: SubjectRef::Person(n.to_string()),
            inputs: BTreeMap::new(),
            event: None,
            start: None,
            key: None,
            trigger: "bench".to_owned(),
            asked_by: "os:bench".to_owned(),
        };
        engine.start(request).await?;
    }
    Ok(store)
}
