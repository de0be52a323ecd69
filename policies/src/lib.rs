//! May this command run at this level?
//!
//! [`Governance::load`] reads one level's rules from YAML (either of the two formats), with every layer it
//! extends; [`Governance::evaluate`] judges an [`argv::Invocation`] by them. Default deny; deny beats escalate beats
//! allow. Pure: the caller supplies the documents' texts, and does the logging and the running.

#![forbid(unsafe_code)]

mod cases;
mod commands;
mod described;
mod document;
mod evaluate;
mod explain;
mod faults;
mod governance;
mod level;
mod limits;
mod lint;
mod names;
mod nearest;
mod original;
mod ours;
mod pattern;
mod rule;
mod schema;
mod show;
mod suggest;
mod verdict;

pub use cases::{Case, Cases, Outcome};
pub use commands::{BadCommandLine, CommandLine, Manifests};
pub use described::read as read_description;
pub use explain::{Consideration, Explanation, OperationExplanation};
pub use faults::{Fault, Faults};
pub use governance::{Documents, Governance, promised};
pub use level::{BadLevel, BadTrack, Level, Track};
pub use limits::Moment;
pub use lint::{Finding, Kind, Severity};
pub use schema::schema;
pub use suggest::Suggestion;
pub use verdict::{Denial, Hold, Permit, Reason, Verdict};
