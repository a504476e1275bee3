//! usher ushers people in and out of a company: one daemon that runs declarative joiner, mover and leaver workflows
//! over the systems where people have accounts, as durable scheduled steps.
//!
//! # The flow of one step (read the files in this order)
//!
//! | room | what happens |
//! | --- | --- |
//! | [`intake`] | an HR file, a tick of a schedule: "start workflow W for P", once per key |
//! | [`engine::trigger`] → [`run::planning`] | definition + person + accounts + now → steps with due times (pure) |
//! | [`store`] | one transaction: run, steps, journal; durable before anybody hears "yes" |
//! | [`queue`] | steps whose time has come are claimed in batches and handed to the worker |
//! | [`engine::execute`] → [`connectors`] | observe, apply only what differs, read back → an outcome with evidence |
//! | [`store::Store::turn`] → [`mod@run::advance`] | outcomes in, what follows from them, next claims out, one commit |
//!
//! # The floors, low to high
//!
//! `{clock, faults, outbound} < secret < workflow < run < store < archive < {connectors, mail} < report < queue < engine < intake <
//! web < config < daemon < bench < cli < main`. A room uses only lower floors, rooms on one floor are strangers, and every
//! outside crate has a home room; `tests/layers.rs` checks both.
//!
//! # What always holds
//!
//! - A step's state changes only through [`run::StepState::next`]; the journal records the event, and replaying it gives
//!   the same state.
//! - A run is changed only under the lock of its row, through a [`run::book::Book`], and together with its journal.
//! - No request leaves before the claim that announces it is committed; every outcome is conditional on its fence.
//! - A step that can be claimed is exactly one that has a due time, and no step starts before it.

pub mod archive;
pub mod bench;
pub mod cli;
pub mod clock;
pub mod config;
pub mod connectors;
pub mod daemon;
pub mod engine;
pub mod faults;
pub mod intake;
pub mod mail;
pub mod outbound;
pub mod queue;
pub mod report;
pub mod run;
pub mod secret;
pub mod store;
pub mod web;
pub mod workflow;
