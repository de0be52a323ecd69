//! The recent events by id, so that a repeat is answered like the first time and recorded once.

use audit_event::chain::Hash;
use audit_event::{Decision, EventId};
use sha2::{Digest, Sha256};
use std::collections::{HashMap, VecDeque};

/// How many records are remembered: decisions and outcomes, the newest. A little below what a table of 65 536 places
/// takes before it doubles: about 10 MB in all.
pub const SIZE: usize = 57_000;

/// What is remembered of a record.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// Its place.
    pub seq: u64,
    /// Its hash.
    pub hash: Hash,
    /// Half of the SHA-256 of its bytes as received: enough to tell a repeat from a reuse.
    pub digest: u128,
    /// For decisions: what was decided.
    pub decision: Option<Decision>,
    /// For decisions: whether it is a `kubectl apply`, which has a counter of its own.
    pub is_apply: bool,
}

/// Which record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    id: u128,
    is_outcome: bool,
}

impl Key {
    /// The decision with this id.
    pub fn decision(id: &EventId) -> Key {
        Key {
            id: number(id),
            is_outcome: false,
        }
    }

    /// The outcome of the decision with this id.
    pub fn outcome(id: &EventId) -> Key {
        Key {
            id: number(id),
            is_outcome: true,
        }
    }
}

/// A well-formed id is a number of 128 bits in hex with hyphens.
fn number(id: &EventId) -> u128 {
    id.as_str()
        .bytes()
        .filter_map(|b| char::from(b).to_digit(16))
        .fold(0, |number, digit| (number << 4) | u128::from(digit))
}

/// The digest that is compared.
pub fn digest(bytes: &[u8]) -> u128 {
    let hash: [u8; 32] = Sha256::digest(bytes).into();
    hash.iter()
        .take(16)
        .fold(0, |number, byte| (number << 8) | u128::from(*byte))
}

/// The memory.
#[derive(Debug, Default)]
pub struct Window {
    known: HashMap<Key, Known>,
    order: VecDeque<Key>,
}

impl Window {
    /// What is known of a record.
    pub fn get(&self, key: Key) -> Option<&Known> {
        self.known.get(&key)
    }

    /// Remembers a record, and forgets the oldest when there are too many.
    pub fn insert(&mut self, key: Key, known: Known) {
        if self.known.insert(key, known).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > SIZE {
            if let Some(oldest) = self.order.pop_front() {
                self.known.remove(&oldest);
            }
        }
    }

    /// Forgets a record that did not become durable.
    pub fn remove(&mut self, key: Key) {
        if self.known.remove(&key).is_some() {
            self.order.retain(|other| *other != key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_forgets_the_oldest() {
        let mut window = Window::default();
        let known = Known {
            seq: 0,
            hash: Hash::ZERO,
            digest: 0,
            decision: None,
            is_apply: false,
        };
        for id in 0..SIZE as u128 + 5 {
            window.insert(
                Key {
                    id,
                    is_outcome: false,
                },
                known,
            );
        }
        assert_eq!(window.order.len(), SIZE);
        assert!(
            window
                .get(Key {
                    id: 4,
                    is_outcome: false
                })
                .is_none()
        );
        assert!(
            window
                .get(Key {
                    id: 5,
                    is_outcome: false
                })
                .is_some()
        );
    }
}
