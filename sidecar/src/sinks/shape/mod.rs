//! How a record looks to a receiver. Pure; the same record has the same bytes at each retry.

pub mod cef;
pub mod ecs;
pub mod native;
pub mod ocsf;
mod view;

use super::record::Item;
use std::borrow::Cow;

/// A shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shape {
    /// The event as it was received, with `kind`, `seq` and `hash`.
    #[default]
    Native,
    /// Elastic Common Schema.
    Ecs,
    /// OCSF, class Process Activity (1007).
    Ocsf,
    /// ArcSight's Common Event Format, one line.
    Cef,
}

impl Shape {
    /// The names in the configuration.
    pub const NAMES: &[(&str, Shape)] = &[
        ("native", Shape::Native),
        ("ecs", Shape::Ecs),
        ("ocsf", Shape::Ocsf),
        ("cef", Shape::Cef),
    ];

    /// The record as one line of text: JSON, or CEF.
    pub fn line(self, item: &Item) -> String {
        match self {
            Shape::Native => native::render(item),
            Shape::Ecs => ecs::render(item).to_string(),
            Shape::Ocsf => ocsf::render(item).to_string(),
            Shape::Cef => cef::render(item),
        }
    }

    /// The record as a JSON object: for CEF one that holds the line.
    pub fn object(self, item: &Item) -> Cow<'static, str> {
        match self {
            Shape::Cef => Cow::Owned(
                serde_json::json!({"event_id": item.id, "seq": item.record.seq, "hash": item.record.hash,
                    "message": cef::render(item)})
                .to_string(),
            ),
            Shape::Native | Shape::Ecs | Shape::Ocsf => Cow::Owned(self.line(item)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::record::examples;
    use proptest::prelude::*;

    proptest! {
        /// Whatever stands in a record, each shape is one line, JSON where it should be, and carries id, seq and hash.
        #[test]
        fn every_record_has_every_shape(command in ".{0,60}", message in ".{0,40}", kind in "(event|exit|approval|OPEN|odd)") {
            let data = serde_json::json!({"event_id": "e-1", "ts": "2026-01-01T00:00:00Z", "command": command, "message": message,
                "decision": "BLOCKED", "argv": [command], "operations": [message], "wrapper": command, "uid": 4_294_967_295_u32}).to_string();
            for data in [data.as_str(), "{}", "[1]", "null"] {
                let item = examples::item(&kind, 12, data);
                for (name, shape) in Shape::NAMES {
                    prop_assert!(!shape.line(&item).contains('\n'), "{name}");
                    let value: serde_json::Value = serde_json::from_str(&shape.object(&item)).unwrap();
                    let text = value.to_string();
                    prop_assert!(text.contains(&item.record.hash), "{name}: {text}");
                    prop_assert!(value.is_object());
                }
            }
        }
    }
}
