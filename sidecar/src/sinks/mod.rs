//! Sinks: the record, forwarded. Each reads the ledger by itself, behind the writer, and keeps its own cursor, so a
//! receiver that is slow or gone costs disk and nothing else. At least once, in order, with one id per record for ever.

#![expect(dead_code, reason = "in the making")]

mod address;
mod backoff;
mod config;
mod cursor;
mod dead;
mod disk;
mod document;
mod filter;
mod record;
mod secret;
mod segments;
mod send;
mod shape;
mod sys;
mod verdict;
mod wire;
