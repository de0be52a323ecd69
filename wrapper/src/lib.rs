//! `reeve`: the gate when called by a tool's name, the operator's command line by its own.
//!
//! A library only so that its tests link; `main.rs` is the program.

#![deny(unsafe_code)]

mod allocator;
mod configuration;
mod copy;
mod digest;
mod exit;
mod gate;
mod governance;
mod hand_over;
mod inputs;
mod kustomize;
#[cfg(target_arch = "x86_64")]
pub mod memory;
mod operator;
mod places;
mod privilege;
mod shell;
mod supervise;
mod sys;
mod tool_files;
mod tool_path;
mod understand;
mod ungroup;
mod version;

pub use allocator::{Allocator, Space};
pub use sys::{ROOM, arguments, make_room};

use std::ffi::OsString;
use std::path::Path;

/// Runs the program with the words as the kernel gave them; returns the exit status.
pub fn start(args: Vec<OsString>) -> i32 {
    if ungroup::is_asked_for() {
        return ungroup::run(args);
    }
    let called_as = args
        .first()
        .map(Path::new)
        .and_then(Path::file_name)
        .and_then(|name| name.to_str());
    match called_as.and_then(tool_called) {
        Some(tool) => gate::run(tool, args),
        None => operator::run(args),
    }
}

/// The tool that this program stands for under a name: any but its own. Whether a rule speaks about it, the gate finds out.
fn tool_called(name: &str) -> Option<argv::Tool> {
    if name.starts_with("reeve") {
        return None;
    }
    argv::Tool::of_name(name)
}
