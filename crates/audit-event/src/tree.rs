//! The Merkle tree over the ledger's lines, as RFC 6962 section 2.1 defines it.
//!
//! A leaf is `SHA-256(0x00 ‖ line)`, `line` being the stored bytes without their LF; a node is
//! `SHA-256(0x01 ‖ left ‖ right)`. [`Tree`] keeps the hashes of the perfect subtrees only (at most 64), so it grows with
//! the logarithm of the ledger. Proofs are made in one pass over the leaves by [`Collector`].

use crate::chain::Hash;
use sha2::{Digest, Sha256};
use std::ops::Range;

/// The hash of one line (without its LF).
pub fn leaf(line: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([0]);
    hasher.update(line);
    Hash(hasher.finalize().into())
}

fn node(left: Hash, right: Hash) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([1]);
    hasher.update(left.0);
    hasher.update(right.0);
    Hash(hasher.finalize().into())
}

/// The tree's right edge: enough to add leaves and to tell the root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    /// The perfect subtrees, the largest first: one for each bit of `size`.
    peaks: Vec<Hash>,
}

impl Tree {
    /// A tree that was stored; `None` when the number of subtrees does not fit the size.
    pub fn from_parts(size: u64, peaks: Vec<Hash>) -> Option<Tree> {
        (peaks.len() == size.count_ones() as usize).then_some(Tree { size, peaks })
    }

    /// How many leaves it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The perfect subtrees, the largest first.
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Adds a leaf.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = node(left, hash);
            }
        }
        self.peaks.push(hash);
        self.size = self.size.saturating_add(1);
    }

    /// The root over all leaves; for none, the hash of nothing.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        match peaks.next() {
            None => Hash(Sha256::digest([]).into()),
            Some(last) => peaks.fold(*last, |right, left| node(*left, right)),
        }
    }
}

/// The largest power of two below `size`, which is at least 2.
fn split(size: u64) -> u64 {
    let top = 63_u32.saturating_sub(size.saturating_sub(1).leading_zeros());
    1_u64 << top
}

/// The subtrees whose hashes prove that leaf `index` is in the tree of `size` leaves, in the order of the proof.
pub fn inclusion_ranges(index: u64, size: u64) -> Vec<Range<u64>> {
    let mut ranges = Vec::new();
    let (mut from, mut to) = (0, size);
    while to.saturating_sub(from) > 1 && (from..to).contains(&index) {
        let middle = from.saturating_add(split(to.saturating_sub(from)));
        if index < middle {
            ranges.push(middle..to);
            to = middle;
        } else {
            ranges.push(from..middle);
            from = middle;
        }
    }
    ranges.reverse();
    ranges
}

/// The subtrees whose hashes prove that the tree of `old` leaves is the beginning of the tree of `new` leaves.
pub fn consistency_ranges(old: u64, new: u64) -> Vec<Range<u64>> {
    let mut ranges = Vec::new();
    if old == 0 || old >= new {
        return ranges;
    }
    let (mut from, mut to) = (0, new);
    let mut is_whole = true; // the old tree is this subtree from its left edge on
    loop {
        if old == to {
            if !is_whole {
                ranges.push(from..to);
            }
            break;
        }
        let middle = from.saturating_add(split(to.saturating_sub(from)));
        if old <= middle {
            ranges.push(middle..to);
            to = middle;
        } else {
            ranges.push(from..middle);
            from = middle;
            is_whole = false;
        }
    }
    ranges.reverse();
    ranges
}

/// Collects the hashes of subtrees while the leaves go by once, in order.
#[derive(Debug)]
pub struct Collector {
    parts: Vec<(Range<u64>, Tree)>,
    next: u64,
}

impl Collector {
    /// For these subtrees.
    pub fn new(ranges: Vec<Range<u64>>) -> Collector {
        let parts = ranges.into_iter().map(|range| (range, Tree::default())).collect();
        Collector { parts, next: 0 }
    }

    /// The next leaf.
    pub fn push(&mut self, leaf: Hash) {
        for (range, tree) in &mut self.parts {
            if range.contains(&self.next) {
                tree.push(leaf);
            }
        }
        self.next = self.next.saturating_add(1);
    }

    /// The hashes; `None` when leaves are missing.
    pub fn finish(self) -> Option<Vec<Hash>> {
        self.parts
            .into_iter()
            .map(|(range, tree)| (tree.size == range.end.saturating_sub(range.start)).then(|| tree.root()))
            .collect()
    }
}

