//! The JSON Schema (draft 2020-12) of both formats, generated from the very constants that the reader checks keys against.
//! Editors complete and check with it; what it cannot say (patterns that compile, names that exist) the reader says.

use crate::limits::Limits;
use crate::original;
use crate::ours;
use crate::rule::Facet;
use argv::{Hazard, Tool};
use serde_json::{Value, json};

/// The schema, as it is checked in at `governance/governance.schema.json`.
pub fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Reeve governance file",
        "description": "What an agent may run at one autonomy level. The reference is governance/README.md.",
        "oneOf": [{"$ref": "#/$defs/governance"}, {"$ref": "#/$defs/original"}],
        "$defs": {
            "governance": governance(),
            "rule": rule(),
            "facets": facets(&[]),
            "restricting": facets(&["hazard"]),
            "words": words(json!({"type": "string", "minLength": 1, "maxLength": 512})),
            "hazards": words(json!({"enum": Hazard::ALL.map(Hazard::name)})),
            "original": original_format(),
        },
    })
}

fn governance() -> Value {
    let object = properties(ours::KEYS, |key| match key {
        "apiVersion" => json!({"const": "reeve/v1"}),
        "kind" => json!({"const": "Governance"}),
        "level" => json!({"enum": crate::Level::ALL.map(crate::Level::name)}),
        "track" => json!({"type": "string", "pattern": "^[a-z0-9-]{1,32}$"}),
        "extends" => json!({"type": "string", "pattern": "^[A-Za-z0-9_-][A-Za-z0-9._-]*$"}),
        "otherwise" => json!({"enum": ["refuse", "hold"]}),
        "rules" => json!({"type": "array", "items": {"$ref": "#/$defs/rule"}}),
        _ => json!({"type": "string"}),
    });
    with(object, json!({"required": ["apiVersion", "kind"]}))
}

fn rule() -> Value {
    let object = properties(ours::RULE_KEYS, |key| match key {
        "id" => json!({"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"}),
        "allow" | "unless" => json!({"$ref": "#/$defs/facets"}),
        "deny" | "escalate" => json!({"$ref": "#/$defs/restricting"}),
        "at-most" => limits(),
        "during" => {
            json!({"type": "string", "pattern": "^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)(-(Mon|Tue|Wed|Thu|Fri|Sat|Sun))? [0-9]{2}:[0-9]{2}-[0-9]{2}:[0-9]{2}$"})
        }
        "accept" => json!({"$ref": "#/$defs/hazards"}),
        _ => json!({"type": "string"}),
    });
    let only_allow = json!({"anyOf": [{"required": ["accept"]}, {"required": ["at-most"]}]});
    let actions = json!([
        {"required": ["allow"], "not": {"required": ["unless"]}},
        {"required": ["deny"], "not": only_allow.clone()},
        {"required": ["escalate"], "not": only_allow},
    ]);
    with(object, json!({"required": ["id"], "oneOf": actions}))
}

fn limits() -> Value {
    let object = properties(&Limits::KEYS, |_| json!({"type": "integer", "minimum": 0}));
    with(object, json!({"minProperties": 1}))
}

fn facets(more: &[&str]) -> Value {
    let keys: Vec<&str> = ["tool", "effect"]
        .into_iter()
        .chain(more.iter().copied())
        .chain(Facet::ALL.map(|(_, key)| key))
        .collect();
    let object = properties(&keys, |key| match key {
        // Tools of a site's own have a description beside the governance files.
        "tool" => words(json!({"type": "string", "examples": Tool::ALL.map(Tool::name)})),
        "effect" => words(json!({"enum": ours::EFFECTS.map(|(_, name)| name)})),
        "hazard" => json!({"$ref": "#/$defs/hazards"}),
        _ => json!({"$ref": "#/$defs/words"}),
    });
    with(object, json!({"minProperties": 1}))
}

fn original_format() -> Value {
    let entries = json!({"type": ["array", "null"], "items": {"type": "string"}});
    let object = properties(original::KEYS, |key| match key {
        "approvals" => json!({
            "type": "object",
            "properties": {
                "mode": {"enum": ["manual", "smart", "off"]},
                "timeout": {"type": "integer", "minimum": 0},
                "cron_mode": {"type": "string"},
            },
            "additionalProperties": false,
        }),
        // Any described tool may be named.
        "wrapper_allowlist" => json!({"type": "object", "additionalProperties": entries}),
        "command_allowlist" => entries.clone(),
        _ => json!(true),
    });
    with(object, json!({"minProperties": 1}))
}

/// An object with these keys and no others.
fn properties(keys: &[&str], of: impl Fn(&str) -> Value) -> Value {
    let properties: serde_json::Map<String, Value> =
        keys.iter().map(|key| ((*key).to_owned(), of(key))).collect();
    json!({"type": "object", "properties": properties, "additionalProperties": false})
}

/// An object with the members of another added.
fn with(mut object: Value, more: Value) -> Value {
    if let (Some(object), Value::Object(more)) = (object.as_object_mut(), more) {
        object.extend(more);
    }
    object
}

/// One word or a list of them.
fn words(word: Value) -> Value {
    json!({"oneOf": [word, {"type": "array", "minItems": 1, "items": word}]})
}
