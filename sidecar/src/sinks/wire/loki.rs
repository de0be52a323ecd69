//! Loki's push API, JSON. Labels are few and closed; everything else is structured metadata. Labels, line and time are
//! the same at each retry, so Loki knows what it has already.

use crate::sinks::record::Item;
use crate::sinks::shape::Shape;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The request's path, below the address's own.
pub const PATH: &str = "/loki/api/v1/push";

/// Labels with the same value on every stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// `cluster`.
    pub cluster: Option<String>,
    /// `namespace`.
    pub namespace: Option<String>,
}

/// The body for a batch.
pub fn body(items: &[&Item], shape: Shape, options: &Options) -> Vec<u8> {
    let mut streams: BTreeMap<(&str, &str), Vec<Value>> = BTreeMap::new();
    for item in items {
        let tool = match item.tool.as_str() {
            tool @ ("kubectl" | "aws" | "gh") => tool,
            "" => "",
            _ => "other",
        };
        let metadata = json!({
            "event_id": item.id, "seq": item.record.seq.to_string(), "hash": item.record.hash,
            "kind": item.record.kind, "level": item.level, "track": item.track,
        });
        streams
            .entry((item.decision.name(), tool))
            .or_default()
            .push(json!([item.time_ns.to_string(), shape.line(item), metadata]));
    }
    let streams: Vec<Value> = streams
        .into_iter()
        .map(
            |((decision, tool), values)| json!({"stream": labels(decision, tool, options), "values": values}),
        )
        .collect();
    json!({ "streams": streams }).to_string().into_bytes()
}

fn labels(decision: &str, tool: &str, options: &Options) -> Map<String, Value> {
    let fixed = |value: &Option<String>| value.clone().unwrap_or_default();
    [
        ("app", "reeve".to_owned()),
        ("cluster", fixed(&options.cluster)),
        ("namespace", fixed(&options.namespace)),
        ("decision", decision.to_owned()),
        ("tool", tool.to_owned()),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(name, value)| (name.to_owned(), Value::String(value)))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::record::examples;

    #[test]
    fn vector() {
        let options = Options {
            cluster: Some("c1".into()),
            namespace: None,
        };
        let (event, exit) = (examples::event(), examples::exit());
        let body: Value = serde_json::from_slice(&body(&[&event, &exit], Shape::Native, &options)).unwrap();
        let hash = "ab".repeat(32);
        assert_eq!(
            body,
            json!({"streams": [
                {"stream": {"app": "reeve", "cluster": "c1"}, "values": [["1775572322000000000", Shape::Native.line(&exit),
                    {"event_id": exit.id, "seq": "8", "hash": hash, "kind": "exit", "level": "", "track": ""}]]},
                {"stream": {"app": "reeve", "cluster": "c1", "decision": "BLOCKED", "tool": "kubectl"},
                    "values": [["1775572321123456000", Shape::Native.line(&event),
                    {"event_id": event.id, "seq": "7", "hash": hash, "kind": "event", "level": "L2", "track": "track-c"}]]},
            ]})
        );
    }
}