/// Whether `proof` shows that `leaf` is number `index` of the tree with `size` leaves and this root.
pub fn includes(leaf: Hash, index: u64, size: u64, proof: &[Hash], root: Hash) -> bool {
    let ranges = inclusion_ranges(index, size);
    if index >= size || ranges.len() != proof.len() {
        return false;
    }
    let hash = ranges.iter().zip(proof).fold(leaf, |hash, (range, sibling)| {
        if range.start > index {
            node(hash, *sibling)
        } else {
            node(*sibling, hash)
        }
    });
    hash == root
}

/// Whether `proof` shows that the tree of `old` leaves with root `old_root` is the beginning of that of `new` leaves with
/// root `new_root`.
pub fn extends(old: u64, old_root: Hash, new: u64, new_root: Hash, proof: &[Hash]) -> bool {
    if old == new {
        return proof.is_empty() && old_root == new_root;
    }
    if old == 0 || old > new {
        return false; // nothing can be shown of a tree without leaves
    }
    let ranges = consistency_ranges(old, new);
    if ranges.len() != proof.len() {
        return false;
    }
    let mut parts = ranges.iter().zip(proof);
    // A perfect old tree is itself the first subtree; otherwise the proof begins with the last piece of it.
    let (mut old_hash, mut new_hash) = if old.is_power_of_two() {
        (old_root, old_root)
    } else {
        match parts.next() {
            Some((_, first)) => (*first, *first),
            None => return false,
        }
    };
    for (range, hash) in parts {
        if range.end <= old {
            old_hash = node(*hash, old_hash);
            new_hash = node(*hash, new_hash);
        } else {
            new_hash = node(new_hash, *hash);
        }
    }
    old_hash == old_root && new_hash == new_root
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|i| leaf(&i.to_be_bytes())).collect()
    }

    fn root(leaves: &[Hash]) -> Hash {
        let mut tree = Tree::default();
        leaves.iter().for_each(|leaf| tree.push(*leaf));
        tree.root()
    }

    /// Section 2.1 word for word, as the other reading of the definition.
    fn by_definition(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Hash(Sha256::digest([]).into()),
            [one] => *one,
            more => {
                let mut k = 1;
                while k * 2 < more.len() {
                    k *= 2;
                }
                node(by_definition(&more[..k]), by_definition(&more[k..]))
            }
        }
    }

    fn prove(ranges: Vec<Range<u64>>, leaves: &[Hash]) -> Vec<Hash> {
        let mut collector = Collector::new(ranges);
        leaves.iter().for_each(|leaf| collector.push(*leaf));
        collector.finish().unwrap()
    }

    #[test]
    fn published_vectors_hold() {
        // The eight inputs of the certificate-transparency reference tests, and their roots.
        let inputs: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let all: Vec<Hash> = inputs.iter().map(|input| leaf(input)).collect();
        assert_eq!(
            root(&[]).to_string(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(
            root(&all[..1]).to_string(),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
        );
        assert_eq!(
            root(&all[..2]).to_string(),
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
        );
        assert_eq!(
            root(&all).to_string(),
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
        );
    }

    #[test]
    fn every_proof_of_every_small_tree_holds_and_no_other() {
        let all = leaves(33);
        for size in 1..=33_u64 {
            let now = &all[..size as usize];
            let new_root = root(now);
            assert_eq!(new_root, by_definition(now));
            for index in 0..size {
                let proof = prove(inclusion_ranges(index, size), now);
                let own = all[index as usize];
                assert!(includes(own, index, size, &proof, new_root));
                assert!(!includes(own, index + 1, size, &proof, new_root) || size == 1);
                assert!(!includes(Hash::ZERO, index, size, &proof, new_root));
            }
            for old in 1..=size {
                let old_root = root(&all[..old as usize]);
                let proof = prove(consistency_ranges(old, size), now);
                assert!(extends(old, old_root, size, new_root, &proof), "{old} {size}");
                assert!(!extends(old, Hash::ZERO, size, new_root, &proof));
                assert!(!extends(old, old_root, size, Hash::ZERO, &proof));
            }
        }
    }

    #[test]
    fn a_stored_edge_goes_on_like_the_tree_it_came_from() {
        let all = leaves(21);
        let mut tree = Tree::default();
        for (i, leaf) in all.iter().enumerate() {
            tree = Tree::from_parts(tree.size(), tree.peaks().to_vec()).unwrap();
            tree.push(*leaf);
            assert_eq!(tree.root(), by_definition(&all[..=i]));
        }
        assert!(Tree::from_parts(3, vec![Hash::ZERO]).is_none());
    }
}
