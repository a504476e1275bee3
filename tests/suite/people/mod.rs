//! People at scale: files in pieces, passwords, whose account is whose.

mod imports;
mod matching;
mod passwords;
