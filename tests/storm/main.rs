//! Reliability by breaking and counting. Departures run from the first disable to the last purge while daemons are
//! killed, stopped and ended, databases are restarted, fail over, fall silent and fill up, and clocks jump. Then
//! everything is counted, and the times that are promised are measured.
//!
//! Every scenario runs a few times with the other tests; `tests/storm.sh` runs them for long and prints the table.

#![cfg(test)]
#![expect(clippy::print_stderr, reason = "the count is what the test is for")]

mod clocks;
mod commands;
mod count;
mod daemon;
mod disk;
mod drains;
mod failovers;
mod kills;
mod lost;
mod partitions;
mod proxy;
mod queue;
mod restarts;
mod server;
mod stops;
mod storm;
mod town;
mod trio;
