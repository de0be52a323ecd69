//! `--raw PATH`: the same request as some command would make, so the same operation.
//!
//! The path is taken apart as the API server's own resolver does. A path that servers, proxies or
//! versions of kubectl could read in two ways (`..`, `//`, a full URL, escapes that hide a separator)
//! is refused, and so is one that no API server is known to serve.

use super::hazards;
use super::reading::Reading;
use super::resources::{PLAIN_SUBRESOURCES, Type};
use super::targets::Target;
use super::tree::Word;
use crate::{Effect, Hazard, Unreadable, Workload};

/// Paths without resources that every API server has, and what is below them.
const PLAIN: [&str; 11] = [
    "version",
    "healthz",
    "livez",
    "readyz",
    "metrics",
    "openapi",
    "openid",
    ".well-known",
    "swagger-2.0.0.pb-v1",
    "flagz",
    "statusz",
];

/// What a path names.
#[derive(Debug, PartialEq, Eq)]
enum Named {
    /// Something that is no resource: `/version`, `/apis`, `/api/v1`.
    Plain(String),
    /// A resource, perhaps one object, perhaps a subresource.
    Resource { target: Target, subresource: String },
}

/// The operation of `get|create|replace|delete --raw`.
///
/// # Errors
/// [`Unreadable`] for paths that are odd in any way, and for arguments next to `--raw`.
pub(super) fn read(reading: &mut Reading<'_>, path: &str) -> Result<(), Unreadable> {
    let missing = Unreadable::missing("`--raw` has no path");
    let word = reading.line.word("raw").ok_or(missing)?;
    if let Some(extra) = reading.line.arguments.first() {
        return Err(extra.unreadable("does not go with `--raw`"));
    }
    match (take_apart(path, word)?, reading.path) {
        (Named::Plain(path), "get") => {
            let of = Type {
                kind: path,
                namespaced: Some(false),
            };
            reading.operate(Effect::Read, "get", &Target::every(of), None);
            Ok(())
        }
        (Named::Plain(_), _) => Err(word.unreadable("is not a path that can be changed")),
        (Named::Resource { target, subresource }, _) => {
            request(reading, &target, &subresource);
            Ok(())
        }
    }
}

fn request(reading: &mut Reading<'_>, target: &Target, subresource: &str) {
    let kind = target.of.kind.as_str();
    let method = reading.path;
    let (effect, verb) = match (kind, subresource, method) {
        ("pods", "exec", _) => (Effect::Execute, "exec"),
        ("pods", "attach", _) => (Effect::Execute, "attach"),
        ("pods", "portforward", _) => (Effect::Connect, "port-forward"),
        ("pods" | "services" | "nodes", "proxy", _) => (Effect::Connect, "proxy"),
        ("pods", "log", "get") => (Effect::Read, "logs"),
        (_, sub, "get") if !is_data(kind, sub) => (Effect::Connect, "proxy"),
        (_, _, "get") => (Effect::Read, "get"),
        ("serviceaccounts", "token", "create") => (Effect::Write, "create token"),
        ("pods", "eviction", "create") => (Effect::Delete, "create"),
        (_, _, "delete") => (Effect::Delete, "delete"),
        (reviews, _, "create") if is_review(reviews) => (Effect::Read, "create"),
        _ => (Effect::Write, method),
    };
    let has_namespace = target.namespace.is_some() || target.of.namespaced == Some(false);
    if has_namespace {
        reading.operate(effect, verb, target, Some(subresource));
    } else {
        reading.operate_everywhere(effect, verb, target, Some(subresource));
    }
    if matches!(effect, Effect::Execute) || kind == "nodes" && subresource == "proxy" {
        reading.hazard(Hazard::RunsRemoteCode, "this path runs a command in a container");
    }
    if effect == Effect::Connect {
        reading.hazard(Hazard::OpensTunnel, "this path connects to a workload");
    }
    if verb == "create token" {
        reading.hazard(Hazard::RevealsCredentials, "a new token is printed");
    }
    if kind == "secrets" {
        hazards::reveal(reading, target, "is shown with its content");
    }
    if matches!(effect, Effect::Write | Effect::Delete) && (method == "delete" || target.name.is_some()) {
        hazards::of_change(reading, target);
    }
}

/// Whether a GET of this subresource only reads. In the metrics APIs the third part is a metric's name.
fn is_data(kind: &str, subresource: &str) -> bool {
    subresource.is_empty() || PLAIN_SUBRESOURCES.contains(&subresource) || kind.ends_with(".metrics.k8s.io")
}

/// Requests that ask a question by POST.
pub(super) fn is_review(kind: &str) -> bool {
    kind.ends_with("reviews.authentication.k8s.io") || kind.ends_with("reviews.authorization.k8s.io")
}

