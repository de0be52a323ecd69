//! Settings of a session: which may be changed without changing what is judged, and which hold secrets.

/// Limits, planning, and how results look. Whatever else is set may change who asks, what may be written, or what names mean.
const HARMLESS: &[&str] = &[
    "application_name",
    "bytea_output",
    "client_min_messages",
    "constraint_exclusion",
    "cursor_tuple_fraction",
    "datestyle",
    "default_statistics_target",
    "effective_cache_size",
    "effective_io_concurrency",
    "extra_float_digits",
    "from_collapse_limit",
    "gin_fuzzy_search_limit",
    "hash_mem_multiplier",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "intervalstyle",
    "jit",
    "jit_above_cost",
    "jit_inline_above_cost",
    "jit_optimize_above_cost",
    "join_collapse_limit",
    "lock_timeout",
    "max_parallel_workers_per_gather",
    "plan_cache_mode",
    "random_page_cost",
    "seq_page_cost",
    "statement_timeout",
    "timezone",
    "transaction_timeout",
    "work_mem",
    "xmlbinary",
    "xmloption",
];
const HARMLESS_PREFIXES: &[&str] = &["cpu_", "enable_", "geqo", "min_parallel_", "parallel_"];

/// Values that may hold a password; `all` shows every one.
const SECRET: &[&str] = &[
    "all",
    "archive_cleanup_command",
    "archive_command",
    "primary_conninfo",
    "recovery_end_command",
    "restore_command",
    "ssl_passphrase_command",
];

/// Whether changing this setting leaves what is judged as it is.
pub(super) fn is_harmless(name: &str) -> bool {
    HARMLESS.binary_search(&name).is_ok() || HARMLESS_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether the value of this setting may be seen.
pub(super) fn is_public(name: &str) -> bool {
    !SECRET.contains(&name.trim().to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_has_nothing_that_widens() {
        assert!(HARMLESS.is_sorted());
        for name in [
            "default_transaction_read_only",
            "role",
            "search_path",
            "session_authorization",
            "row_security",
            "jit_dump_bitcode",
            "jit_provider",
            "session_replication_role",
            "standard_conforming_strings",
            "client_encoding",
            "local_preload_libraries",
        ] {
            assert!(!is_harmless(name), "{name}");
        }
    }
}
