//! The whole house in one binary: every test is a story told once and played on SQLite and on PostgreSQL.
//!
//! Time is moved by hand ([`harness::App::walk_to`]); the company is the shipped sandbox. PostgreSQL is found through
//! `USHER_TEST_POSTGRES` (see `tests/run.sh`, which starts one); without it that half fails, saying so.

#![cfg(test)]
#![expect(unreachable_pub, reason = "a test binary has no outside")]

#[macro_use]
mod harness;
#[expect(dead_code, reason = "shared with tests/connectors, which use all of it")]
#[path = "../connectors/crm.rs"]
mod crm;
mod database;
#[expect(dead_code, reason = "shared with tests/connectors, which use all of it")]
#[path = "../connectors/doors.rs"]
mod doors;

mod engine;
mod living;
mod mail;
mod people;
mod queue;
mod receiver;
mod retention;
#[expect(dead_code, reason = "shared with tests/connectors, which use all of it")]
mod smtp;
mod store;
mod tls;
mod upgrades;
mod vault;
mod web;
mod webhook;
