//! What the gate was called with, taken once at the start: everything later works on this and never looks again.

use crate::inputs::Inputs;
use crate::sys;
use argv::Tool;
use nix::unistd::{getcwd, getgid, getpid, getppid, getuid};
use std::collections::BTreeSet;
use std::ffi::{CStr, OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;

/// One call.
#[derive(Debug)]
pub struct Snapshot {
    /// The tool whose name we were called by.
    pub tool: Tool,
    /// All words, the name first.
    pub args: Vec<OsString>,
    /// The environment as it was given, in its order; of a variable that is named twice the first, which is what programs take.
    pub environment: Vec<Variable>,
    /// The working directory, or why it is not known.
    pub cwd: String,
    /// Real user id.
    pub uid: u32,
    /// Real group id.
    pub gid: u32,
    /// Our process.
    pub pid: i32,
    /// Our parent.
    pub ppid: i32,
    /// Our parent's name.
    pub parent: String,
    /// The host's name.
    pub host: String,
}

impl Snapshot {
    /// Looks around.
    pub fn take(tool: Tool, args: Vec<OsString>) -> io::Result<Snapshot> {
        let ppid = getppid().as_raw();
        Ok(Snapshot {
            tool,
            args,
            environment: first_of_each(sys::environment().filter_map(Variable::read)),
            cwd: getcwd().map_or_else(
                |error| format!("({})", error.desc()),
                |path| path.to_string_lossy().into_owned(),
            ),
            uid: getuid().as_raw(),
            gid: getgid().as_raw(),
            pid: getpid().as_raw(),
            ppid,
            parent: name_of(ppid),
            host: nix::unistd::gethostname()?.to_string_lossy().into_owned(),
        })
    }

    /// The words after the tool's name.
    pub fn words(&self) -> &[OsString] {
        self.args.get(1..).unwrap_or_default()
    }

    /// The same call with the files that were judged in the places of those that were named.
    #[must_use]
    pub fn with(mut self, inputs: &Inputs) -> Snapshot {
        inputs.put_into(&mut self.args);
        self
    }

    /// A variable as text; one that is not UTF-8 is shown lossily, which no comparison accepts.
    pub fn variable(&self, name: &str) -> Option<String> {
        self.environment
            .iter()
            .find(|variable| variable.name == name)
            .map(|variable| variable.value.to_string_lossy().into_owned())
    }
}

/// A variable of this process's environment.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// What stands before the `=`. It may begin with one.
    pub name: &'static OsStr,
    /// What stands behind it.
    pub value: &'static OsStr,
    /// Both, as they were given.
    pub entry: &'static CStr,
}

impl Variable {
    /// Nothing for an entry that names none.
    pub fn read(entry: &'static CStr) -> Option<Variable> {
        let bytes = entry.to_bytes();
        let sign = bytes.iter().skip(1).position(|byte| *byte == b'=')?;
        let (name, value) = bytes.split_at_checked(sign.saturating_add(1))?;
        Some(Variable {
            name: OsStr::from_bytes(name),
            value: OsStr::from_bytes(value.get(1..)?),
            entry,
        })
    }
}

/// Most environments have no more variables.
const USUAL: usize = 48;

fn first_of_each(variables: impl Iterator<Item = Variable>) -> Vec<Variable> {
    let mut names = BTreeSet::new();
    let mut first = Vec::with_capacity(USUAL);
    // The length first: most names differ in it.
    first.extend(variables.filter(|variable| names.insert((variable.name.len(), variable.name))));
    first
}

/// A process's own short name; empty when it is gone or hidden.
fn name_of(pid: i32) -> String {
    // The kernel keeps 16 bytes of it, and gives them at once.
    let mut name = [0; 64];
    let read = File::open(format!("/proc/{pid}/comm")).and_then(|mut file| file.read(&mut name));
    let name = name.get(..read.unwrap_or_default()).unwrap_or_default();
    String::from_utf8_lossy(name).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_read_as_the_standard_library_reads_it() {
        let read = |entry: &'static CStr| {
            Variable::read(entry)
                .map(|variable| (variable.name.to_str().unwrap(), variable.value.to_str().unwrap()))
        };
        assert_eq!(read(c"A=b=c"), Some(("A", "b=c")));
        assert_eq!(read(c"A="), Some(("A", "")));
        assert_eq!(read(c"=C:=x"), Some(("=C:", "x")));
        assert_eq!([read(c""), read(c"A"), read(c"=A")], [None, None, None]);
        let ours: Vec<_> = sys::environment().filter_map(Variable::read).collect();
        let theirs: Vec<_> = std::env::vars_os().collect();
        assert!(
            ours.iter()
                .map(|one| (one.name, one.value))
                .eq(theirs.iter().map(|(name, value)| (&**name, &**value)))
        );
    }

    #[test]
    fn of_a_variable_that_is_given_twice_the_first_counts() {
        let given = [c"A=1", c"B=2", c"A=3", c"AB=4"]
            .into_iter()
            .filter_map(Variable::read);
        let kept: Vec<_> = first_of_each(given).iter().map(|one| one.entry).collect();
        assert_eq!(kept, [c"A=1", c"B=2", c"AB=4"]);
    }
}
