//! The freeze switch: while a profile is frozen, nothing of it is recorded as allowed, so nothing of it runs.
//!
//! It is kept in `DIR/frozen.json`, replaced as a whole:
//!
//! ```text
//! {"v":1,"all":null,"profiles":{"sre":{"why":"INC-7","since":"2026-04-07T14:32:01Z","by":0}}}
//! ```
//!
//! No file: nothing is frozen. A file that cannot be read as this: everything is, until `reeve unfreeze --all` replaces it.
//! The operator's act is in the ledger before it takes effect (`operators`), and the writer asks here before it records a
//! decision, so what is answered after the freeze was answered is refused.

use crate::ledger;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The file's version.
const VERSION: u32 = 1;
/// Its name.
const FILE: &str = "frozen.json";

/// Who ordered it, when and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// For whoever is refused, and for the operator.
    pub why: String,
    /// RFC 3339, UTC.
    pub since: String,
    /// The user id of whoever ordered it.
    pub by: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    v: u32,
    all: Option<Order>,
    profiles: BTreeMap<String, Order>,
}

/// Whom it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whom {
    /// Everybody, profiles that are yet to come included.
    All,
    /// One profile.
    Profile(String),
}

/// The switch.
#[derive(Debug)]
pub struct Freeze {
    directory: PathBuf,
    state: Mutex<State>,
}

