//! The packed table of the aws commands, see `build.rs`: sorted lines in deflated blocks, each unpacked once, when a line
//! of it is asked for.

use super::table::{key_of, line_at, lower_bound};
use std::sync::OnceLock;

/// A line per block: the first key in it, how many bytes it has packed, and unpacked.
static INDEX: &str = include_str!(concat!(env!("OUT_DIR"), "/aws_blocks.tsv"));
static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/aws_blocks.bin"));

struct Block {
    first: &'static str,
    packed: &'static [u8],
    length: usize,
    text: OnceLock<String>,
}

fn blocks() -> &'static [Block] {
    static BLOCKS: OnceLock<Vec<Block>> = OnceLock::new();
    BLOCKS.get_or_init(|| {
        let mut rest = PACKED;
        let blocks = INDEX.lines().map_while(|line| {
            let mut columns = line.split('\t');
            let first = columns.next()?;
            let (packed, length) = (columns.next()?.parse().ok()?, columns.next()?.parse().ok()?);
            let (packed, after) = rest.split_at_checked(packed)?;
            rest = after;
            Some(Block {
                first,
                packed,
                length,
                text: OnceLock::new(),
            })
        });
        blocks.collect()
    })
}

impl Block {
    /// Its lines. Without any, were it damaged, no command of it would be known, and none is allowed.
    fn text(&'static self) -> &'static str {
        self.text.get_or_init(|| {
            miniz_oxide::inflate::decompress_to_vec_with_limit(self.packed, self.length)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .unwrap_or_default()
        })
    }
}

/// Where a line begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    block: usize,
    at: usize,
}

impl Place {
    /// The first line whose key is not below `key`.
    pub(super) fn of(key: &str) -> Place {
        let block = blocks()
            .partition_point(|block| block.first <= key)
            .saturating_sub(1);
        let at = blocks()
            .get(block)
            .map_or(0, |block| lower_bound(block.text(), key));
        Place { block, at }
    }

    /// The line here; `None` behind the last. What ends a block goes on in the next.
    pub(super) fn line(&mut self) -> Option<&'static str> {
        let text = blocks().get(self.block)?.text();
        if self.at >= text.len() {
            self.block += 1;
            self.at = 0;
        }
        let line = line_at(blocks().get(self.block)?.text(), self.at);
        (!key_of(line).is_empty()).then_some(line)
    }

    /// The line behind `line`, which is the one here.
    pub(super) fn after(self, line: &str) -> Place {
        Place {
            at: self.at + line.len() + 1,
            ..self
        }
    }
}

/// Every line.
#[cfg(test)]
pub(super) fn all() -> impl Iterator<Item = &'static str> {
    blocks().iter().flat_map(|block| block.text().lines())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_is_what_was_generated() {
        let table = include_str!("../../data/aws_commands.tsv").lines();
        let commands = table.filter(|line| !line.starts_with('#') && key_of(line).contains(' '));
        assert!(all().eq(commands));
        assert!(blocks().len() > 100);
        assert!(blocks().iter().all(|block| block.text().starts_with(block.first)));
    }

    #[test]
    fn a_place_goes_on_over_the_end_of_a_block() {
        let mut place = Place::of("");
        let mut count = 0;
        while let Some(line) = place.line() {
            place = place.after(line);
            count += 1;
        }
        assert_eq!(count, all().count());
        assert!(Place::of("zzz zzz").line().is_none());
    }
}
