//! Our reading of random command lines against what the real tools do with them.
//!
//! A [`Subject`] makes up a line from argv's own tables, runs the real tool on it in a [`sandbox`] whose every request ends at a
//! recording endpoint on loopback, and compares what was sent, printed and written with what `argv` understood. A line that
//! differs is made shorter while it still differs.
//!
//! What counts as a finding:
//! - **danger**: something was done that the reading does not name: a change under the name of a read, another target, a
//!   request to another host, a credential or a file printed or sent, a file written, a program started;
//! - **needless**: the line is unreadable, and the tool ran it and did nothing but read.
//!
//! A line that both refuse, or that is unreadable and would have changed something, is as it should be.

mod aws;
mod cluster;
mod gh;
mod github;
mod kubectl;
mod lines;
mod sandbox;

use argv::{Hazard, Invocation, Surroundings, Tool, Unreadable};
use serde::Serialize;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::{Duration, Instant};

pub use sandbox::Ran;

/// How often a line is run again at most, to make it shorter.
const MOST_SHRINKING_RUNS: usize = 60;
/// How many findings of one kind are kept.
const MOST_ALIKE: usize = 2;
/// What refusals on purpose say. A line that names two repositories deceives its reader, whichever the tool takes; and an
/// abbreviation must mean the same in every version of aws that we know;
/// not every server makes something of every header; and what an encoded slash in a path comes to is the server's business.
const DELIBERATE: &[&str] = &[
    "names another repository than the rest of the line",
    "is the beginning of more than one option",
    "which versions of gh read differently",
    "this header can change what the request does",
    "is not a plain path",
];

/// When to stop.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// After so many lines.
    pub rounds: usize,
    /// After so long.
    pub time: Duration,
}

/// What a comparison comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Everything the tool did is named.
    Equal,
    /// The tool refused the line, or there was nothing to do for it.
    ToolRefuses,
    /// The line is unreadable, and the tool refused it too.
    BothRefuse,
    /// The line is unreadable, and the tool changed something.
    RefusedChange,
    /// The line is refused on purpose, though the tool makes something of it.
    Deliberate,
    /// The tool did something that is not named.
    Danger(String),
    /// The line is unreadable, and the tool only read.
    Needless(String),
}

impl Verdict {
    fn is_as_bad_as(&self, other: &Verdict) -> bool {
        matches!(
            (self, other),
            (Verdict::Danger(_), Verdict::Danger(_)) | (Verdict::Needless(_), Verdict::Needless(_))
        )
    }
}

/// A line on which we and the tool differ.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// `danger` or `needless`.
    pub class: &'static str,
    /// What differs.
    pub what: String,
    /// The line, shortened, ready to be pasted into a shell.
    pub line: String,
    /// The line as it was made up.
    pub original: String,
    /// How many findings were alike.
    pub alike: usize,
}

/// What was run with one tool, and what was found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// The tool's name.
    pub tool: String,
    /// The seed; the same seed makes up the same lines.
    pub seed: u64,
    /// Lines that were run.
    pub lines: usize,
    /// Requests that were recorded.
    pub requests: usize,
    /// Lines whose every effect is named.
    pub equal: usize,
    /// Of those, lines that changed something or wanted to.
    pub equal_changes: usize,
    /// Readable lines that the tool refused, or for which it had nothing to do.
    pub tool_refuses: usize,
    /// Unreadable lines that the tool refused too.
    pub both_refuse: usize,
    /// Unreadable lines with which the tool changed something.
    pub refused_changes: usize,
    /// Lines that are refused on purpose.
    pub deliberate: usize,
    /// Lines that are worse than they look.
    pub dangers: usize,
    /// Lines refused without need.
    pub needless: usize,
    /// Samples of both.
    pub findings: Vec<Finding>,
}

/// What the real tool did with a line.
#[derive(Debug, Default)]
pub struct Observed {
    /// How it ended, what it printed, what it wrote.
    pub ran: Ran,
    /// What was sent to the endpoint, in order.
    pub sent: Vec<Sent>,
    /// Requests that went to another host than the configured one.
    pub elsewhere: Vec<String>,
    /// The bodies and targets of all requests, to look for what should not be there.
    pub wire: String,
}

/// A request that asks for something: not discovery, not credentials.
#[derive(Debug)]
pub struct Sent {
    /// As a person would say it.
    pub shown: String,
    /// Whether it changes something.
    pub changes: bool,
    /// Tool-specific: what [`Subject::is_named`] needs to compare it.
    pub facts: BTreeMap<&'static str, String>,
}

