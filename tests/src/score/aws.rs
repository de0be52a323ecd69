//! aws: the operations and the region.

use super::{Answered, Score};
use serde_json::Value;
use std::collections::BTreeSet;

/// Requests that the tool makes for a profile with a role, whatever the command.
fn is_for_credentials(request: &Value) -> bool {
    matches!(
        request["op"].as_str(),
        Some("AssumeRole" | "AssumeRoleWithWebIdentity" | "GetRoleCredentials")
    )
}

/// The region that the corpora's configuration gives a profile.
fn region_of(profile: Option<&str>) -> &'static str {
    match profile {
        Some("prod") => "eu-west-1",
        _ => "us-east-1",
    }
}

pub(super) fn compare(answered: &Answered, score: &mut Score) {
    if answered.has_other_configuration() {
        score.not_compared += 1;
        return;
    }
    let is_sts = answered.answer["operation"]
        .as_str()
        .is_some_and(|operation| operation.starts_with("sts "));
    let sent: Vec<&Value> = answered
        .requests()
        .iter()
        .filter(|request| is_sts || !is_for_credentials(request))
        .collect();
    let wire: BTreeSet<&str> = sent.iter().filter_map(|request| request["op"].as_str()).collect();
    if wire.is_empty() {
        return;
    }
    let named: BTreeSet<&str> = answered
        .operations()
        .iter()
        .filter_map(|operation| Some(operation["verb"].as_str()?.split_once(':')?.1))
        .collect();
    let scope = &answered.operations()[0]["scope"];
    let region = scope["region"]
        .as_str()
        .unwrap_or(region_of(scope["profile"].as_str()));
    // A command that stands for several operations may come to its end before the last.
    let same = match answered.operations().len() {
        1 => wire == named,
        _ => wire.is_subset(&named),
    };
    let there = sent.iter().all(|request| {
        request["region"]
            .as_str()
            .is_none_or(|it| it == region || it == "aws-global")
    });
    score.compared += 2;
    if !same {
        score
            .differing
            .push(format!("{}: named {named:?}, sent {wire:?}", answered.shown()));
    }
    if !there {
        score
            .differing
            .push(format!("{}: region {region}, sent elsewhere", answered.shown()));
    }
}
