//! Logs: human on a terminal, JSON otherwise, always on stderr.

use std::io::{self, IsTerminal};

use tracing::subscriber::{Interest, Subscriber};
use tracing::{Event, Metadata};
use tracing_subscriber::filter::{LevelFilter, dynamic_filter_fn};
use tracing_subscriber::layer::{Context as LayerContext, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::bench::statements;

/// How a process logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Teller {
    /// The daemon, which tells what it does.
    Daemon,
    /// A command, which tells what is wrong.
    Command,
    /// `bench`, which also counts what the driver tells of statements.
    Bench,
}

/// Starts logging. `USHER_LOG` decides what is logged; without it the daemon tells `info`, commands tell `warn`, and each
/// `-v` one level more.
pub(super) fn start(teller: Teller, verbose: u8) {
    if teller == Teller::Bench {
        return start_counting(verbose);
    }
    // Whoever read the log may be gone (`2>&1 | head`, a collector that died): complaining about it would end us too.
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter(teller, verbose))
        .with_writer(io::stderr)
        .log_internal_errors(false);
    let started = if io::stderr().is_terminal() {
        let colour = anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never;
        subscriber.with_ansi(colour).with_target(false).try_init()
    } else {
        subscriber.json().flatten_event(true).try_init()
    };
    // A test harness in the same process may have started it already.
    drop(started);
}

/// As [`start`], for `bench`: statements are counted, whatever is logged.
fn start_counting(verbose: u8) {
    let told = tracing_subscriber::fmt::layer().with_writer(io::stderr).log_internal_errors(false);
    let of_driver = |about: &Metadata<'_>| about.target() == statements::TARGET;
    let counted = dynamic_filter_fn(move |about, _| of_driver(about) && statements::counting())
        .with_callsite_filter(move |about| if of_driver(about) { Interest::sometimes() } else { Interest::never() })
        .with_max_level_hint(LevelFilter::DEBUG);
    let started = tracing_subscriber::registry()
        .with(told.with_filter(filter(Teller::Bench, verbose)))
        .with(Counting.with_filter(counted))
        .try_init();
    drop(started);
}

/// Counts statements.
struct Counting;

impl<S: Subscriber> Layer<S> for Counting {
    fn on_event(&self, _: &Event<'_>, _: LayerContext<'_, S>) {
        statements::count();
    }
}

fn filter(teller: Teller, verbose: u8) -> EnvFilter {
    let wanted = std::env::var("USHER_LOG").ok().filter(|text| !text.is_empty());
    match wanted.map(|text| EnvFilter::try_new(&text)) {
        Some(Ok(filter)) => filter,
        // Silence because of a slip of the keyboard would be worse than too much.
        Some(Err(_)) => EnvFilter::default().add_directive(LevelFilter::DEBUG.into()),
        None => EnvFilter::default().add_directive(level(teller, verbose).into()),
    }
}

fn level(teller: Teller, verbose: u8) -> LevelFilter {
    match verbose.saturating_add(u8::from(teller == Teller::Daemon)) {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_quiet_and_the_daemon_tells() {
        assert_eq!(level(Teller::Command, 0), LevelFilter::WARN);
        assert_eq!(level(Teller::Daemon, 0), LevelFilter::INFO);
        assert_eq!(level(Teller::Command, 9), LevelFilter::TRACE);
    }
}
