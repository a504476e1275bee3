//! Secrets: kept, wrapped anew, erased, and found nowhere else.

pub mod canaries;
mod erased;
mod keys;
