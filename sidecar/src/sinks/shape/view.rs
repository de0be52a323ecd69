//! A record's fields, read leniently: what is missing or of another type is empty, for a shape must always be possible.

use crate::sinks::record::Item;
use serde_json::{Map, Value};

/// A record's data.
pub struct View {
    fields: Map<String, Value>,
}

impl View {
    /// Reads the data; anything but an object has no fields.
    pub fn of(item: &Item) -> View {
        let fields = match serde_json::from_str(&item.record.data) {
            Ok(Value::Object(fields)) => fields,
            _ => Map::new(),
        };
        View { fields }
    }

    /// A text; empty when it is not there.
    pub fn text(&self, name: &str) -> &str {
        self.fields.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// A number.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.fields.get(name).and_then(Value::as_i64)
    }

    /// Any value.
    pub fn value(&self, name: &str) -> Value {
        self.fields.get(name).cloned().unwrap_or(Value::Null)
    }

    /// A field of the first operation.
    pub fn of_operation(&self, name: &str) -> &str {
        self.fields
            .get("operations")
            .and_then(|list| list.get(0))
            .and_then(|operation| operation.get(name))
            .and_then(Value::as_str)
            .unwrap_or_default()
    }
}

/// Without what is null or empty, at every depth: absent means absent.
pub fn prune(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for field in fields.values_mut() {
                prune(field);
            }
            fields.retain(|_, field| !is_empty(field));
        }
        Value::Array(list) => list.iter_mut().for_each(prune),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}
