//! kubectl: verb, type, namespace and name, as the API server saw them.

use super::{Answered, Score};
use serde_json::Value;

/// A request for an object or a list, as the API server saw it.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    /// `plural`, or `plural.group`.
    pub(crate) kind: String,
    pub(crate) subresource: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    /// Whether it would change something, or connects to something.
    pub(crate) changes: bool,
}

fn requests(all: &[Value]) -> Vec<Request<'_>> {
    all.iter()
        .filter(|request| request["resource"].is_string())
        .map(|request| {
            let text = |key: &str| request[key].as_str().unwrap_or_default();
            Request {
                kind: match text("group") {
                    "" => text("resource").to_owned(),
                    group => format!("{}.{group}", text("resource")),
                },
                subresource: text("subresource"),
                namespace: text("namespace"),
                name: text("name"),
                changes: request["mutating"] == true || text("verb") == "connect",
            }
        })
        .collect()
}

/// The namespace that the corpora's kubeconfig gives a context.
fn namespace_of(context: Option<&str>) -> &'static str {
    match context {
        Some("prod" | "get") => "payments",
        Some("staging") => "staging",
        _ => "default",
    }
}

/// Types that the corpora's cluster adds, by the names they answer to.
fn custom(kind: &str) -> &str {
    match kind {
        "app" | "apps" | "applications" | "application" => "applications.argoproj.io",
        "es" | "externalsecrets" | "externalsecret" => "externalsecrets.external-secrets.io",
        "widgets" | "widget" | "wd" | "delete" | "widget.example.com" => "widgets.example.com",
        other => other,
    }
}

fn kind_of(operation: &Value) -> &str {
    operation["resource"]["kind"].as_str().unwrap_or_default()
}

/// Whether the operation, as JSON, is more than a read.
pub(crate) fn changes(operation: &Value) -> bool {
    !matches!(operation["effect"].as_str(), Some("local" | "read"))
}

/// Whether the operation, as JSON, stands for the request.
pub(crate) fn covers(operation: &Value, request: &Request<'_>) -> bool {
    let kind = kind_of(operation);
    if kind.is_empty() {
        return false;
    }
    let anything = kind == "*";
    let subresource = operation["resource"]["subresource"].as_str().unwrap_or_default();
    let scope = &operation["scope"];
    let namespace = match (&scope["namespace"], scope["namespace"]["named"].as_str()) {
        (_, Some(name)) => name == request.namespace,
        (Value::String(word), _) if word == "all" => true,
        (Value::String(word), _) if word == "cluster" => request.namespace.is_empty(),
        _ => anything || namespace_of(scope["context"].as_str()) == request.namespace,
    };
    let name = match operation["name"].as_str() {
        None => true,
        // A list narrowed by a name, or names made up by the server, count too.
        Some(name) => request.name.is_empty() || name == request.name,
    };
    let same = custom(kind) == request.kind && subresource == request.subresource;
    (anything || same) && namespace && name
}

/// Compares what was sent with what was named, and the other way round.
pub(super) fn compare(answered: &Answered, score: &mut Score) {
    let sent = requests(answered.requests());
    let by_others: Vec<Request<'_>> = answered.entry["other_versions"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(_, did)| did["requests"].as_array())
        .flat_map(|all| requests(all))
        .collect();
    let files = answered.entry["files"]
        .as_object()
        .is_some_and(|it| !it.is_empty());
    let elsewhere =
        answered.has_hazard("redirects-endpoint") || answered.has_hazard("runs-local-code") && files;
    if answered.has_other_configuration() || elsewhere {
        score.not_compared += 1;
        return;
    }
    // What was sent is named: every change, and every look at a Secret.
    for request in sent
        .iter()
        .filter(|request| request.changes || request.kind == "secrets")
    {
        score.compared += 1;
        let named = answered
            .operations()
            .iter()
            .any(|operation| (!request.changes || changes(operation)) && covers(operation, request));
        if !named {
            score.differing.push(format!(
                "{}: sent, but not named: {}/{} {} {}",
                answered.shown(),
                request.kind,
                request.subresource,
                request.namespace,
                request.name
            ));
        }
    }
    // What is named was sent, where the command came to its end and had something to do.
    if answered.entry["truth"]["exit"] != 0 || sent.is_empty() {
        return;
    }
    let nothing_to_do = answered.entry["class"] == "neutral" && answered.entry["truth"]["mutating"] == false;
    for operation in answered.operations() {
        let precise = operation["effect"] != "local"
            && !matches!(kind_of(operation).chars().next(), None | Some('*' | '/'));
        if !precise || changes(operation) && nothing_to_do {
            continue;
        }
        score.compared += 1;
        // What only another version of the tool sends is named too.
        let was_sent = sent
            .iter()
            .chain(&by_others)
            .any(|request| covers(operation, request) && (!changes(operation) || request.changes));
        if !was_sent {
            score
                .differing
                .push(format!("{}: named, but not sent: {operation}", answered.shown()));
        }
    }
}
