//! `reeve policy suggest`: the least rules that would have allowed what was refused.

use super::super::cli::PolicyRecord;
use super::super::{Failure, print, run};
use super::configuration;
use super::recorded;
use crate::exit::Exit;
use crate::governance::Source;
use argv::Invocation;
use policies::{Documents, Governance, Verdict};

/// The name under which the suggestion is loaded, to see that it does what it says.
const NAME: &str = "suggested.yaml";

/// A directory of governance files with one more.
struct With<'a> {
    source: &'a Source,
    suggestion: &'a str,
}

impl Documents for With<'_> {
    fn document(&self, name: &str) -> Result<Option<String>, String> {
        if name == NAME {
            Ok(Some(self.suggestion.to_owned()))
        } else {
            self.source.document(name)
        }
    }
}

/// Prints the file; what cannot be suggested is in its comments.
///
/// # Errors
/// When the record or the files cannot be read, or have faults.
pub fn suggest(options: &PolicyRecord) -> Result<i32, Failure> {
    let (level, track) = run::wanted(&options.judged)?;
    let source = Source::from_option(options.judged.governance.as_deref());
    let governance = source.load(level, track.as_ref()).map_err(configuration)?;
    let recorded = recorded::read(options.from.as_deref())?;
    let total = recorded.len();
    let unknown = recorded
        .iter()
        .filter(|recorded| recorded.invocation.is_none())
        .count();
    let wanted: Vec<Invocation> = recorded
        .into_iter()
        .filter_map(|recorded| recorded.invocation)
        .collect();
    let refused = wanted
        .iter()
        .filter(|invocation| !matches!(governance.evaluate(invocation), Verdict::Allow(_)))
        .count();
    let heading = format!(
        "Suggested from a record of {total} commands, {refused} of which {level} does not allow ({unknown} were not\n\
         understood, which no rule can help). Review every rule before any of it becomes a level's: it is what an agent\n\
         tried to do, not what it should. A facet that a rule does not name is one that the command left open."
    );
    let suggestion = governance.suggest(&wanted, &heading);
    let with = With {
        source: &source,
        suggestion: &suggestion.document,
    };
    // A suggestion that would not load, or not help, is a defect of this program and must not be handed out.
    let new = Governance::load_document(NAME, level, track.as_ref(), &with)
        .map_err(|faults| Failure::new(Exit::Configuration, format!("no file can say this:\n{faults}")))?;
    let helped = wanted
        .iter()
        .filter(|invocation| matches!(new.evaluate(invocation), Verdict::Allow(_)))
        .count();
    print(&suggestion.document)?;
    let left = wanted.len().saturating_sub(helped);
    eprintln!(
        "reeve: {} rules; with them {helped} of {} understood commands are allowed, {left} are not",
        suggestion.rules,
        wanted.len()
    );
    Ok(Exit::Ok.code())
}
