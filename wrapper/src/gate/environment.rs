//! The environment the tool gets: the caller's, with everything that changes the tool's meaning as the operator had it.

use super::snapshot::Snapshot;
use crate::configuration::Configuration;
use crate::inputs::Inputs;
use argv::{Surroundings, Tool, environment};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// The environment of the tool, and what was done to it.
#[derive(Debug)]
pub struct Child {
    variables: BTreeMap<OsString, OsString>,
    /// Names that were removed or put back, sorted.
    pub changed: Vec<String>,
    /// What the parser may know.
    pub around: Surroundings,
}

impl Child {
    /// `NAME=value`, for exec, with what the inputs say that the tool gets instead, or not at all.
    pub fn entries(&self, inputs: &Inputs) -> Vec<Vec<u8>> {
        let mut variables = self.variables.clone();
        variables.retain(|name, _| inputs.passes(&name.to_string_lossy()));
        variables.extend(
            inputs
                .environment
                .iter()
                .map(|(name, value)| (OsString::from(name), OsString::from(value))),
        );
        variables
            .iter()
            .map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat())
            .collect()
    }
}

/// Puts every pinned variable back to the operator's value, or removes it; sets the forced ones.
pub fn clean(tool: Tool, orders: &Configuration, call: &Snapshot) -> Child {
    let mut variables = call.environment.clone();
    let mut changed = Vec::new();
    variables.retain(|name, value| {
        let name = name.to_string_lossy();
        let keep = !environment::is_pinned(&name) || is_the_operators(orders, &name, value);
        if !keep && !orders.environment.contains_key(name.as_ref()) {
            changed.push(name.into_owned());
        }
        keep
    });
    let path = [("PATH".to_owned(), orders.path.clone())];
    for (name, value) in orders
        .environment
        .iter()
        .map(|(n, v)| (n.clone(), v.clone()))
        .chain(path)
    {
        if environment::is_pinned(&name) && variables.get(OsStr::new(&name)) != Some(&OsString::from(&value))
        {
            variables.insert(name.clone().into(), value.into());
            // The shims' own directory in PATH is no news.
            if name != "PATH" {
                changed.push(name);
            }
        }
    }
    variables.retain(|name, _| {
        let name = name.to_string_lossy();
        let keep = !environment::is_removed(tool, &name);
        if !keep && !changed.iter().any(|known| *known == name) {
            changed.push(name.into_owned());
        }
        keep
    });
    for (name, value) in environment::forced(tool) {
        variables.insert((*name).into(), (*value).into());
    }
    changed.sort();
    let around = surroundings(&variables);
    Child {
        variables,
        changed,
        around,
    }
}

fn is_the_operators(orders: &Configuration, name: &str, value: &OsStr) -> bool {
    match (orders.environment.get(name), orders.secrets.get(name)) {
        (Some(pinned), _) => value.as_bytes() == pinned.as_bytes(),
        (None, Some(digest)) => digest_of(value) == *digest,
        (None, None) => false,
    }
}

/// SHA-256 in hex.
pub fn digest_of(value: &OsStr) -> String {
    Sha256::digest(value.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn surroundings(variables: &BTreeMap<OsString, OsString>) -> Surroundings {
    let environment = variables
        .iter()
        .filter_map(|(name, value)| Some((name.to_str()?, value.to_str()?)))
        .filter(|(name, _)| environment::is_pinned(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    Surroundings {
        environment,
        ..Surroundings::default()
    }
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
