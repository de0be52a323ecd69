//! Compares our reading of random command lines with what the real tools do.
//!
//! ```text
//! cargo run -p acceptance --bin differential -- [--tool kubectl|aws|gh] [--rounds N] [--for SECONDS] [--seed S] [--json]
//! ```
//!
//! Without `--rounds` and `--for` it runs 300 lines per tool. The seed is printed; the same seed makes up the same lines. The
//! tools come from `REEVE_TEST_TOOLS`, or from PATH. Exit 0 when nothing differs, 1 when something does. Each finding's line
//! can be pasted into a shell.

use acceptance::differential::{self, Limits, Report};
use argv::Tool;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const USAGE: &str =
    "usage: differential [--tool kubectl|aws|gh] [--rounds N] [--for SECONDS] [--seed S] [--json]";

struct Asked {
    tools: Vec<Tool>,
    limits: Limits,
    seed: u64,
    json: bool,
}

fn main() -> ExitCode {
    let Some(asked) = asked(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(64);
    };
    eprintln!("differential: --seed {}", asked.seed);
    let mut reports = Vec::new();
    for tool in asked.tools {
        let Some(mut subject) = differential::subject(tool) else {
            eprintln!("{USAGE}");
            return ExitCode::from(64);
        };
        let report = differential::run(subject.as_mut(), asked.seed, asked.limits);
        if !asked.json {
            print(&report);
        }
        reports.push(report);
    }
    if asked.json {
        match serde_json::to_string_pretty(&reports) {
            Ok(text) => println!("{text}"),
            Err(error) => {
                eprintln!("differential: {error}");
                return ExitCode::from(70);
            }
        }
    }
    if reports.iter().all(|report| report.findings.is_empty()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn asked(mut words: impl Iterator<Item = String>) -> Option<Asked> {
    let clock = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let (mut rounds, mut time) = (None, None);
    let mut asked = Asked {
        tools: differential::TOOLS.to_vec(),
        limits: Limits {
            rounds: 300,
            time: Duration::MAX,
        },
        seed: clock,
        json: false,
    };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--json" => asked.json = true,
            "--tool" => asked.tools = vec![Tool::named(&words.next()?)?],
            "--rounds" => rounds = Some(words.next()?.parse().ok()?),
            "--for" => time = Some(Duration::from_secs(words.next()?.parse().ok()?)),
            "--seed" => asked.seed = words.next()?.parse().ok()?,
            _ => return None,
        }
    }
    asked.limits = match (rounds, time) {
        (None, None) => asked.limits,
        (rounds, time) => Limits {
            rounds: rounds.unwrap_or(usize::MAX),
            time: time.unwrap_or(Duration::MAX),
        },
    };
    Some(asked)
}

fn print(report: &Report) {
    println!(
        "{}: {} lines, {} requests",
        report.tool, report.lines, report.requests
    );
    println!(
        "  everything named     {:>6}, of which change something {}",
        report.equal, report.equal_changes
    );
    println!("  the tool refuses     {:>6}", report.tool_refuses);
    println!("  both refuse          {:>6}", report.both_refuse);
    println!("  a change, unreadable {:>6}", report.refused_changes);
    println!("  refused on purpose   {:>6}", report.deliberate);
    println!("  danger               {:>6}", report.dangers);
    println!("  refused without need {:>6}", report.needless);
    for finding in &report.findings {
        println!(
            "{} ({} alike): {}\n    {}\n    made shorter from: {}",
            finding.class, finding.alike, finding.what, finding.line, finding.original
        );
    }
}
