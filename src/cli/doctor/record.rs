//! What the record tells: itself, its clock, the daemon, and how the work stands.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::counted::counted;
use super::super::{CliError, Context};
use super::Check;
use crate::clock::Clock;
use crate::config::{Config, DatabasePlace};
use crate::store::{Carrier, Dialect, EventFilter, EventState, FileLock, OVERDUE, Store};

/// More than this between two clocks is worth a word.
const APART_MS: u64 = 5_000;

/// The record, where there is one that opens: looking makes none. Else, what was found instead.
pub(super) async fn open(context: &Context, config: &Config) -> Result<Store, Check> {
    if let Some(path) = missing_file(&config.database.place) {
        let found = format!("{} does not exist yet", path.display());
        return Err(Check::warn("database", found).help("the first command that needs it makes it"));
    }
    context.store(config).await.map_err(|error| Check::failed("database", error))
}

/// The record and everything in it.
pub(super) async fn record(config: &Config, store: &Store) -> Vec<Check> {
    let mut checks = vec![durable(store)];
    match work(config, store).await {
        Ok(more) => checks.extend(more),
        Err(error) => checks.push(Check::failed("database", error)),
    }
    checks
}

fn missing_file(place: &DatabasePlace) -> Option<&Path> {
    match place {
        DatabasePlace::Sqlite(path) => Some(path.as_path()).filter(|path| !path.exists()),
        DatabasePlace::Postgres(_) => None,
    }
}

/// Opening it has read back how it writes.
fn durable(store: &Store) -> Check {
    let how = match store.dialect() {
        Dialect::Sqlite => "journal_mode=wal, synchronous=FULL",
        Dialect::Postgres => "synchronous_commit=on",
    };
    Check::ok("database", format!("{} ({how})", store.place()))
}

async fn work(config: &Config, store: &Store) -> Result<Vec<Check>, CliError> {
    let first = [clock(store).await?, daemon_at_work(config, store).await?, inventory(config, store).await?];
    let first = first.into_iter().chain([bindings(store).await?]);
    let watched = super::watch::watched(config, store).await?;
    Ok(first.chain(steps(store).await?).chain(outbox(store).await?).chain(watched).collect())
}

/// What is on its way and given up, by mail and to the webhook; nothing where none was ever sent.
async fn outbox(store: &Store) -> Result<Vec<Check>, CliError> {
    let census = store.mail_census().await?;
    let mut checks = Vec::new();
    for (carrier, name) in [(Carrier::Mail, "outbox"), (Carrier::Webhook, "outbox, webhook")] {
        let of = |state: &str| census.iter().find(|(by, name, _)| *by == carrier && name == state).map(|found| found.2);
        let counts = ["sent", "queued", "failed"].map(of);
        if counts == [None; 3] {
            continue;
        }
        let [sent, queued, failed] = counts.map(Option::unwrap_or_default);
        let told = format!("{sent} sent, {queued} on their way, {failed} given up");
        checks.push(if failed == 0 {
            Check::ok(name, told)
        } else {
            Check::warn(name, told).help("`usher mail list --state failed` says why, `usher mail retry ID` tries again")
        });
    }
    Ok(checks)
}

async fn clock(store: &Store) -> Result<Check, CliError> {
    let (record, machine) = (store.now().await?.as_millisecond(), Clock::System.now().as_millisecond());
    let apart = record.abs_diff(machine);
    if apart <= APART_MS {
        return Ok(Check::ok("clock", "the record's and this machine's agree"));
    }
    let direction = if record > machine { "ahead of" } else { "behind" };
    let span =
        if apart > 172_800_000 { counted(apart / 86_400_000, "day", "days") } else { format!("{} s", apart / 1000) };
    Ok(Check::warn("clock", format!("the record's clock is {span} {direction} this machine's"))
        .help("right for a sandbox whose time was moved; else set this machine's clock (NTP)"))
}

async fn daemon_at_work(config: &Config, store: &Store) -> Result<Check, CliError> {
    let runs = match &config.database.place {
        DatabasePlace::Sqlite(path) => FileLock::is_held(path),
        DatabasePlace::Postgres(_) => store.listeners().await?.unwrap_or(0) > 0,
    };
    Ok(if runs {
        Check::ok("daemon", "is at work")
    } else {
        Check::warn("daemon", "none is at work on this database: nothing happens by itself").help("start `usher serve`")
    })
}

