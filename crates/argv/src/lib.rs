//! What a kubectl, aws, gh or psql command line means.
//!
//! [`parse`] turns the words after the tool's name into an [`Invocation`]: the operations it performs,
//! the hazards that come with them, the files it touches. What cannot be understood completely is
//! [`Unreadable`], and names the word: nothing is skipped, nothing is guessed. Whether the
//! invocation *may* run is not decided here (see the `policies` crate), nor is anything read from
//! files, the environment or the clock: values in, values out.

#![forbid(unsafe_code)]

pub mod aws;
pub mod configuration;
pub mod described;
pub mod environment;
mod files;
pub mod gh;
pub mod invocation;
pub mod kubectl;
pub mod psql;
pub mod tool;
pub mod unreadable;
pub mod words;

pub use invocation::{
    Effect, FileUse, Hazard, HazardFact, Invocation, Namespace, Operation, Resource, Scope, Sets, Workload,
};
pub use tool::Tool;
pub use unreadable::Unreadable;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Arc;

/// The longest command line that is read, in bytes over all words. Longer ones are unreadable.
pub const MAX_BYTES: usize = 256 * 1024;

/// What surrounds a command line and changes its meaning, gathered by the caller.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// The environment variables the tool will see (after the gate has cleaned them).
    pub environment: BTreeMap<String, String>,
    /// The objects in the manifests that a kubectl line names, where the caller has read all of them and makes sure that
    /// kubectl reads the very same bytes; `None` where nobody looked.
    pub manifests: Option<Vec<kubectl::Manifest>>,
    /// The content of local files, by path as typed, that the caller has read, found fit to be read by anybody, and makes sure
    /// the tool reads as these very bytes.
    pub contents: BTreeMap<String, String>,
    /// The text of the file that has the tool's aliases, where it has them in one: aws's `alias`, gh's `config.yml`.
    pub aliases: String,
    /// gh: the host of requests that name none, where its configuration says one.
    pub default_host: Option<String>,
    /// The tool's description, where it is no built-in one.
    pub description: Option<Arc<described::Description>>,
}

impl Surroundings {
    /// The value of an environment variable; a variable set to the empty string counts as not set.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.environment
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }
}

/// Reads `args`, the words after the tool's own name, as `tool` would read them.
///
/// # Errors
/// [`Unreadable`] when any word is not understood, is not UTF-8, or there are more than [`MAX_BYTES`].
pub fn parse(tool: Tool, args: &[OsString], around: &Surroundings) -> Result<Invocation, Unreadable> {
    let words = words::utf8(args)?;
    let mut invocation = match tool {
        Tool::Kubectl => match &around.manifests {
            Some(manifests) => kubectl::parse_with(&words, around, manifests),
            None => kubectl::parse(&words, around),
        }?,
        Tool::Aws => aws::parse(&words, around)?,
        Tool::Gh => gh::parse(&words, around)?,
        Tool::Psql => psql::parse(&words, around)?,
        Tool::Described(_) => match &around.description {
            Some(description) if description.name == tool.name() => description.read(tool, &words)?,
            _ => {
                return Err(Unreadable::missing(&format!(
                    "no rule here speaks about {tool}, so nothing describes it"
                )));
            }
        },
    };
    files::settle(&mut invocation, around);
    Ok(invocation)
}
