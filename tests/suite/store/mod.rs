//! The record, function by function.