async fn inventory(config: &Config, store: &Store) -> Result<Check, CliError> {
    let known = store.accounts_by_system().await?;
    let unread: Vec<&str> =
        config.systems.keys().filter(|name| !known.contains_key(*name)).map(String::as_str).collect();
    let accounts: i64 = known.values().sum();
    Ok(match unread.as_slice() {
        [] => {
            let people = counted(store.count_people().await?, "person", "people");
            Check::ok("inventory", format!("{}, {people}", counted(accounts, "account", "accounts")))
        }
        names => Check::warn("inventory", format!("the accounts of {} have never been read", names.join(", ")))
            .help("`usher accounts sync`"),
    })
}

async fn bindings(store: &Store) -> Result<Check, CliError> {
    Ok(match store.unbound_count().await? {
        (0, _) => Check::ok("bindings", "every account has its person"),
        (unbound, 0) => Check::ok(
            "bindings",
            counted(unbound, "account belongs to nobody known", "accounts belong to nobody known"),
        )
        .help("`usher accounts list --unbound` shows why; `usher accounts bind` says whose they are"),
        (_, several) => {
            let matching = counted(several, "account matches", "accounts match");
            Check::warn("bindings", format!("{matching} several people, or one who has another"))
                .help("`usher accounts list --unbound` names the candidates; `usher accounts bind` says whose they are")
        }
    })
}

async fn steps(store: &Store) -> Result<Vec<Check>, CliError> {
    let census: BTreeMap<(String, String), i64> =
        store.census().await?.into_iter().map(|(kind, state, count)| ((kind, state), count)).collect();
    let count = |kind: &str, state: &str| census.get(&(kind.to_owned(), state.to_owned())).copied().unwrap_or(0);
    let now = store.now().await?;
    let overdue = store.due_before(now.saturating_sub(OVERDUE).unwrap_or(now)).await?;
    let mut checks = vec![match overdue {
        0 => Check::ok("due steps", "none is overdue"),
        late => Check::bad("due steps", format!("{late} have been due for more than 5 minutes"))
            .help("see that the daemon is at work; its log says what keeps it"),
    }];
    let stopped =
        [("failed", count("step", "failed")), ("held", count("step", "held")), ("unknown", count("step", "unknown"))];
    let stopped: Vec<String> =
        stopped.iter().filter(|(_, n)| *n > 0).map(|(state, n)| format!("{n} {state}")).collect();
    checks.push(match stopped.len() {
        0 => Check::ok("stopped steps", "none is failed, held or unknown"),
        _ => Check::warn("stopped steps", stopped.join(", ")).help("`usher tasks` shows why, and what to do"),
    });
    let asked = count("step", "awaiting_person") + count("step", "awaiting_approval");
    checks.push(Check::ok("tasks", counted(asked, "waits for a person", "wait for a person")));
    checks.push(match count("run", "needs_attention") {
        0 => Check::ok("runs", format!("{} open, {} paused", count("run", "open"), count("run", "paused"))),
        runs => Check::warn("runs", counted(runs, "needs attention", "need attention"))
            .help("`usher run list --state needs_attention`"),
    });
    let parked = EventFilter { state: Some(EventState::Parked), ..EventFilter::default() };
    checks.push(match store.events(&parked).await?.len() {
        0 => Check::ok("events", "none is parked"),
        parked => Check::warn(
            "events",
            counted(parked, "that HR said is parked for a person", "that HR said are parked for a person"),
        )
        .help("`usher events list --state parked`"),
    });
    let frozen: Vec<String> = store.freezes().await?.iter().map(|row| row.freeze.scope()).collect();
    if !frozen.is_empty() {
        checks.push(Check::warn("freezes", frozen.join(", ")).help("`usher freeze --list`, `usher unfreeze`"));
    }
    let tripped: Vec<String> = store
        .trips(false)
        .await?
        .iter()
        .map(|row| format!("{} on {}", row.trip.kind.as_str(), row.trip.scope()))
        .collect();
    if !tripped.is_empty() {
        checks.push(Check::warn("guards", tripped.join(", ")).help("`usher guard list`, `usher guard release`"));
    }
    Ok(checks)
}
