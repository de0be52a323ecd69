//! One thing that an installation wants to be so. What it takes to get there is found out on the host (`host`).

use super::layout::GROUP;
use std::fmt;
use std::path::{Path, PathBuf};

/// Who a file belongs to, by name: the accounts may not be there yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Belongs {
    /// The user.
    pub user: &'static str,
    /// The group.
    pub group: &'static str,
    /// Permission bits, the special ones included.
    pub mode: u32,
}

/// root's, of some mode.
pub const fn roots(mode: u32) -> Belongs {
    Belongs {
        user: "root",
        group: "root",
        mode,
    }
}

/// root's and of the gate's group, of some mode.
pub const fn gates(mode: u32) -> Belongs {
    Belongs {
        user: "root",
        group: GROUP,
        mode,
    }
}

/// What is to be so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A system group exists.
    Group {
        /// Its name.
        name: &'static str,
    },
    /// A system user exists, with a group of the same name and no login.
    User {
        /// Its name.
        name: &'static str,
        /// Its home, which is not made here.
        home: &'static str,
    },
    /// A directory is there.
    Directory {
        /// Where.
        path: PathBuf,
        /// Whose.
        belongs: Belongs,
    },
    /// A file has this content.
    File {
        /// Where.
        path: PathBuf,
        /// All of it.
        content: Vec<u8>,
        /// Whose.
        belongs: Belongs,
    },
    /// A file is a copy of another.
    Copy {
        /// Where.
        path: PathBuf,
        /// Of what.
        from: PathBuf,
        /// Whose.
        belongs: Belongs,
    },
    /// A symbolic link is there.
    Link {
        /// Where.
        path: PathBuf,
        /// To what, as it is written into the link.
        target: PathBuf,
    },
    /// A file of somebody else's (a package's, the operator's) is open to the gate's group only.
    Access {
        /// Which; no symbolic link.
        path: PathBuf,
        /// Whose.
        belongs: Belongs,
        /// What it is, for people.
        what: String,
    },
}

impl Step {
    /// The file that it is about.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Step::Group { .. } | Step::User { .. } => None,
            Step::Directory { path, .. }
            | Step::File { path, .. }
            | Step::Copy { path, .. }
            | Step::Link { path, .. }
            | Step::Access { path, .. } => Some(path),
        }
    }
}

impl fmt::Display for Belongs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} {:04o}", self.user, self.group, self.mode)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Group { name } => write!(f, "system group {name}"),
            Step::User { name, .. } => write!(f, "system user {name}"),
            Step::Directory { path, belongs } => write!(f, "directory {} ({belongs})", path.display()),
            Step::File { path, belongs, .. } => write!(f, "file {} ({belongs})", path.display()),
            Step::Copy { path, from, belongs } => {
                write!(
                    f,
                    "file {} ({belongs}), a copy of {}",
                    path.display(),
                    from.display()
                )
            }
            Step::Link { path, target } => write!(f, "link {} -> {}", path.display(), target.display()),
            Step::Access { path, belongs, what } => {
                write!(f, "{what} {} for the gate only ({belongs})", path.display())
            }
        }
    }
}
