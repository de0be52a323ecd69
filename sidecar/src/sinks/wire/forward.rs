//! Fluent forward v1, PackedForward with acknowledgement: `[tag, bin(entries), {"chunk": id, "size": count}]`, where an
//! entry is `[EventTime, record]`.
//!
//! The chunk's id is derived from the first and the last event id, so the same records have the same id when they are
//! sent again. The receiver detects no duplicates; whoever reads does, by `event_id`.

use super::msgpack::{push_array, push_map, push_str, push_uint, transcode};
use crate::sinks::record::Item;
use crate::sinks::shape::Shape;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rmpv::Value;
use sha2::{Digest, Sha256};

/// Entries of one chunk, in bytes; receivers refuse more than 6 MB by default. One entry may be larger.
pub const MAX_CHUNK: usize = 1 << 20;

/// A message that is ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// What the acknowledgement must name.
    pub id: String,
    /// How many records.
    pub count: usize,
}

/// A message that is being made, in a buffer that can be used again.
#[derive(Debug)]
pub struct Draft {
    bytes: Vec<u8>,
    /// Where the entries begin.
    begin: usize,
}

impl Draft {
    /// The beginning of a message.
    pub fn new(tag: &str, mut buffer: Vec<u8>) -> Draft {
        buffer.clear();
        push_array(&mut buffer, 3);
        push_str(&mut buffer, tag);
        // The length of the entries follows when they are all there; with 32 bits, whatever it is.
        buffer.extend_from_slice(&[0xc6, 0, 0, 0, 0]);
        Draft {
            begin: buffer.len(),
            bytes: buffer,
        }
    }

    /// Bytes of entries so far.
    pub fn len(&self) -> usize {
        self.bytes.len().saturating_sub(self.begin)
    }

    /// Appends one entry.
    ///
    /// # Errors
    /// When the record's data is not JSON that can be written.
    pub fn push(&mut self, item: &Item, shape: Shape) -> Result<(), String> {
        push_entry(&mut self.bytes, item, shape)
    }

    /// Takes back everything beyond so many bytes of entries.
    pub fn split_off(&mut self, length: usize) -> Vec<u8> {
        let at = self.begin.saturating_add(length).min(self.bytes.len());
        self.bytes.split_off(at)
    }

    /// Appends entries that were taken back elsewhere.
    pub fn append(&mut self, entries: &[u8]) {
        self.bytes.extend_from_slice(entries);
    }

    /// The message: its entries are those from `first` to `last`, so many.
    pub fn finish(mut self, first: &str, last: &str, count: usize) -> Chunk {
        let id = chunk_id(first, last);
        // INVARIANT: a chunk is cut at a megabyte or is one record, which is no longer than a frame.
        let length = u32::try_from(self.len()).unwrap_or(u32::MAX);
        let place = self.begin.saturating_sub(4)..self.begin;
        if let Some(place) = self.bytes.get_mut(place) {
            place.copy_from_slice(&length.to_be_bytes());
        }
        push_map(&mut self.bytes, 2);
        push_str(&mut self.bytes, "chunk");
        push_str(&mut self.bytes, &id);
        push_str(&mut self.bytes, "size");
        push_uint(&mut self.bytes, count as u64);
        Chunk {
            bytes: self.bytes,
            id,
            count,
        }
    }
}

/// Appends one entry.
fn push_entry(out: &mut Vec<u8>, item: &Item, shape: Shape) -> Result<(), String> {
    let begin = out.len();
    let (seconds, nanoseconds) = item.time();
    out.extend_from_slice(&[0x92, 0xd7, 0x00]); // two elements; EventTime: fixext 8, type 0
    out.extend_from_slice(&seconds.to_be_bytes());
    out.extend_from_slice(&nanoseconds.to_be_bytes());
    transcode(&shape.object(item), out).map_err(|error| {
        out.truncate(begin);
        format!("cannot be written as MessagePack: {error}")
    })
}

/// Base64 of 16 bytes of SHA-256 over the first and the last event id.
pub fn chunk_id(first: &str, last: &str) -> String {
    let mut hasher = Sha256::new();
    hasher.update(first.as_bytes());
    hasher.update(last.as_bytes());
    let digest = hasher.finalize();
    STANDARD.encode(digest.get(..16).unwrap_or_default())
}

/// The chunk that an answer acknowledges.
///
/// # Errors
/// When it is no acknowledgement.
pub fn acknowledged(answer: &Value) -> Result<&str, String> {
    answer
        .as_map()
        .and_then(|map| map.iter().find(|(key, _)| key.as_str() == Some("ack")))
        .and_then(|(_, value)| value.as_str())
        .ok_or_else(|| "the receiver answered something that is no acknowledgement".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::record::examples;

    #[test]
    fn an_entry_begins_with_its_time() {
        let mut out = Vec::new();
        push_entry(&mut out, &examples::exit(), Shape::Native).unwrap();
        // 2026-04-07T14:32:02Z
        assert_eq!(out[..11], [0x92, 0xd7, 0x00, 0x69, 0xd5, 0x15, 0x62, 0, 0, 0, 0]);
        let value = rmpv::decode::read_value(&mut &out[..]).unwrap();
        let record = &value.as_array().unwrap()[1];
        let get = |name: &str| {
            record
                .as_map()
                .unwrap()
                .iter()
                .find(|(key, _)| key.as_str() == Some(name))
                .unwrap()
                .1
                .clone()
        };
        assert_eq!(get("kind").as_str(), Some("exit"));
        assert_eq!(get("exit_code").as_i64(), Some(1));
    }

    #[test]
    fn a_message_byte_for_byte() {
        let mut draft = Draft::new("t", vec![9; 100]);
        draft.append(&[0x92, 1, 0x80, 7, 7]);
        assert_eq!((draft.len(), draft.split_off(3)), (5, vec![7, 7]));
        let chunk = draft.finish("a", "b", 1);
        let mut expected = vec![0x93, 0xa1, b't', 0xc6, 0, 0, 0, 3, 0x92, 1, 0x80, 0x82, 0xa5];
        expected.extend_from_slice(b"chunk");
        expected.extend_from_slice(&[0xb8]); // 24 characters
        expected.extend_from_slice(chunk.id.as_bytes());
        expected.extend_from_slice(&[0xa4]);
        expected.extend_from_slice(b"size\x01");
        assert_eq!(chunk.bytes, expected);
        // SHA-256("ab") begins fb8e20fc2e4c3f248c60c39bd652f3c1
        assert_eq!(chunk.id, "+44g/C5MPySMYMOb1lLzwQ==");
    }

    #[test]
    fn only_an_acknowledgement_is_one() {
        let ack = Value::Map(vec![("ack".into(), "x".into())]);
        assert_eq!(acknowledged(&ack), Ok("x"));
        for other in [Value::Nil, Value::Map(vec![]), Value::Array(vec!["ack".into()])] {
            assert!(acknowledged(&other).is_err());
        }
    }
}
