//! Reading an event. `#[serde(flatten)]` would copy all of it into a tree first, which was half of the processor time that a
//! record costs the sidecar; so the fields are read by what serde derives, and only the keys that are none of them are kept aside.

use super::Event;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// The names of the event's fields.
const FIELDS: &[&str] = &[
    "ts",
    "wrapper",
    "command",
    "governance_level",
    "track",
    "allowlist_hit",
    "decision",
    "caller_profile",
    "caller_agent_run_id",
    "schema",
    "event_id",
    "request_id",
    "argv",
    "argv_bytes",
    "argv_sha256",
    "operation",
    "operations",
    "hazards",
    "reason",
    "message",
    "rule",
    "policy_digest",
    "binary",
    "environment_changed",
    "cwd",
    "uid",
    "gid",
    "pid",
    "ppid",
    "parent",
    "host",
];

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Event::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Event, D::Error> {
        deserializer.deserialize_map(Whole)
    }
}

struct Whole;

impl<'de> Visitor<'de> for Whole {
    type Value = Event;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Event, A::Error> {
        let mut fields = Fields {
            map,
            more: BTreeMap::new(),
        };
        let mut event = Event::deserialize(MapAccessDeserializer::new(&mut fields))?;
        event.more = fields.more;
        Ok(event)
    }
}

/// A map without the entries that are no fields: those go to `more`.
struct Fields<A> {
    map: A,
    more: BTreeMap<String, Value>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Fields<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        let mut seed = Some(seed);
        loop {
            match self.map.next_key_seed(Name(&mut seed))? {
                None => return Ok(None),
                Some(Key::Field(field)) => return Ok(Some(field)),
                Some(Key::Other(name)) => {
                    let value = self.map.next_value()?;
                    self.more.insert(name, value);
                }
            }
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

enum Key<F> {
    Field(F),
    Other(String),
}

/// A key: a field's goes to the seed, which is used up then.
struct Name<'s, K>(&'s mut Option<K>);

impl<'de, K: DeserializeSeed<'de>> DeserializeSeed<'de> for Name<'_, K> {
    type Value = Key<K::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de, K: DeserializeSeed<'de>> Visitor<'de> for Name<'_, K> {
    type Value = Key<K::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Self::Value, E> {
        match self.0.take_if(|_| FIELDS.contains(&name)) {
            Some(seed) => seed.deserialize(name.into_deserializer()).map(Key::Field),
            None => Ok(Key::Other(name.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sample() -> serde_json::Map<String, Value> {
        let text = json!({
            "ts": "2026-04-07T14:32:01Z", "wrapper": "kubectl", "command": "kubectl get pods", "governance_level": "L2",
            "track": "", "allowlist_hit": true, "decision": "ALLOWED", "caller_profile": "p", "caller_agent_run_id": "r",
            "schema": 1, "event_id": "0192f0c1-7b3e-7a10-8b1e-0123456789ab", "request_id": "q", "argv": ["get", "pods"],
            "argv_bytes": 8, "argv_sha256": "00", "operation": "get", "operations": [{"verb": "get"}], "hazards": [],
            "reason": "allowed", "message": "", "rule": null, "policy_digest": "00", "binary": null,
            "environment_changed": [], "cwd": "/", "uid": 1, "gid": 1, "pid": 2, "ppid": 1, "parent": "sh", "host": "h",
        });
        match text {
            Value::Object(map) => map,
            _ => unreachable!("it is an object"),
        }
    }

    #[test]
    fn every_field_is_in_the_list_and_no_other() {
        let event: Event = serde_json::from_value(Value::Object(sample())).unwrap();
        let Value::Object(written) = serde_json::to_value(&event).unwrap() else {
            panic!("an event is an object");
        };
        let mut fields: Vec<&str> = FIELDS.to_vec();
        fields.sort_unstable();
        assert!(written.keys().eq(fields.iter().copied()), "{written:?}");
        assert_eq!(written, sample());
    }

    #[test]
    fn what_is_no_field_is_kept_wherever_it_stands() {
        let text = serde_json::to_string(&sample()).unwrap();
        let text = format!(
            "{{\"a\":{{\"b\":[1,null]}},{},\"z\":2,\"a\\u0042\":3}}",
            &text[1..text.len() - 1]
        );
        let event: Event = serde_json::from_str(&text).unwrap();
        assert_eq!(
            event.more,
            BTreeMap::from([
                ("a".to_owned(), json!({"b": [1, null]})),
                ("aB".to_owned(), json!(3)),
                ("z".to_owned(), json!(2)),
            ])
        );
        let again: Event = serde_json::from_str(&serde_json::to_string(&event).unwrap()).unwrap();
        assert_eq!(again, event);
    }

    #[test]
    fn a_field_that_is_missing_double_or_of_another_type_is_named() {
        let fault = |text: &str| serde_json::from_str::<Event>(text).unwrap_err().to_string();
        let whole = serde_json::to_string(&sample()).unwrap();
        assert!(fault("[]").contains("expected an event"));
        assert!(fault("{\"x\":1}").contains("missing field `ts`"));
        let double = whole.replacen('{', "{\"uid\":1,", 1);
        assert!(fault(&double).contains("duplicate field `uid`"));
        // A key may be written with escapes; it is the field all the same.
        let hidden = whole.replacen('{', "{\"u\\u0069d\":1,", 1);
        assert!(fault(&hidden).contains("duplicate field `uid`"));
        let wrong = whole.replace("\"pid\":2", "\"pid\":\"2\"");
        assert!(fault(&wrong).contains("invalid type: string"));
    }
}
