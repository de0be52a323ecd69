//! The environment the tool gets: the caller's, with everything that changes the tool's meaning as the operator had it.

use super::snapshot::{Snapshot, Variable};
use crate::configuration::Configuration;
use crate::digest;
use crate::inputs::Inputs;
use argv::environment::{self, Treatment};
use argv::{Surroundings, Tool};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, CString, NulError, OsStr};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// The environment of the tool, and what was done to it.
#[derive(Debug, Default)]
pub struct Child<'o> {
    /// In the caller's order; what is new comes last.
    variables: Vec<Given<'o>>,
    /// Names that were removed or put back, sorted.
    pub changed: Vec<String>,
    /// Those of them with which the caller said that the command goes elsewhere than it does.
    pub elsewhere: Vec<String>,
    /// What the parser may know.
    pub around: Surroundings,
}

/// A variable that the tool gets.
#[derive(Debug)]
struct Given<'o> {
    name: &'o OsStr,
    value: &'o OsStr,
    /// Both, where they are the caller's own.
    entry: Option<&'static CStr>,
}

impl<'o> Child<'o> {
    /// `NAME=value`, for exec, with what the inputs say that the tool gets instead, or not at all.
    ///
    /// # Errors
    /// When the operator's value has a NUL in it.
    pub fn entries(&self, inputs: &Inputs) -> Result<Vec<Cow<'static, CStr>>, NulError> {
        let instead = |name: &OsStr| inputs.environment.iter().rev().find(|(other, _)| name == *other);
        let known = self
            .variables
            .iter()
            .filter(|variable| inputs.passes(variable.name))
            .map(|variable| match (instead(variable.name), variable.entry) {
                (Some((_, own)), _) => entry(variable.name, OsStr::new(own)),
                (None, Some(entry)) => Ok(Cow::Borrowed(entry)),
                (None, None) => entry(variable.name, variable.value),
            });
        let is_new = |name: &str| self.variables.iter().all(|known| known.name != name);
        let new = inputs
            .environment
            .iter()
            .filter(|(name, _)| is_new(name))
            .map(|(name, value)| entry(OsStr::new(name), OsStr::new(value)));
        // Collected, they would be copied each time that there are twice as many.
        let mut entries = Vec::with_capacity(self.variables.len().saturating_add(MORE));
        for entry in known.chain(new) {
            entries.push(entry?);
        }
        Ok(entries)
    }

    /// Gives the tool a variable; what is known to change it, the parser gets to know too.
    fn give(&mut self, given: Given<'o>, is_pinned: bool) {
        if is_pinned && let (Some(name), Some(value)) = (given.name.to_str(), given.value.to_str()) {
            self.around.environment.insert(name.to_owned(), value.to_owned());
        }
        self.variables.push(given);
    }

    /// The same, for one that the caller did not give.
    fn add(&mut self, name: &'o str, value: &'o str, is_pinned: bool) {
        let given = Given {
            name: OsStr::new(name),
            value: OsStr::new(value),
            entry: None,
        };
        self.give(given, is_pinned);
    }
}

fn entry(name: &OsStr, value: &OsStr) -> Result<Cow<'static, CStr>, NulError> {
    // With room for the NUL that exec wants.
    let length = name.len().saturating_add(value.len()).saturating_add(2);
    let mut entry = Vec::with_capacity(length);
    entry.extend_from_slice(name.as_bytes());
    entry.push(b'=');
    entry.extend_from_slice(value.as_bytes());
    CString::new(entry).map(Cow::Owned)
}

/// Not many more variables are the operator's alone.
const MORE: usize = 8;

/// Puts every pinned variable back to the operator's value, or removes it; sets the forced ones.
pub fn clean<'o>(tool: Tool, orders: &'o Configuration, call: &Snapshot) -> Child<'o> {
    let mut child = Child {
        variables: Vec::with_capacity(call.environment.len().saturating_add(MORE)),
        ..Child::default()
    };
    let mut given = BTreeSet::new();
    for &Variable { name, value, entry } in &call.environment {
        let text = name.to_string_lossy();
        let treatment = environment::treatment(tool, &text);
        let theirs = match treatment {
            Treatment::Removed => None,
            Treatment::Passes => Some(value),
            Treatment::Pinned => match prescribed(tool, orders, &text) {
                Some(theirs) => {
                    given.insert(text.clone());
                    Some(OsStr::new(theirs))
                }
                None => is_the_operators(orders, &text, value).then_some(value),
            },
        };
        let is_unchanged = theirs == Some(value);
        // The shims' own directory in PATH is no news.
        if !is_unchanged && text != "PATH" {
            let says_something = !value.is_empty() || theirs.is_some();
            if says_something && environment::says_where(tool, &text) {
                child.elsewhere.push(text.clone().into_owned());
            }
            child.changed.push(text.into_owned());
        }
        if let Some(value) = theirs {
            let given = Given {
                name,
                value,
                entry: is_unchanged.then_some(entry),
            };
            child.give(given, treatment == Treatment::Pinned);
        }
    }
    let forced = environment::forced(tool);
    let is_forced = |name: &str| forced.iter().any(|(other, _)| *other == name);
    let prescribed = orders
        .environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in prescribed.chain([("PATH", orders.path.as_str())]) {
        let is_new = !given.contains(name) && !is_forced(name);
        if is_new && environment::treatment(tool, name) == Treatment::Pinned {
            child.add(name, value, true);
            if name != "PATH" {
                child.changed.push(name.to_owned());
            }
        }
    }
    for (name, value) in forced.iter().filter(|(name, _)| !given.contains(*name)) {
        child.add(name, value, environment::is_pinned(name));
    }
    child.changed.sort();
    child
}

