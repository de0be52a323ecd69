//! gh's commands, aliases and flags, as its own help says. Text, searched in place: nothing is loaded at start.

/// One row per command, sorted by path: `path TAB aliases TAB flags`.
const TABLE: &str = include_str!("../../data/gh_commands.tsv");

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
        self.children()
            .find(|row| row.name() == word || row.aliases.split(',').any(|alias| alias == word))
    }

    /// Whether there are commands below.
    pub(super) fn has_children(&self) -> bool {
        self.children().next().is_some()
    }

    /// The commands right below. Lines of other commands are passed over without being taken apart.
    fn children(&self) -> impl Iterator<Item = Command> + use<> {
        let parent = self.path;
        lines().filter_map(move |line| {
            let below = match parent {
                "" => line,
                _ => line.strip_prefix(parent)?.strip_prefix(' ')?,
            };
            let name = below.split('\t').next()?;
            (!name.is_empty() && !name.contains(' '))
                .then(|| command(line))
                .flatten()
        })
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

/// A command by its whole path.
#[cfg(test)]
pub(super) fn paths() -> Vec<&'static str> {
    lines()
        .filter_map(command)
        .filter(|row| !row.has_children())
        .map(|row| row.path)
        .collect()
}

fn lines() -> impl Iterator<Item = &'static str> {
    TABLE.lines().filter(|line| !line.starts_with('#'))
}

fn command(line: &'static str) -> Option<Command> {
    let mut parts = line.split('\t');
    Some(Command {
        path: parts.next()?,
        aliases: parts.next()?,
        flags: parts.next()?,
    })
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
