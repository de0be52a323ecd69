//! Says what an installation does, while it does it: a line for each step, for people or for programs.

use super::host::{Back, Standing};
use super::layout;
use super::orders;
use super::step::Step;
use super::wish::Wish;
use crate::exit::Exit;
use crate::operator::{Failure, print};
use serde::Serialize;
use std::path::PathBuf;

/// Says what is done, while it is done.
#[derive(Debug)]
pub struct Told {
    /// One JSON object per line.
    pub json: bool,
    /// Nothing is done.
    pub dry_run: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    /// `keep` or `change`.
    action: &'a str,
    what: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    why: &'a str,
    /// Whether it was done, or only would be.
    done: bool,
}

impl Told {
    /// A step and how it stood before; whether that is a change.
    pub fn step(&self, step: &Step, standing: &Standing) -> Result<bool, Failure> {
        match standing {
            Standing::Done => self.line("keep", &step.to_string(), "").map(|()| false),
            Standing::Needed(why) | Standing::InTheWay(why) => {
                self.line("change", &step.to_string(), why).map(|()| true)
            }
        }
    }

    /// What was put back.
    pub fn back(&self, back: &Back, why: &str) -> Result<(), Failure> {
        match back {
            Back::Done(what) => self.line("change", what, why),
            Back::Left(what) => self.line("left", what, why),
        }
    }

    /// One line: `keep`, `change` or `left`, what, and why.
    pub fn line(&self, action: &str, what: &str, why: &str) -> Result<(), Failure> {
        if self.json {
            let line = Line {
                action,
                what,
                why,
                done: !self.dry_run && action == "change",
            };
            let text = serde_json::to_string(&line)
                .map_err(|error| Failure::new(Exit::CannotCreate, error.to_string()))?;
            return print(&format!("{text}\n"));
        }
        let done = match (action, self.dry_run) {
            ("change", true) => "would do",
            ("change", false) => "done",
            (other, _) => other,
        };
        let why = if why.is_empty() {
            String::new()
        } else {
            format!(": {why}")
        };
        print(&format!("{done:<9} {what}{why}\n"))
    }

    /// Words for people only.
    pub fn words(&self, text: &str) -> Result<(), Failure> {
        if self.json { Ok(()) } else { print(text) }
    }

    /// The last words; `known` are credentials that the agent could read until now.
    pub fn end(&self, changes: usize, wish: &Wish, known: &[PathBuf]) -> Result<i32, Failure> {
        let changed = match (changes, self.dry_run) {
            (0, _) => "nothing to change: everything is as it should be".to_owned(),
            (count, true) => format!("{count} would be changed; nothing was"),
            (count, false) => format!("{count} changed"),
        };
        let start = if wish.has_systemd {
            "systemctl daemon-reload && systemctl enable --now reeved".to_owned()
        } else {
            format!(
                "{} && setpriv --reuid {user} --regid {user} --clear-groups --no-new-privs {} &",
                orders::socket_directory(),
                orders::sidecar_words(),
                user = layout::SIDECAR
            )
        };
        for path in known {
            self.words(&format!(
                "{} could be read by the agent until now: have what is in it issued anew, and end the agent's processes\n",
                path.display()
            ))?;
        }
        let runs = std::os::unix::net::UnixStream::connect(layout::SOCKET).is_ok();
        if runs && changes > 0 && !self.dry_run {
            self.words("the sidecar still runs with what was before: restart it\n")?;
        }
        self.words(&format!(
            "{changed}\n\n\
             The sidecar must run, or nothing runs for the agent:\n  {start}\n\
             In the agent's environment, where no login shell sets it:\n  PATH={shims}:$PATH\n\
             Then look, as the agent's user:\n  setpriv --reuid {agent} --regid {gid} --init-groups {shims}/reeve doctor\n",
            shims = crate::configuration::INSTALLED_SHIMS,
            agent = wish.agent.name,
            gid = wish.agent.gid
        ))?;
        Ok(Exit::Ok.code())
    }
}