fn take_apart(raw: &str, word: Word<'_>) -> Result<Named, Unreadable> {
    let path = raw.split('?').next().unwrap_or("");
    let odd = || {
        word.unreadable("is not a plain API path")
            .hint("write it from the root, as in `/api/v1/namespaces/default/pods`")
    };
    if raw.contains(['#', '\\']) || raw.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(odd());
    }
    let inner = path.strip_prefix('/').ok_or_else(odd)?;
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    let segments: Vec<String> = inner
        .split('/')
        .map(decode)
        .collect::<Option<_>>()
        .ok_or_else(odd)?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        ["api" | "apis"] | ["api", _] | ["apis", _] | ["apis", _, _] => Ok(Named::Plain(path.to_owned())),
        ["api", _, rest @ ..] => resource("", rest).ok_or_else(odd),
        ["apis", group, _, rest @ ..] => resource(group, rest).ok_or_else(odd),
        [first, ..] if PLAIN.contains(first) => Ok(Named::Plain(path.to_owned())),
        _ => Err(odd()),
    }
}

/// What follows `/api/v1` or `/apis/group/version`.
fn resource(group: &str, rest: &[&str]) -> Option<Named> {
    let (rest, legacy) = match rest {
        ["watch", below @ ..] if !below.is_empty() => (below, ""),
        ["proxy", below @ ..] if !below.is_empty() => (below, "proxy"),
        _ => (rest, ""),
    };
    let (namespace, rest) = match rest {
        ["namespaces", _, "status" | "finalize"] => (None, rest),
        ["namespaces", namespace, below @ ..] if !below.is_empty() => (Some((*namespace).to_owned()), below),
        _ => (None, rest),
    };
    let plural = rest.first()?;
    if !plural
        .bytes()
        .chain(group.bytes())
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b))
    {
        return None;
    }
    let of = Type::built_in(&if group.is_empty() {
        (*plural).to_owned()
    } else {
        format!("{plural}.{group}")
    });
    let name = rest.get(1).map(|name| (*name).to_owned());
    let subresource = rest.get(2).copied().unwrap_or(legacy).to_owned();
    // Nothing but a proxy has anything below a subresource.
    if rest.len() > 3 && subresource != "proxy" {
        return None;
    }
    Some(Named::Resource {
        target: Target {
            of,
            name,
            namespace,
            from_manifest: false,
            workload: Workload::default(),
        },
        subresource,
    })
}

/// One segment with its escapes undone, where nothing about it is odd.
fn decode(segment: &str) -> Option<String> {
    let mut decoded = Vec::new();
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(if byte == b'%' {
            let high = char::from(bytes.next()?).to_digit(16)?;
            let low = char::from(bytes.next()?).to_digit(16)?;
            u8::try_from(high * 16 + low).ok()?
        } else {
            byte
        });
    }
    let plain = decoded
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-._:~@*".contains(byte));
    let text = String::from_utf8(decoded).ok()?;
    (plain && !matches!(text.as_str(), "" | "." | "..")).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(raw: &str) -> String {
        match take_apart(
            raw,
            Word {
                position: 0,
                text: raw,
            },
        ) {
            Err(_) => "refused".to_owned(),
            Ok(Named::Plain(path)) => format!("plain {path}"),
            Ok(Named::Resource { target, subresource }) => format!(
                "{} {} {} {subresource}",
                target.namespace.as_deref().unwrap_or("-"),
                target.of.kind,
                target.name.as_deref().unwrap_or("-")
            )
            .trim_end()
            .to_owned(),
        }
    }

    #[test]
    fn paths_name_what_the_server_would_find() {
        assert_eq!(
            named("/api/v1/namespaces/default/%73ecrets/db"),
            "default secrets db"
        );
        assert_eq!(named("/api/v1/pods?limit=1"), "- pods -");
        assert_eq!(named("/api/v1/namespaces/x"), "- namespaces x");
        assert_eq!(named("/api/v1/namespaces/x/status"), "- namespaces x status");
        assert_eq!(
            named("/apis/apps/v1/namespaces/x/deployments/web/scale"),
            "x deployments.apps web scale"
        );
        assert_eq!(
            named("/api/v1/nodes/node-1/proxy/exec/default/web-1/app"),
            "- nodes node-1 proxy"
        );
        assert_eq!(
            named("/api/v1/proxy/namespaces/x/pods/web-1"),
            "x pods web-1 proxy"
        );
        assert_eq!(named("/api/v1/watch/namespaces/x/secrets"), "x secrets -");
        assert_eq!(named("/metrics"), "plain /metrics");
        assert_eq!(named("/apis/apps/v1"), "plain /apis/apps/v1");
    }

    #[test]
    fn odd_paths_are_refused() {
        for raw in [
            "",
            "/",
            "api/v1/pods",
            "//api/v1/pods",
            "/api/v1//secrets",
            "/api/v1/namespaces/default/pods/../secrets/db",
            "/api/v1/namespaces/default/pods/%2e%2e/secrets/db",
            "/api/v1/namespaces%2fdefault%2fsecrets",
            "/api/v1/%2573ecrets",
            "/api/v1/%zzecrets",
            "/api/v1/Secrets",
            "https://evil/api/v1/secrets",
            "/k8s/clusters/c-1/api/v1/secrets",
            "/api/v1/pods#x",
            "/api/v1/pods /x",
            "/logs/syslog",
        ] {
            assert_eq!(named(raw), "refused", "{raw}");
        }
    }
}
