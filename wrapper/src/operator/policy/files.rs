//! `reeve policy lint`, `test` and `show`: governance files by themselves.

use super::super::cli::{PolicyFiles, PolicyShow};
use super::super::{Failure, print, run};
use super::{configuration, json_line, levels, name};
use crate::exit::Exit;
use crate::governance::Source;
use policies::{Finding, Outcome, Severity};
use std::collections::{BTreeMap, BTreeSet};

/// `reeve policy lint`: every finding in every file, each once.
///
/// # Errors
/// When files cannot be read, or have faults.
pub fn lint(options: &PolicyFiles) -> Result<i32, Failure> {
    let source = Source::from_option(options.governance.as_deref());
    let mut said = BTreeSet::new();
    let mut text = String::new();
    let mut warnings = 0_usize;
    let mut notes = 0_usize;
    // Layers are shared: a rule is tested when any level's cases have it decide.
    let mut rules: BTreeMap<String, Finding> = BTreeMap::new();
    let mut tested: BTreeSet<String> = BTreeSet::new();
    for (level, track) in levels(&source, options.level, options.track.as_ref())? {
        let governance = source.load(level, track.as_ref()).map_err(configuration)?;
        let mut findings = governance.lint();
        if let Some(cases) = source.cases(level, track.as_ref()).map_err(configuration)? {
            let untested = by_place(governance.untested(&cases.run(&governance)));
            let all = by_place(governance.untested(&[]));
            tested.extend(all.keys().filter(|place| !untested.contains_key(*place)).cloned());
            rules.extend(all);
        }
        findings.retain(|finding| {
            said.insert((
                finding.source.clone(),
                finding.rule.clone(),
                format!("{:?}", finding.kind),
            ))
        });
        for finding in findings {
            tell(&mut text, &finding, &source, options.json)?;
            match finding.severity {
                Severity::Warning => warnings = warnings.saturating_add(1),
                Severity::Note => notes = notes.saturating_add(1),
            }
        }
    }
    rules.retain(|place, _| !tested.contains(place));
    for finding in rules.into_values() {
        tell(&mut text, &finding, &source, options.json)?;
        notes = notes.saturating_add(1);
    }
    if !options.json {
        text.push_str(&format!("{warnings} warnings, {notes} notes\n"));
    }
    print(&text)?;
    Ok(if warnings == 0 { Exit::Ok } else { Exit::Found }.code())
}

fn by_place(findings: Vec<Finding>) -> BTreeMap<String, Finding> {
    findings
        .into_iter()
        .map(|finding| (finding.source.clone(), finding))
        .collect()
}

fn tell(text: &mut String, finding: &Finding, source: &Source, json: bool) -> Result<(), Failure> {
    let line = if json {
        json_line(finding)?
    } else {
        format!("{}\n", source.place(&finding.to_string()))
    };
    text.push_str(&line);
    Ok(())
}

/// `reeve policy test`: every case of every file.
///
/// # Errors
/// When files cannot be read, or have faults; when a file has no cases.
pub fn test(options: &PolicyFiles) -> Result<i32, Failure> {
    let source = Source::from_option(options.governance.as_deref());
    let mut text = String::new();
    let mut failed = 0_usize;
    let mut total = 0_usize;
    for (level, track) in levels(&source, options.level, options.track.as_ref())? {
        let governance = source.load(level, track.as_ref()).map_err(configuration)?;
        let Some(cases) = source.cases(level, track.as_ref()).map_err(configuration)? else {
            let message = format!(
                "{} has no cases; write what it decides into cases/governance-{}.cases, one `DECISION command` per line",
                name(level, track.as_ref()),
                name(level, track.as_ref()).replace(' ', "-"),
            );
            return Err(Failure::new(Exit::Configuration, message));
        };
        for outcome in cases.run(&governance) {
            total = total.saturating_add(1);
            if !outcome.passed {
                failed = failed.saturating_add(1);
            }
            if options.json {
                text.push_str(&json_line(&outcome)?);
            } else if !outcome.passed {
                text.push_str(&failure(&outcome));
            }
        }
    }
    if !options.json {
        text.push_str(&format!("{total} cases, {failed} failed\n"));
    }
    print(&text)?;
    Ok(if failed == 0 { Exit::Ok } else { Exit::Found }.code())
}

fn failure(outcome: &Outcome) -> String {
    let why = match (outcome.rules.as_slice(), outcome.message.as_str()) {
        ([], message) => message.to_owned(),
        (rules, "") => format!("by the rule {}", rules.join(", ")),
        (rules, message) => format!("by the rule {}: {message}", rules.join(", ")),
    };
    let expected = if outcome.decision == outcome.expected {
        "and not understood".to_owned()
    } else {
        format!("not {}", outcome.expected)
    };
    format!(
        "{}:{}: {} is {}, {expected}: {}\n",
        outcome.document,
        outcome.line,
        outcome.command,
        outcome.decision,
        audit_event::redact::text(&why)
    )
}

/// `reeve policy show`: the rules of a level and of everything it extends.
///
/// # Errors
/// When files cannot be read, or have faults.
pub fn show(options: &PolicyShow) -> Result<i32, Failure> {
    let (level, track) = run::wanted(&options.judged)?;
    let governance = Source::from_option(options.judged.governance.as_deref())
        .load(level, track.as_ref())
        .map_err(configuration)?;
    if options.json {
        print(&format!("{}\n", governance.snapshot()))?;
    } else {
        print(&governance.to_string())?;
    }
    Ok(Exit::Ok.code())
}
