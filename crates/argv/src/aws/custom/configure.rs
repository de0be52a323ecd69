//! `configure get` prints any setting: whether that is a secret depends on which.

use super::super::argparse::Parsed;
use super::super::table::Row;
use crate::{Hazard, Invocation};

/// Settings that are no secret. Whatever else is asked for may be one.
const PLAIN: &[&str] = &[
    "addressing_style",
    "api_versions",
    "aws_access_key_id",
    "ca_bundle",
    "cli_auto_prompt",
    "cli_binary_format",
    "cli_follow_urlparam",
    "cli_history",
    "cli_pager",
    "cli_timestamp_format",
    "credential_source",
    "defaults_mode",
    "duration_seconds",
    "endpoint_url",
    "ignore_configured_endpoint_urls",
    "max_attempts",
    "max_bandwidth",
    "max_concurrent_requests",
    "max_queue_size",
    "mfa_serial",
    "multipart_chunksize",
    "multipart_threshold",
    "output",
    "parameter_validation",
    "payload_signing_enabled",
    "region",
    "request_checksum_calculation",
    "response_checksum_validation",
    "retry_mode",
    "role_arn",
    "role_session_name",
    "services",
    "signature_version",
    "source_profile",
    "sso_account_id",
    "sso_region",
    "sso_registration_scopes",
    "sso_role_name",
    "sso_session",
    "sso_start_url",
    "sts_regional_endpoints",
    "tcp_keepalive",
    "use_accelerate_endpoint",
    "use_dualstack_endpoint",
    "use_fips_endpoint",
    "web_identity_token_file",
];

/// Parts of a setting's name that say that it is a secret, wherever they stand: the tool ignores what follows a
/// setting that has no parts, so `default.aws_secret_access_key.x.region` prints the key.
const TELLING: &[&str] = &[
    "secret",
    "session_token",
    "security_token",
    "password",
    "credential_process",
];

/// Adds to `configure get` what asking for this setting reveals.
pub(super) fn refine(row: &Row, parsed: &Parsed<'_>, invocation: &mut Invocation) {
    if row.key != "configure get" {
        return;
    }
    let Some(name) = parsed.positionals.iter().flatten().next() else {
        return;
    };
    let last = name.text.rsplit('.').next().unwrap_or_default();
    let lower = name.text.to_ascii_lowercase();
    if !PLAIN.contains(&last) || TELLING.iter().any(|part| lower.contains(part)) {
        invocation.add_hazard(Hazard::RevealsCredentials, format!("`{last}` may be a secret"));
    }
}
