//! The corpora, as a test: what `cargo run -p acceptance --bin score` prints is as good as is asked.

use acceptance::score;
use std::path::Path;

#[test]
fn nothing_harmful_is_allowed_and_nearly_nothing_harmless_is_refused() {
    let scores = score::directory(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/corpora")));
    assert_eq!(scores.len(), 3);
    for score in scores {
        assert!(
            score.harmful > 100 && score.harmless > 90 && score.compared > 100,
            "{score:#?}"
        );
        assert!(score.is_good_enough(), "{score:#?}");
    }
}
