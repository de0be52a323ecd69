//! JSON to MessagePack in one pass, without a tree between them. Containers have 32-bit headers, for their length is
//! known only at their end.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Appends the MessagePack of `json` to `out`; on an error `out` is as it was.
pub fn transcode(json: &str, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    let begin = out.len();
    let mut reader = serde_json::Deserializer::from_str(json);
    let done = Write(out).deserialize(&mut reader).and_then(|()| reader.end());
    if done.is_err() {
        out.truncate(begin);
    }
    done
}

/// Appends a text.
pub fn push_str(out: &mut Vec<u8>, text: &str) {
    push(rmp::encode::write_str(out, text));
}

/// Appends an array's header.
pub fn push_array(out: &mut Vec<u8>, length: u32) {
    push(rmp::encode::write_array_len(out, length));
}

/// Appends a map's header.
pub fn push_map(out: &mut Vec<u8>, length: u32) {
    push(rmp::encode::write_map_len(out, length));
}

/// Appends a number.
pub fn push_uint(out: &mut Vec<u8>, number: u64) {
    push(rmp::encode::write_uint(out, number));
}

/// INVARIANT: what is written to is a `Vec`, which takes everything.
fn push<T, E: fmt::Debug>(written: Result<T, E>) {
    debug_assert!(written.is_ok(), "a Vec takes everything");
}

struct Write<'a>(&'a mut Vec<u8>);

impl<'de> DeserializeSeed<'de> for Write<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Write<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        push(rmp::encode::write_nil(self.0));
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        push(rmp::encode::write_bool(self.0, value));
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        push_uint(self.0, value);
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        push(rmp::encode::write_sint(self.0, value));
        Ok(())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        push(rmp::encode::write_f64(self.0, value));
        Ok(())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        push_str(self.0, value);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let at = begin(self.0, 0xdd);
        let mut count = 0_u32;
        while list.next_element_seed(Write(self.0))?.is_some() {
            count = count.checked_add(1).ok_or_else(too_long)?;
        }
        end(self.0, at, count);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let at = begin(self.0, 0xdf);
        let mut count = 0_u32;
        while map.next_key_seed(Write(self.0))?.is_some() {
            map.next_value_seed(Write(self.0))?;
            count = count.checked_add(1).ok_or_else(too_long)?;
        }
        end(self.0, at, count);
        Ok(())
    }
}

fn too_long<E: Error>() -> E {
    E::custom("more elements than MessagePack can count")
}

/// A header whose count follows; returns where.
fn begin(out: &mut Vec<u8>, marker: u8) -> usize {
    out.extend_from_slice(&[marker, 0, 0, 0, 0]);
    out.len().saturating_sub(4)
}

fn end(out: &mut [u8], at: usize, count: u32) {
    if let Some(place) = out.get_mut(at..at.saturating_add(4)) {
        place.copy_from_slice(&count.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> rmpv::Value {
        let mut rest = bytes;
        let value = rmpv::decode::read_value(&mut rest).unwrap();
        assert!(rest.is_empty());
        value
    }

    #[test]
    fn vector() {
        let mut out = Vec::new();
        transcode(r#"{"a":[1,-2,null,true],"b":"x"}"#, &mut out).unwrap();
        assert_eq!(
            out,
            [
                0xdf, 0, 0, 0, 2, 0xa1, b'a', 0xdd, 0, 0, 0, 4, 1, 0xfe, 0xc0, 0xc3, 0xa1, b'b', 0xa1, b'x'
            ]
        );
    }

    #[test]
    fn what_is_not_json_leaves_nothing() {
        let mut out = vec![7];
        for bad in ["{\"a\":1", "{} x", "", &"[".repeat(500)] {
            assert!(transcode(bad, &mut out).is_err());
            assert_eq!(out, [7]);
        }
    }

    fn same(json: &serde_json::Value, read: &rmpv::Value) -> bool {
        use serde_json::Value as J;
        match json {
            J::Null => read.is_nil(),
            J::Bool(value) => read.as_bool() == Some(*value),
            J::Number(value) => value.as_i64().is_none_or(|n| read.as_i64() == Some(n)),
            J::String(value) => read.as_str() == Some(value),
            J::Array(list) => read.as_array().is_some_and(|found| {
                found.len() == list.len() && list.iter().zip(found).all(|(a, b)| same(a, b))
            }),
            J::Object(map) => read.as_map().is_some_and(|found| {
                found.len() == map.len()
                    && found.iter().all(|(key, value)| {
                        key.as_str()
                            .and_then(|key| map.get(key))
                            .is_some_and(|json| same(json, value))
                    })
            }),
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_as_the_same(texts in proptest::collection::vec(".{0,40}", 0..5), number: i64) {
            let json = serde_json::json!({"l": texts, "n": number, "m": {"x": texts.first(), "e": {}}});
            let mut out = Vec::new();
            transcode(&json.to_string(), &mut out).unwrap();
            prop_assert!(same(&json, &read(&out)));
        }
    }
}
