//! The nearest thing that would have been understood, for the hint in a refusal.

/// The candidate that is fewest edits away from `word`, if any is near enough to be meant.
pub(super) fn nearest<'c>(word: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    if word.len() > 64 {
        return None;
    }
    let limit = 1 + word.len() / 4;
    candidates
        .filter(|candidate| candidate.len().abs_diff(word.len()) <= limit)
        .map(|candidate| (edits(word.as_bytes(), candidate.as_bytes()), candidate))
        .filter(|(edits, _)| *edits <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many bytes to insert, delete or replace.
fn edits(one: &[u8], other: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (b, cell) in other.iter().zip(row.iter_mut().skip(1)) {
            let here = (diagonal + usize::from(a != b)).min(left + 1).min(*cell + 1);
            diagonal = std::mem::replace(cell, here);
            left = here;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_finds_its_word_and_nonsense_finds_nothing() {
        let words = ["describe-instances", "describe-images", "run-instances"];
        assert_eq!(
            nearest("describe-instance", words.into_iter()),
            Some("describe-instances")
        );
        assert_eq!(
            nearest("descrbe-images", words.into_iter()),
            Some("describe-images")
        );
        assert_eq!(nearest("xyz", words.into_iter()), None);
        assert_eq!(nearest(&"d".repeat(100_000), words.into_iter()), None);
        assert_eq!(edits(b"kitten", b"sitting"), 3);
    }
}
