//! gh: whether a change was sent, and for `gh api` method and path.

use super::{Answered, Score};

pub(super) fn compare(answered: &Answered, score: &mut Score) {
    if answered.has_other_configuration() {
        score.not_compared += 1;
        return;
    }
    let [operation] = answered.operations() else {
        return;
    };
    if answered.entry["truth"]["mutating"] == true {
        score.compared += 1;
        if matches!(operation["effect"].as_str(), Some("local" | "read")) {
            score
                .differing
                .push(format!("{}: a change was sent", answered.shown()));
        }
    }
    let (Some(request), Some(method)) = (
        answered.requests().first(),
        operation["verb"]
            .as_str()
            .and_then(|verb| verb.strip_prefix("api ")),
    ) else {
        return;
    };
    // The corpora's checkout is of this repository, on this branch.
    let path = operation["resource"]["kind"]
        .as_str()
        .unwrap_or_default()
        .replace("{owner}", "octo")
        .replace("{repo}", "app")
        .replace("{branch}", "feature");
    let sent = request["path"]
        .as_str()
        .unwrap_or_default()
        .split('?')
        .next()
        .unwrap_or_default()
        .trim_matches('/')
        .trim_start_matches("api/v3/");
    let sent_by = request["method"].as_str().unwrap_or_default();
    score.compared += 2;
    if !method.eq_ignore_ascii_case(sent_by) {
        score
            .differing
            .push(format!("{}: {method}, sent by {sent_by}", answered.shown()));
    }
    if path != sent {
        score
            .differing
            .push(format!("{}: {path}, sent to {sent}", answered.shown()));
    }
}
