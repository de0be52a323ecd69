//! gh's commands, aliases and flags, as its own help says. `scripts/gh_tables.py` writes them to `data/`, and `build.rs` makes
//! constants of them: nothing is loaded at start.

/// `(path, aliases, flags)` of every command, sorted by path.
static COMMANDS: &[(&str, &str, &str)] = include!(concat!(env!("OUT_DIR"), "/gh_commands.rs"));

/// How a flag takes its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arity {
    /// The next word, or after `=`.
    Value,
    /// None; `=true` and `=false` are understood.
    Boolean,
    /// Only after `=`.
    Optional,
    /// Versions of gh disagree.
    Disputed,
}

/// A flag of a command.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flag {
    /// The letter, empty when it has none.
    pub short: &'static str,
    /// The name.
    pub long: &'static str,
    /// Its value.
    pub arity: Arity,
}

/// A command of gh.
#[derive(Debug, Clone, Copy)]
pub(super) struct Command {
    /// `pr list`; empty for gh itself.
    pub path: &'static str,
    aliases: &'static str,
    flags: &'static str,
}

impl Command {
    /// gh itself.
    pub(super) fn root() -> Command {
        Command {
            path: "",
            aliases: "",
            flags: ":help:b :version:b",
        }
    }

    /// The command below this one by its name or an alias.
    pub(super) fn child(&self, word: &str) -> Option<Command> {
        if word.is_empty() || word.contains(' ') {
            return None;
        }
        self.children()
            .find(|row| row.name() == word || row.aliases.split(',').any(|alias| alias == word))
    }

    /// Whether there are commands below.
    pub(super) fn has_children(&self) -> bool {
        self.children().next().is_some()
    }

    /// The commands right below.
    fn children(&self) -> impl Iterator<Item = Command> + use<> {
        let parent = self.path;
        let below = move |path: &'static str| match parent {
            "" => Some(path),
            _ => path.strip_prefix(parent)?.strip_prefix(' '),
        };
        let start = COMMANDS.partition_point(|(path, ..)| *path <= parent);
        let family = COMMANDS.get(start..).unwrap_or_default().iter();
        family
            .take_while(move |(path, ..)| path.starts_with(parent))
            .filter(move |(path, ..)| below(path).is_some_and(|name| !name.contains(' ')))
            .map(|(path, aliases, flags)| Command { path, aliases, flags })
    }

    /// Its last word.
    fn name(&self) -> &'static str {
        self.path.rsplit(' ').next().unwrap_or_default()
    }

    /// Its flags, the inherited ones too.
    pub(super) fn flags(&self) -> impl Iterator<Item = Flag> + use<> {
        self.flags.split(' ').filter_map(flag)
    }

    /// A flag by its name.
    pub(super) fn long(&self, name: &str) -> Option<Flag> {
        self.flags().find(|flag| flag.long == name)
    }

    /// A flag by its letter.
    pub(super) fn short(&self, letter: char) -> Option<Flag> {
        let mut buffer = [0; 4];
        let letter: &str = letter.encode_utf8(&mut buffer);
        self.flags().find(|flag| flag.short == letter)
    }

    /// The names of the commands below, for hints.
    pub(super) fn names(&self) -> Vec<&'static str> {
        self.children().map(|row| row.name()).collect()
    }
}

/// Every command that has none below.
#[cfg(test)]
pub(super) fn paths() -> Vec<&'static str> {
    COMMANDS
        .iter()
        .map(|(path, aliases, flags)| Command { path, aliases, flags })
        .filter(|row| !row.has_children())
        .map(|row| row.path)
        .collect()
}

fn flag(text: &'static str) -> Option<Flag> {
    let mut parts = text.split(':');
    let (short, long) = (parts.next()?, parts.next()?);
    let arity = match parts.next()? {
        "v" => Arity::Value,
        "b" => Arity::Boolean,
        "o" => Arity::Optional,
        _ => Arity::Disputed,
    };
    Some(Flag { short, long, arity })
}