impl Sent {
    fn fact(&self, name: &str) -> &str {
        self.facts.get(name).map_or("", String::as_str)
    }
}

/// A tool, its world, and how to compare.
pub trait Subject {
    /// Which tool.
    fn tool(&self) -> Tool;
    /// Makes up the words after the tool's name.
    fn line(&mut self, random: &mut fastrand::Rng) -> Vec<String>;
    /// Runs the real tool.
    fn observe(&mut self, words: &[String]) -> Observed;
    /// What surrounds the line for the reading.
    fn surroundings(&self) -> Surroundings;
    /// An address beside the configured one, where nothing should be sent unnoticed.
    fn other_address(&self) -> String;
    /// Whether the reading names what was sent; says what is missing.
    fn is_named(&self, sent: &Sent, read: &Invocation) -> Result<(), String>;
}

/// The tools that are compared here. psql has a real server of its own as the oracle, in `tests/psql.rs`.
pub const TOOLS: [Tool; 3] = [Tool::Kubectl, Tool::Aws, Tool::Gh];

/// Starts the subject for a tool; `None` for one that is not compared here.
pub fn subject(tool: Tool) -> Option<Box<dyn Subject>> {
    match tool {
        Tool::Kubectl => Some(Box::new(kubectl::Kubectl::start())),
        Tool::Aws => Some(Box::new(aws::Aws::start())),
        Tool::Gh => Some(Box::new(gh::Gh::start())),
        Tool::Psql | Tool::Described(_) => None,
    }
}

/// Makes up lines and compares, until a limit.
pub fn run(subject: &mut dyn Subject, seed: u64, limits: Limits) -> Report {
    let mut report = Report {
        tool: subject.tool().name().to_owned(),
        seed,
        ..Report::default()
    };
    let begun = Instant::now();
    let mut random = fastrand::Rng::with_seed(seed);
    while report.lines < limits.rounds && begun.elapsed() < limits.time {
        let words = subject.line(&mut random);
        let (verdict, observed) = compare(subject, &words);
        report.lines += 1;
        report.requests += observed.sent.len();
        match &verdict {
            Verdict::Equal => {
                report.equal += 1;
                report.equal_changes += usize::from(observed.sent.iter().any(|sent| sent.changes));
            }
            Verdict::ToolRefuses => report.tool_refuses += 1,
            Verdict::BothRefuse => report.both_refuse += 1,
            Verdict::RefusedChange => report.refused_changes += 1,
            Verdict::Deliberate => report.deliberate += 1,
            Verdict::Danger(_) => report.dangers += 1,
            Verdict::Needless(_) => report.needless += 1,
        }
        keep(subject, &words, &verdict, &mut report);
    }
    report
}

fn keep(subject: &mut dyn Subject, words: &[String], verdict: &Verdict, report: &mut Report) {
    let (Verdict::Danger(what) | Verdict::Needless(what)) = verdict else {
        return;
    };
    if count(report, what) >= MOST_ALIKE {
        return;
    }
    let (short, what) = shrink(subject, words, verdict);
    // What is left may be what was found before.
    if count(report, &what) >= MOST_ALIKE {
        return;
    }
    report.findings.push(Finding {
        class: if matches!(verdict, Verdict::Danger(_)) {
            "danger"
        } else {
            "needless"
        },
        what,
        line: shown(subject.tool(), &short),
        original: shown(subject.tool(), words),
        alike: 1,
    });
}

/// How many findings of this kind there are; they are one more now.
fn count(report: &mut Report, what: &str) -> usize {
    let kind = kind_of(what);
    let mut alike = 0;
    for finding in report
        .findings
        .iter_mut()
        .filter(|found| kind_of(&found.what) == kind)
    {
        finding.alike += 1;
        alike += 1;
    }
    alike
}

/// What findings have in common: what is said before the first colon.
fn kind_of(what: &str) -> &str {
    what.split(':').next().unwrap_or_default()
}

/// Runs one line, and compares.
pub fn compare(subject: &mut dyn Subject, words: &[String]) -> (Verdict, Observed) {
    let read = reading(subject, words);
    let observed = subject.observe(words);
    let verdict = judge(subject, &read, &observed);
    (verdict, observed)
}

