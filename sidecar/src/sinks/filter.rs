//! Which records a sink gets. A filter speaks of decisions; what is not one is only kept out by its kind.

use super::record::{Decision, Item};

/// A sink's choice; an empty list lets everything through.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// Kinds of records: `event`, `exit`, …
    pub kinds: Vec<String>,
    /// Decisions.
    pub decisions: Vec<Decision>,
    /// Tools.
    pub tools: Vec<String>,
    /// Levels.
    pub levels: Vec<String>,
    /// Tracks.
    pub tracks: Vec<String>,
    /// The part of harmless allowed reads that is sent, in millionths; nothing else is ever sampled.
    pub reads_per_million: Option<u32>,
}

impl Filter {
    /// Whether this sink gets `item`: the same answer each time it is asked.
    pub fn takes(&self, item: &Item) -> bool {
        if !has(&self.kinds, &item.record.kind) {
            return false;
        }
        if item.decision == Decision::None {
            return true;
        }
        let chosen = (self.decisions.is_empty() || self.decisions.contains(&item.decision))
            && has(&self.tools, &item.tool)
            && has(&self.levels, &item.level)
            && has(&self.tracks, &item.track);
        chosen && self.is_sampled(item)
    }

    fn is_sampled(&self, item: &Item) -> bool {
        match self.reads_per_million {
            Some(part) if item.is_harmless => spread(&item.record.hash) < part,
            _ => true,
        }
    }
}

fn has(list: &[String], value: &str) -> bool {
    list.is_empty() || list.iter().any(|entry| entry == value)
}

/// A number below a million, even over hashes: the chain's hash is as good as a die, and the same at each retry.
fn spread(hash: &str) -> u32 {
    let number = hash
        .get(..8)
        .and_then(|head| u32::from_str_radix(head, 16).ok())
        .unwrap_or_default();
    u32::try_from(u64::from(number).saturating_mul(1_000_000) >> 32).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::record::{Record, examples};

    fn read(seq: u64, decision: &str) -> Item {
        use sha2::Digest;
        let data = examples::EVENT
            .replace("BLOCKED", decision)
            .replace(r#""effect":"delete""#, r#""effect":"read""#);
        let hash = base16ct::lower::encode_string(&sha2::Sha256::digest(seq.to_be_bytes()));
        Item::new(Record {
            seq,
            hash,
            kind: "event".into(),
            wall: String::new(),
            data,
        })
    }

    #[test]
    fn decisions_are_chosen_and_the_rest_passes() {
        let filter = Filter {
            decisions: vec![Decision::Allowed],
            tools: vec!["kubectl".into()],
            ..Filter::default()
        };
        assert!(!filter.takes(&examples::event()));
        assert!(filter.takes(&read(1, "ALLOWED")));
        assert!(filter.takes(&examples::open()) && filter.takes(&examples::exit()));
        let filter = Filter {
            kinds: vec!["event".into()],
            ..Filter::default()
        };
        assert!(filter.takes(&examples::event()) && !filter.takes(&examples::open()));
    }

    #[test]
    fn only_allowed_reads_are_sampled_and_each_time_the_same() {
        let filter = Filter {
            reads_per_million: Some(100_000),
            ..Filter::default()
        };
        let count = |decision: &str| {
            (0..2000)
                .filter(|seq| filter.takes(&read(*seq, decision)))
                .count()
        };
        let sampled = count("ALLOWED");
        assert!((120..280).contains(&sampled), "{sampled} of 2000 at 10 %");
        assert_eq!(sampled, count("ALLOWED"));
        assert_eq!(count("BLOCKED"), 2000);
        let none = Filter {
            reads_per_million: Some(0),
            ..Filter::default()
        };
        assert!((0..500).all(|seq| !none.takes(&read(seq, "ALLOWED"))));
    }
}
