//! Operations that do more, or other, than their access level says: reads that hand out credentials, reads that
//! change something, writes that run code. One row each in `data/aws_special.tsv`.
//!
//! Columns: the command; its effect, or `=` for the one its level gives; hazards, comma between, or `-`; the
//! condition; the reason. The condition names an option: `x` = unless it is certain that `--x` is off, `!x` =
//! unless `--x` is given; empty = always. Parameters from a document may hold any option.

use super::operation::Request;
use super::statement;
use super::table::{self, Row};
use crate::{Effect, Hazard, Invocation, Operation, Unreadable};

static SPECIAL: &str = include_str!("../../data/aws_special.tsv");

/// Applies every row of the command to its (one) operation.
pub(super) fn apply(
    row: &Row,
    request: &Request<'_, '_>,
    invocation: &mut Invocation,
) -> Result<(), Unreadable> {
    for line in lines(SPECIAL, row.key) {
        let Some(special) = decode(line) else { continue };
        if !holds(special.condition, request) {
            continue;
        }
        if let (Some(effect), Some(operation)) = (special.effect, invocation.operations.first_mut()) {
            operation.effect = effect;
        }
        for hazard in special.hazards {
            invocation.add_hazard(hazard, special.because);
        }
    }
    if let Some(operation) = invocation.operations.first_mut() {
        by_statement(row.key, request, operation);
        if operation.effect != Effect::Read && mints(&operation.verb) {
            invocation.add_hazard(Hazard::RevealsCredentials, "the answer is a credential");
        }
    }
    Ok(())
}

struct Special {
    effect: Option<Effect>,
    hazards: Vec<Hazard>,
    condition: &'static str,
    because: &'static str,
}

fn decode(line: &'static str) -> Option<Special> {
    let mut columns = line.split('\t').skip(1);
    Some(Special {
        effect: effect(columns.next()?),
        hazards: hazards(columns.next()?),
        condition: columns.next()?,
        because: columns.next()?,
    })
}

/// The effect of this name.
pub(super) fn effect(name: &str) -> Option<Effect> {
    let all = [
        Effect::Local,
        Effect::Read,
        Effect::Write,
        Effect::Delete,
        Effect::Execute,
        Effect::Connect,
    ];
    all.into_iter().find(|effect| effect.name() == name)
}

/// The hazards of these names, comma between.
pub(super) fn hazards(names: &str) -> Vec<Hazard> {
    Hazard::ALL
        .into_iter()
        .filter(|hazard| names.split(',').any(|name| name == hazard.name()))
        .collect()
}