impl Freeze {
    /// As it was left.
    pub fn open(directory: &Path) -> Freeze {
        let path = directory.join(FILE);
        let nothing = State {
            v: VERSION,
            all: None,
            profiles: BTreeMap::new(),
        };
        let state = match std::fs::read(&path) {
            Ok(bytes) => read(&bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(nothing.clone()),
            Err(error) => Err(error.to_string()),
        };
        let state = state.unwrap_or_else(|why| {
            let why = format!("{} cannot be read: {why}", path.display());
            tracing::error!(%why, "everything is frozen; `reeve unfreeze --all` ends it");
            let order = Order {
                why,
                since: now(),
                by: nix::unistd::geteuid().as_raw(),
            };
            State {
                all: Some(order),
                ..nothing
            }
        });
        Freeze {
            directory: directory.to_owned(),
            state: Mutex::new(state),
        }
    }

    /// What an agent of this profile is told, when nothing of it may run.
    pub fn refusal(&self, profile: &str) -> Option<String> {
        let state = self.state();
        let (order, whom) = match (&state.all, state.profiles.get(profile)) {
            (Some(order), _) => (order, "--all".to_owned()),
            (None, Some(order)) => (order, format!("--profile {profile}")),
            (None, None) => return None,
        };
        Some(format!(
            "frozen by an operator since {}: {}; nothing runs until one says `reeve unfreeze {whom}`",
            order.since, order.why
        ))
    }

    /// Whether nothing of this profile may run.
    pub fn is_frozen(&self, profile: &str) -> bool {
        let state = self.state();
        state.all.is_some() || state.profiles.contains_key(profile)
    }

    /// Whether there is an order for exactly this.
    pub fn has(&self, whom: &Whom) -> bool {
        let state = self.state();
        match whom {
            Whom::All => state.all.is_some() || !state.profiles.is_empty(),
            Whom::Profile(profile) => state.profiles.contains_key(profile),
        }
    }

    /// Takes effect at once, and is kept. One order at a time: the caller sees to that.
    ///
    /// # Errors
    /// When it cannot be kept over a restart; it is in effect all the same.
    pub fn set(&self, whom: &Whom, order: Order) -> Result<(), String> {
        // The writer asks here: it must not wait for the disk.
        let state = {
            let mut state = self.state();
            match whom {
                Whom::All => state.all = Some(order),
                Whom::Profile(profile) => {
                    state.profiles.insert(profile.clone(), order);
                }
            }
            state.clone()
        };
        self.keep(&state)
            .map_err(|why| format!("frozen, but a restart of the sidecar would end it: {why}"))
    }

    /// Ends it; `All` ends every order. One order at a time: the caller sees to that.
    ///
    /// # Errors
    /// When that cannot be kept; it stays frozen then.
    pub fn lift(&self, whom: &Whom) -> Result<(), String> {
        let mut without = self.state().clone();
        match whom {
            Whom::All => {
                without.all = None;
                without.profiles.clear();
            }
            Whom::Profile(profile) => {
                without.profiles.remove(profile);
            }
        }
        self.keep(&without)
            .map_err(|why| format!("it stays frozen: {why}"))?;
        *self.state() = without;
        Ok(())
    }

    /// For the operator, and for the ledger's CONFIG.
    pub fn account(&self) -> Value {
        let state = self.state();
        json!({ "all": state.all, "profiles": state.profiles })
    }

    fn keep(&self, state: &State) -> Result<(), String> {
        let path = self.directory.join(FILE);
        let bytes = serde_json::to_vec(state).map_err(|error| error.to_string())?;
        ledger::replace_file(&self.directory, FILE, &bytes)
            .map_err(|error| format!("{}: {error}", path.display()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(bytes: &[u8]) -> Result<State, String> {
    let state: State = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if state.v != VERSION {
        return Err(format!(
            "it has version {}; this sidecar knows version {VERSION}",
            state.v
        ));
    }
    Ok(state)
}

/// The present time, to the second.
pub fn now() -> String {
    format!("{:.0}", jiff::Timestamp::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> Order {
        Order {
            why: "INC-7".to_owned(),
            since: now(),
            by: 0,
        }
    }

    fn sre() -> Whom {
        Whom::Profile("sre".to_owned())
    }

    #[test]
    fn it_is_kept_and_lifted() {
        let directory = tempfile::tempdir().unwrap();
        let open = || Freeze::open(directory.path());
        assert!(!open().is_frozen("sre"));
        open().set(&sre(), order()).unwrap();
        assert!(open().is_frozen("sre") && !open().is_frozen("dba"));
        let said = open().refusal("sre").unwrap();
        assert!(
            said.contains("INC-7") && said.contains("`reeve unfreeze --profile sre`"),
            "{said}"
        );
        open().set(&Whom::All, order()).unwrap();
        assert!(open().is_frozen("dba"));
        assert!(open().refusal("sre").unwrap().contains("`reeve unfreeze --all`"));
        open().lift(&sre()).unwrap();
        assert!(open().is_frozen("sre"), "everything still is");
        open().lift(&Whom::All).unwrap();
        assert!(!open().has(&Whom::All) && !open().is_frozen("sre"));
    }

    #[test]
    fn a_file_that_is_none_freezes_everything() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        Freeze::open(directory.path()).set(&sre(), order()).unwrap();
        let good = std::fs::read(&path).unwrap();
        let other = String::from_utf8(good.clone())
            .unwrap()
            .replace("\"v\":1", "\"v\":2");
        let more = String::from_utf8(good.clone())
            .unwrap()
            .replace("\"v\":1", "\"v\":1,\"not\":1");
        let halves = (0..good.len()).map(|end| good[..end].to_vec());
        for bad in halves.chain([other.into_bytes(), more.into_bytes(), b"[]".to_vec()]) {
            std::fs::write(&path, &bad).unwrap();
            let freeze = Freeze::open(directory.path());
            assert!(freeze.is_frozen("anybody"), "{}", String::from_utf8_lossy(&bad));
            assert!(
                freeze
                    .refusal("anybody")
                    .unwrap()
                    .contains("frozen.json cannot be read")
            );
        }
        Freeze::open(directory.path()).lift(&Whom::All).unwrap();
        assert!(!Freeze::open(directory.path()).is_frozen("sre"));
    }

    #[test]
    fn what_cannot_be_kept_is_said_and_stays_closed() {
        let directory = tempfile::tempdir().unwrap();
        let freeze = Freeze::open(&directory.path().join("gone"));
        let said = freeze.set(&sre(), order()).unwrap_err();
        assert!(said.contains("a restart of the sidecar would end it"), "{said}");
        assert!(freeze.is_frozen("sre"));
        assert!(freeze.lift(&sre()).unwrap_err().contains("stays frozen"));
        assert!(freeze.is_frozen("sre"));
    }
}
