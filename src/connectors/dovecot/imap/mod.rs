//! What is in a mailbox, by IMAP: archived whole, or copied into a colleague's. usher signs in as its master user and acts as
//! the account (RFC 4616): nobody's password is needed, and the account may be closed.
//!
//! Mails are read in bunches, large ones in pieces, so that memory stays bounded whatever is in the mailbox.

mod archive;
mod bunch;
mod container;
mod folder;
mod prints;
mod session;
mod transfer;

pub(super) use archive::{archive, look_at_archive, verify_archive};
pub(super) use transfer::Transfer;