/// The rows of one command in a sorted table.
pub(super) fn lines(table: &'static str, key: &str) -> impl Iterator<Item = &'static str> {
    let start = table::lower_bound(table, key);
    let key = key.to_owned();
    table
        .get(start..)
        .unwrap_or_default()
        .lines()
        .take_while(move |line| table::key_of(line) == key)
}

/// Whether a condition holds, see above.
pub(super) fn holds(condition: &str, request: &Request<'_, '_>) -> bool {
    match condition.strip_prefix('!') {
        _ if condition.is_empty() => true,
        Some(option) => request.flag(option) != Some(true),
        None => request.flag(condition).unwrap_or(request.has_document()),
    }
}

/// Operations whose effect is what their statement says.
fn by_statement(key: &str, request: &Request<'_, '_>, operation: &mut Operation) {
    let option = match key {
        "dynamodb execute-statement" => "statement",
        "timestream-query query" => "query-string",
        _ => return,
    };
    // An explicit option beats the document, so one that is given is the one that counts.
    if request.value(option).is_some_and(statement::only_selects) {
        operation.effect = Effect::Read;
    }
}

/// Whether the name of a writing operation says that it makes a credential and answers with it.
fn mints(verb: &str) -> bool {
    let api = verb.split_once(':').map_or(verb, |(_, api)| api);
    let makes = [
        "Create", "Get", "Generate", "Assume", "Issue", "Rotate", "Reset", "Retrieve", "Request",
    ];
    let credential = [
        "Token",
        "Tokens",
        "Credential",
        "Credentials",
        "Password",
        "AccessKey",
        "ApiKey",
        "KeyPair",
        "DataKey",
        "SignedUrl",
        "PresignedUrl",
        "EmbedUrl",
        "AuthCode",
    ];
    makes.iter().any(|word| api.starts_with(word)) && credential.iter().any(|word| api.ends_with(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_order_and_about_a_command_that_exists() {
        let keys: Vec<_> = SPECIAL.lines().map(table::key_of).collect();
        assert!(keys.is_sorted());
        for line in SPECIAL.lines() {
            let key = table::key_of(line);
            let row = table::find(key).unwrap_or_else(|| panic!("no such command: {key}"));
            assert_eq!(line.split('\t').count(), 5, "{line}");
            let special = decode(line).unwrap();
            let names = line.split('\t').nth(2).unwrap();
            assert_eq!(
                special.hazards.len(),
                if names == "-" { 0 } else { names.split(',').count() },
                "{line}"
            );
            assert!(
                special.effect.is_some() || line.split('\t').nth(1) == Some("="),
                "{line}"
            );
            let option = special.condition.trim_start_matches('!');
            assert!(
                option.is_empty() || row.specs().iter().any(|spec| spec.is(option)),
                "{line}"
            );
            assert_eq!(lines(SPECIAL, key).next().map(table::key_of), Some(key));
        }
    }

    /// Reads whose names sound like a credential, and whose answers hold none: names, dates, public keys, settings.
    const INNOCENT: &[&str] = &[
        "bedrock-agentcore-control get-api-key-credential-provider",
        "bedrock-agentcore-control get-oauth2-credential-provider",
        "bedrock-agentcore-control get-payment-credential-provider",
        "bedrock-agentcore-control get-token-vault",
        "bedrock-agentcore-control list-api-key-credential-providers",
        "bedrock-agentcore-control list-oauth2-credential-providers",
        "bedrock-agentcore-control list-payment-credential-providers",
        "bedrock-runtime count-tokens",
        "chime list-voice-connector-termination-credentials",
        "chime-sdk-voice list-voice-connector-termination-credentials",
        "codebuild list-source-credentials",
        "cognito-idp describe-managed-login-branding",
        "cognito-idp describe-managed-login-branding-by-client",
        "deploy list-git-hub-account-token-names",
        "ec2 describe-ipam-external-resource-verification-tokens",
        "ec2 describe-key-pairs",
        "grafana list-workspace-service-account-tokens",
        "iam get-access-key-last-used",
        "iam get-account-password-policy",
        "iam get-credential-report",
        "iam get-login-profile",
        "iam list-access-keys",
        "iam list-service-specific-credentials",
        "iot-managed-integrations get-credential-locker",
        "iot-managed-integrations list-credential-lockers",
        "ivs get-playback-key-pair",
        "ivs list-playback-key-pairs",
        "ivs list-stream-keys",
        "kafka list-scram-secrets",
        "license-manager list-tokens",
        "lightsail get-key-pair",
        "lightsail get-key-pairs",
        "managedblockchain-query batch-get-token-balance",
        "managedblockchain-query get-token-balance",
        "managedblockchain-query list-token-balances",
        "route53globalresolver list-access-tokens",
        "secretsmanager describe-secret",
        "secretsmanager list-secret-version-ids",
        "secretsmanager list-secrets",
        "signin introspect-oauth2-token-with-iam",
        "sso-admin describe-trusted-token-issuer",
        "sso-admin list-trusted-token-issuers",
        "sts get-access-key-info",
        "verifiedpermissions batch-is-authorized-with-token",
        "verifiedpermissions is-authorized-with-token",
        "waf get-change-token",
        "waf get-change-token-status",
        "waf-regional get-change-token",
        "waf-regional get-change-token-status",
        "workmail get-personal-access-token-metadata",
        "workmail list-personal-access-tokens",
    ];

    #[test]
    fn every_read_that_sounds_like_a_credential_has_been_judged() {
        let telling = [
            "credential",
            "password",
            "secret",
            "token",
            "signedurl",
            "embedurl",
            "apikey",
            "accesskey",
            "privatekey",
            "unlockcode",
            "connectionstring",
            "authcode",
            "streamkey",
            "keypair",
            "accessdetails",
            "login",
            "assumerole",
        ];
        for row in table::all().filter(|row| matches!(row.detail, "R" | "L" | "M")) {
            let api = row.api().to_ascii_lowercase();
            let judged = lines(SPECIAL, row.key).next().is_some() || INNOCENT.contains(&row.key);
            assert!(
                judged || !telling.iter().any(|word| api.contains(word)),
                "{} is not judged",
                row.key
            );
        }
    }
}
