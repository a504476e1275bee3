//! Every kind of connector against its own target: one suite for all of them (`conformance.rs`), and for each a file with
//! what only it has. The servers are started by the tests, on free ports and in temporary folders.

#![cfg(test)]
#![expect(unreachable_pub, reason = "a test binary has no outside")]

mod conformance;
mod ldap;
mod sandbox;
