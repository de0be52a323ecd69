//! The tables generated from kubectl itself: which commands there are, and each one's options. `scripts/kubectl_tables.py`
//! writes them to `data/`, and `build.rs` makes constants of them: the gate starts for every command, so nothing is read then.

/// `(path, aliases)` of every command, sorted by path.
static COMMANDS: &[(&str, &[&str])] = include!(concat!(env!("OUT_DIR"), "/kubectl_commands.rs"));
/// `(path, options)` of every command, sorted by path; `*` are those that every command has.
static FLAGS: &[(&str, &[Flag])] = include!(concat!(env!("OUT_DIR"), "/kubectl_flags.rs"));

/// Whether an option swallows the word behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arity {
    /// `--x`, `--x=false`: never a separate word.
    Boolean,
    /// `--x v`, `--x=v`; the last one counts.
    Single,
    /// `--x v`, `--x=v`; all of them count.
    List,
    /// `--x`, `--x=v`: may stand alone, so never a separate word.
    Optional,
    /// Versions of kubectl disagree: only `--x=v` means the same to all.
    Disputed,
}

/// One option of one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flag {
    pub(super) name: &'static str,
    pub(super) short: Option<char>,
    pub(super) arity: Arity,
}

/// A row of the table, with the type's letter there.
const fn flag(name: &'static str, short: Option<char>, kind: char) -> Flag {
    let arity = match kind {
        'b' => Arity::Boolean,
        's' => Arity::Single,
        'l' => Arity::List,
        'o' => Arity::Optional,
        _ => Arity::Disputed,
    };
    Flag { name, short, arity }
}

/// Options of every command that cobra itself adds once a command is found.
const HELP: Flag = Flag {
    name: "help",
    short: Some('h'),
    arity: Arity::Boolean,
};

/// The options that one command knows: its own and the global ones.
#[derive(Clone, Copy)]
pub(super) struct FlagSet {
    own: &'static [Flag],
    global: &'static [Flag],
    help: bool,
}

impl FlagSet {
    /// The options of the command at `path` (empty: kubectl itself) as cobra knows them while it
    /// looks for the command: without `--help`.
    pub(super) fn searching(path: &str) -> Self {
        FlagSet {
            own: options(path),
            global: options("*"),
            help: false,
        }
    }

    /// The options of the command at `path` when its command line is parsed.
    pub(super) fn parsing(path: &str) -> Self {
        FlagSet {
            help: true,
            ..FlagSet::searching(path)
        }
    }

    /// The option `--name`, with `_` read as `-`: pflag's normalisation as kubectl sets it.
    pub(super) fn long(&self, name: &str) -> Option<Flag> {
        let name = name.replace('_', "-");
        if self.help && name == HELP.name {
            return Some(HELP);
        }
        self.rows().find(|flag| flag.name == name)
    }

    /// The option `-letter`.
    pub(super) fn short(&self, letter: char) -> Option<Flag> {
        self.rows().find(|flag| flag.short == Some(letter))
    }

    /// Every option, the command's own first: they hide global ones of the same name.
    pub(super) fn rows(&self) -> impl Iterator<Item = Flag> {
        let known = self.own.iter().chain(self.global).copied();
        known.chain(self.help.then_some(HELP))
    }
}

/// The options of exactly this path.
fn options(path: &str) -> &'static [Flag] {
    let found = FLAGS.binary_search_by(|(known, _)| (*known).cmp(path));
    found
        .ok()
        .and_then(|index| FLAGS.get(index))
        .map_or(&[], |(_, flags)| flags)
}

/// The canonical path of the subcommand that `word` names under `parent`, its aliases included.
pub(super) fn subcommand(parent: &str, word: &str) -> Option<&'static str> {
    if word.is_empty() || word.contains(' ') {
        return None;
    }
    children(parent)
        .find_map(|(path, name, aliases)| (name == word || aliases.contains(&word)).then_some(path))
}

/// The names of the subcommands under `parent`.
pub(super) fn subcommand_names(parent: &str) -> impl Iterator<Item = &'static str> {
    children(parent).map(|(_, name, _)| name)
}

/// (path, last word, aliases) of every command directly under `parent`.
fn children(parent: &str) -> impl Iterator<Item = (&'static str, &'static str, &'static [&'static str])> {
    let below = move |path: &'static str| match parent {
        "" => Some(path),
        _ => path.strip_prefix(parent)?.strip_prefix(' '),
    };
    let start = COMMANDS.partition_point(|(path, _)| *path < parent);
    let family = COMMANDS.get(start..).unwrap_or_default().iter();
    family
        .take_while(move |(path, _)| path.starts_with(parent))
        .filter_map(move |(path, aliases)| {
            let name = below(path)?;
            (!name.contains(' ')).then_some((*path, name, *aliases))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_constants_are_the_table() {
        let table = include_str!("../../data/kubectl_flags.tsv");
        let rows: Vec<Vec<&str>> = table
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split('\t').collect())
            .collect();
        assert_eq!(
            rows.len(),
            FLAGS.iter().map(|(_, flags)| flags.len()).sum::<usize>()
        );
        for row in rows {
            let found = FlagSet::parsing(row[0]).long(row[1]).unwrap();
            assert_eq!(
                (found.name, found.short),
                (row[1], row[2].chars().next()),
                "{row:?}"
            );
        }
        assert!(FLAGS.is_sorted_by(|one, other| one.0 < other.0));
        assert!(COMMANDS.is_sorted_by(|one, other| one.0 < other.0));
        for (path, _) in COMMANDS {
            let (parent, word) = path.rsplit_once(' ').unwrap_or(("", path));
            assert_eq!(subcommand(parent, word), Some(*path));
        }
    }

    #[test]
    fn aliases_lead_to_the_canonical_path() {
        assert_eq!(subcommand("create", "deploy"), Some("create deployment"));
        assert_eq!(subcommand("config", "use"), Some("config use-context"));
        assert_eq!(subcommand("", "GET"), None);
        assert_eq!(subcommand("create", ""), None);
    }

    #[test]
    fn underscores_are_dashes() {
        let flags = FlagSet::parsing("get");
        assert_eq!(flags.long("as_group").map(|flag| flag.name), Some("as-group"));
        assert_eq!(
            flags.long("all_namespaces").map(|flag| flag.arity),
            Some(Arity::Boolean)
        );
        assert_eq!(flags.long("name"), None);
    }
}
