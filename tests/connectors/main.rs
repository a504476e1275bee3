//! Every kind of connector against its own target: one suite for all of them (`conformance.rs`), and for each a file with
//! what only it has. The servers are started by the tests, on free ports and in temporary folders.

#![cfg(test)]
#![expect(unreachable_pub, reason = "a test binary has no outside")]

mod archive;
mod conformance;
#[expect(dead_code, reason = "shared with tests/suite")]
mod crm;
#[path = "../suite/database.rs"]
mod database;
mod dav;
#[expect(dead_code, reason = "shared with tests/suite")]
mod doors;
mod dovecot;
mod exec;
mod http;
mod ldap;
mod sandbox;
mod scim;
mod servers;
#[path = "../suite/smtp.rs"]
#[expect(dead_code, reason = "shared with tests/suite")]
mod smtp;
mod telling;
#[path = "../suite/tls.rs"]
mod tls;
