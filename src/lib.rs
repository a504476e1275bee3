//! usher ushers people in and out of a company.

pub mod cli;
pub mod clock;
pub mod config;
pub mod connectors;
pub mod daemon;
pub mod engine;
pub mod intake;
pub mod queue;
pub mod run;
pub mod secret;
pub mod store;
pub mod web;
pub mod workflow;
