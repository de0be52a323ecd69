//! SQL as `psql -c` and as a script; see [`fuzz::sql`].
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| fuzz::sql(text));
