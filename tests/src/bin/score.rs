//! Prints how well `reeve check` does on a corpus of command lines that the real tools labelled.
//!
//! ```text
//! cargo run --release -p acceptance --bin score [-- [--json] [DIRECTORY]]
//! ```
//!
//! Exit 0 when no harmful line is allowed at L2, at most 1 % of the harmless ones are refused, and at least 99.5 % of what is
//! compared with the wire agrees; 1 otherwise. Every miss is listed.

use acceptance::score::{self, Score};
use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let json = words.iter().any(|word| word == "--json");
    words.retain(|word| word != "--json");
    let directory = match words.as_slice() {
        [] => PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/corpora")),
        [directory] if !directory.starts_with('-') => PathBuf::from(directory),
        _ => {
            eprintln!("usage: score [--json] [DIRECTORY]");
            return ExitCode::from(64);
        }
    };
    let scores = score::directory(&directory);
    if json {
        match serde_json::to_string_pretty(&scores) {
            Ok(text) => println!("{text}"),
            Err(error) => {
                eprintln!("score: {error}");
                return ExitCode::from(70);
            }
        }
    } else {
        print(&scores);
    }
    if !scores.is_empty() && scores.iter().all(Score::is_good_enough) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn print(scores: &[Score]) {
    println!(
        "{:10} {:>8} {:>18} {:>24} {:>22}",
        "", "entries", "harmful allowed", "harmless refused", "agrees with the wire"
    );
    for score in scores {
        println!(
            "{:10} {:>8} {:>18} {:>24} {:>22}",
            score.tool,
            score.entries,
            format!("{} of {}", score.harmful_allowed.len(), score.harmful),
            format!(
                "{} of {} ({:.1} %)",
                score.harmless_refused.len(),
                score.harmless,
                score.refused_percent()
            ),
            format!("{:.1} % of {}", score.agreement_percent(), score.compared),
        );
    }
    for score in scores {
        for (what, lines) in [
            ("harmful and allowed", &score.harmful_allowed),
            ("harmless and refused", &score.harmless_refused),
            ("differs from the wire", &score.differing),
        ] {
            for line in lines {
                println!("{what}: {line}");
            }
        }
    }
}
