//! Any text as a governance file, alone and as the layer below another; and what was loaded survives its own snapshot.
#![no_main]

use fuzz::Texts;
use policies::{Governance, Level};

const ABOVE: &str =
    "apiVersion: reeve/v1\nkind: Governance\nlevel: L2\nextends: governance-L1.yaml\nrules: []\n";

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let alone = Texts(&[("governance-L1.yaml", text)]);
    let below = Texts(&[("governance-L1.yaml", text), ("governance-L2.yaml", ABOVE)]);
    for (level, texts) in [(Level::L1, alone), (Level::L2, below)] {
        if let Ok(governance) = Governance::load(level, None, &texts) {
            let again = Governance::from_snapshot(&governance.snapshot()).expect("its own snapshot loads");
            assert_eq!(governance.digest(), again.digest());
        }
    }
    let _faults = Governance::from_snapshot(text);
});
