//! Logs: human on a terminal, JSON otherwise, always on stderr.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Starts logging. `USHER_LOG` decides what is logged; without it the daemon tells `info`, commands tell `warn`, and each
/// `-v` one level more.
pub(super) fn start(daemon: bool, verbose: u8) {
    // Whoever read the log may be gone (`2>&1 | head`, a collector that died): complaining about it would end us too.
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter(daemon, verbose))
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

fn filter(daemon: bool, verbose: u8) -> EnvFilter {
    let wanted = std::env::var("USHER_LOG").ok().filter(|text| !text.is_empty());
    match wanted.map(|text| EnvFilter::try_new(&text)) {
        Some(Ok(filter)) => filter,
        // Silence because of a slip of the keyboard would be worse than too much.
        Some(Err(_)) => EnvFilter::default().add_directive(LevelFilter::DEBUG.into()),
        None => EnvFilter::default().add_directive(level(daemon, verbose).into()),
    }
}

fn level(daemon: bool, verbose: u8) -> LevelFilter {
    match verbose.saturating_add(u8::from(daemon)) {
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
        assert_eq!(level(false, 0), LevelFilter::WARN);
        assert_eq!(level(true, 0), LevelFilter::INFO);
        assert_eq!(level(false, 9), LevelFilter::TRACE);
    }
}