/// Compares what one line means to us with what another does: to see that a difference is found.
pub fn compare_readings(subject: &mut dyn Subject, told: &[String], done: &[String]) -> Verdict {
    let read = reading(subject, told);
    let observed = subject.observe(done);
    judge(subject, &read, &observed)
}

fn reading(subject: &dyn Subject, words: &[String]) -> Result<Invocation, Unreadable> {
    let arguments: Vec<OsString> = words.iter().map(OsString::from).collect();
    argv::parse(subject.tool(), &arguments, &subject.surroundings())
}

fn judge(subject: &dyn Subject, read: &Result<Invocation, Unreadable>, observed: &Observed) -> Verdict {
    match read {
        Ok(read) => match danger(subject, read, observed) {
            Some(what) => Verdict::Danger(what),
            None if observed.ran.succeeded() || !observed.sent.is_empty() => Verdict::Equal,
            None => Verdict::ToolRefuses,
        },
        Err(unreadable) => {
            let harms = observed.sent.iter().any(|sent| sent.changes)
                || !observed.elsewhere.is_empty()
                || observed.ran.did_something_here();
            if harms {
                Verdict::RefusedChange
            } else if DELIBERATE.iter().any(|why| unreadable.problem.contains(why)) {
                Verdict::Deliberate
            } else if observed.ran.succeeded() && !observed.sent.is_empty() {
                let problem = &unreadable.problem;
                // The word itself comes first, in backticks; what is alike is what comes after it.
                let (word, why) = problem.rsplit_once("`: ").unwrap_or(("", problem));
                Verdict::Needless(format!("{why}: {word}"))
            } else {
                Verdict::BothRefuse
            }
        }
    }
}

/// The first thing that was done and is not named.
fn danger(subject: &dyn Subject, read: &Invocation, observed: &Observed) -> Option<String> {
    let without = |hazard: Hazard| !read.has_hazard(hazard);
    for sent in &observed.sent {
        if let Err(missing) = subject.is_named(sent, read) {
            return Some(format!("`{}` {missing}: {}", read.command, sent.shown));
        }
    }
    let command = &read.command;
    if let Some(first) = observed.elsewhere.first()
        && without(Hazard::RedirectsEndpoint)
        && without(Hazard::RemoteInput)
    {
        return Some(format!("`{command}` sent to another host: {first}"));
    }
    let printed = &observed.ran.output;
    if printed.contains(sandbox::SECRET) && without(Hazard::RevealsCredentials) {
        return Some(format!("`{command}` printed a credential: without the hazard"));
    }
    let told = printed.contains(sandbox::FILE_CONTENT) || observed.wire.contains(sandbox::FILE_CONTENT);
    if told && without(Hazard::ReadsFiles) {
        return Some(format!("`{command}` told a file's content: without the hazard"));
    }
    if observed.ran.marked && without(Hazard::RunsLocalCode) {
        return Some(format!("`{command}` started a program: without the hazard"));
    }
    if let Some(file) = observed.ran.written.first()
        && without(Hazard::WritesFiles)
        && without(Hazard::ChangesTool)
    {
        return Some(format!("`{command}` wrote a file: {file}"));
    }
    None
}

/// Leaves out words while the line still differs in the same way, and says how it differs then.
fn shrink(subject: &mut dyn Subject, words: &[String], verdict: &Verdict) -> (Vec<String>, String) {
    let (Verdict::Danger(what) | Verdict::Needless(what)) = verdict else {
        return (words.to_vec(), String::new());
    };
    let (mut words, mut what) = (words.to_vec(), what.clone());
    let mut runs = 0;
    for together in [2, 1, 1] {
        let mut at = 0;
        while at + together <= words.len() && runs < MOST_SHRINKING_RUNS {
            let mut shorter = words.clone();
            shorter.drain(at..at + together);
            runs += 1;
            let (again, _) = compare(subject, &shorter);
            match &again {
                Verdict::Danger(now) | Verdict::Needless(now) if again.is_as_bad_as(verdict) => {
                    what.clone_from(now);
                    words = shorter;
                }
                _ => at += 1,
            }
        }
    }
    (words, what)
}

/// A line as it can be pasted into a shell.
pub fn shown(tool: Tool, words: &[String]) -> String {
    let mut line = tool.name().to_owned();
    for word in words {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,@%+".contains(c);
        line.push(' ');
        if !word.is_empty() && word.chars().all(plain) {
            line.push_str(word);
        } else {
            line.push_str(&format!("'{}'", word.replace('\'', "'\\''")));
        }
    }
    line
}