/// What a variable is, whatever the caller says: forced, or as the operator had it.
fn prescribed<'o>(tool: Tool, orders: &'o Configuration, name: &str) -> Option<&'o str> {
    if let Some((_, value)) = environment::forced(tool)
        .iter()
        .find(|(forced, _)| *forced == name)
    {
        return Some(value);
    }
    if name == "PATH" {
        return Some(&orders.path);
    }
    orders.environment.get(name).map(String::as_str)
}

fn is_the_operators(orders: &Configuration, name: &str, value: &OsStr) -> bool {
    orders
        .secrets
        .get(name)
        .is_some_and(|digest| digest_of(value) == *digest)
}

/// SHA-256 in hex.
pub fn digest_of(value: &OsStr) -> String {
    digest::hex(value.as_bytes())
}

/// The operator's environment as a session pins it: plain values, and digests of those that hold credentials.
pub fn pin() -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    let mut values = BTreeMap::new();
    let mut secrets = BTreeMap::new();
    for (name, value) in std::env::vars_os() {
        let Some(name) = name.to_str().filter(|name| environment::is_pinned(name)) else {
            continue;
        };
        if environment::is_secret(name) {
            secrets.insert(name.to_owned(), digest_of(&value));
        } else if let Ok(value) = String::from_utf8(value.into_vec()) {
            values.insert(name.to_owned(), value);
        }
    }
    values.remove("PATH");
    (values, secrets)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of the caller's variables, and which names are in the record.
    fn cleaned(tool: Tool, operator: &[(&str, &str)], caller: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        let orders: Configuration = serde_json::from_value(serde_json::json!({
            "version": 1,
            "socket": "/s",
            "pins": {"identities": []},
            "policies": {},
            "path": "/bin",
            "environment": operator.iter().copied().collect::<BTreeMap<_, _>>(),
            "secrets": {"GH_TOKEN": digest_of(OsStr::new("t"))},
        }))
        .unwrap();
        let mut call = Snapshot::take(tool, Vec::new()).unwrap();
        call.environment = caller
            .iter()
            .filter_map(|(name, value)| {
                // For as long as the process lives, as a process's own environment.
                let entry = Box::leak(
                    CString::new(format!("{name}={value}"))
                        .unwrap()
                        .into_boxed_c_str(),
                );
                Variable::read(entry)
            })
            .collect();
        let child = clean(tool, &orders, &call);
        let entries = child.entries(&Inputs::default()).unwrap();
        let text = |entry: Cow<CStr>| entry.to_str().unwrap().to_owned();
        (entries.into_iter().map(text).collect(), child.changed)
    }

    #[test]
    fn the_callers_order_stays_and_what_is_new_comes_last() {
        let caller = [("Z", "1"), ("PATH", "/shims"), ("A", "2")];
        let (entries, changed) = cleaned(Tool::Gh, &[("HOME", "/h")], &caller);
        assert_eq!(entries, ["Z=1", "PATH=/bin", "A=2", "HOME=/h"]);
        assert_eq!(changed, ["HOME"]);
    }

    #[test]
    fn a_pinned_variable_is_the_operators_in_its_place_or_gone() {
        let caller = [("KUBECONFIG", "/evil"), ("LANG", "C"), ("AWS_PROFILE", "prod")];
        let (entries, changed) = cleaned(Tool::Aws, &[("KUBECONFIG", "/own")], &caller);
        assert_eq!(
            entries,
            ["KUBECONFIG=/own", "LANG=C", "PATH=/bin", "PYTHONNOUSERSITE=1"]
        );
        assert_eq!(changed, ["AWS_PROFILE", "KUBECONFIG"]);
    }

    #[test]
    fn a_credential_passes_when_it_is_the_operators() {
        assert_eq!(
            cleaned(Tool::Gh, &[], &[("GH_TOKEN", "t")]).0,
            ["GH_TOKEN=t", "PATH=/bin"]
        );
        assert_eq!(cleaned(Tool::Gh, &[], &[("GH_TOKEN", "x")]).0, ["PATH=/bin"]);
    }

    #[test]
    fn what_is_forced_is_so_whoever_says_otherwise() {
        let (entries, changed) = cleaned(Tool::Kubectl, &[("KUBERC", "on")], &[("KUBECTL_KUBERC", "true")]);
        assert_eq!(entries, ["KUBECTL_KUBERC=false", "PATH=/bin", "KUBERC=off"]);
        assert_eq!(changed, ["KUBECTL_KUBERC"]);
    }
}
