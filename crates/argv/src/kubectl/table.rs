//! The tables generated from kubectl itself: which commands there are, and each one's options.
//!
//! The gate starts for every command, so nothing is loaded: the text is part of the program, one
//! command's rows are found by binary search, and only they are looked at. The format is said in
//! the tables' own first lines; `scripts/kubectl_tables.py` writes them.

use std::sync::LazyLock;

const COMMANDS: &str = include_str!("../../data/kubectl_commands.tsv");
const FLAGS: &str = include_str!("../../data/kubectl_flags.tsv");

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

/// Options of every command that cobra itself adds once a command is found.
const HELP: Flag = Flag {
    name: "help",
    short: Some('h'),
    arity: Arity::Boolean,
};

/// The options that one command knows: its own and the global ones.
#[derive(Clone, Copy)]
pub(super) struct FlagSet<'p> {
    path: &'p str,
    /// Its rows in the table.
    own: &'static str,
    help: bool,
}

/// The rows of the options that every command has.
static GLOBAL: LazyLock<&'static str> = LazyLock::new(|| block("*"));

impl<'p> FlagSet<'p> {
    /// The options of the command at `path` (empty: kubectl itself) as cobra knows them while it
    /// looks for the command: without `--help`.
    pub(super) fn searching(path: &'p str) -> Self {
        FlagSet {
            path,
            own: block(path),
            help: false,
        }
    }

    /// The options of the command at `path` when its command line is parsed.
    pub(super) fn parsing(path: &'p str) -> Self {
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
        exact(self.path, &name).or_else(|| exact("*", &name))
    }

    /// The option `-letter`.
    pub(super) fn short(&self, letter: char) -> Option<Flag> {
        // Most rows have no letter, so the letter is looked for, and only its row is read.
        let cell = format!("\t{letter}\t");
        let with_letter = |rows: &'static str| {
            rows.match_indices(&cell).find_map(|(at, _)| {
                let start = rows.get(..at)?.rfind('\n').map_or(0, |newline| newline + 1);
                row(rows.get(start..)?.lines().next()?).filter(|flag| flag.short == Some(letter))
            })
        };
        with_letter(self.own)
            .or_else(|| with_letter(*GLOBAL))
            .or((self.help && HELP.short == Some(letter)).then_some(HELP))
    }

    /// Every option, the command's own first: they hide global ones of the same name.
    pub(super) fn rows(&self) -> impl Iterator<Item = Flag> {
        self.own
            .lines()
            .chain(GLOBAL.lines())
            .filter_map(row)
            .chain(self.help.then_some(HELP))
    }
}

/// The row of one option of exactly this path.
fn exact(path: &str, name: &str) -> Option<Flag> {
    let key = format!("{path}\t{name}\t");
    let line = FLAGS.get(lower_bound(FLAGS, &key)..)?.lines().next()?;
    if path.is_empty() || !line.starts_with(&key) {
        return None;
    }
    row(line)
}

fn row(line: &'static str) -> Option<Flag> {
    let mut cells = line.split('\t').skip(1);
    let name = cells.next()?;
    let short = cells.next()?.chars().next();
    let arity = match cells.next()? {
        "b" => Arity::Boolean,
        "s" => Arity::Single,
        "l" => Arity::List,
        "o" => Arity::Optional,
        _ => Arity::Disputed,
    };
    Some(Flag { name, short, arity })
}

/// The rows whose first cell is `path`. The table is sorted by bytes, so they stand together.
fn block(path: &str) -> &'static str {
    if path.is_empty() {
        return "";
    }
    // A line feed is the byte after a tab.
    let bounds = lower_bound(FLAGS, &format!("{path}\t"))..lower_bound(FLAGS, &format!("{path}\n"));
    FLAGS.get(bounds).unwrap_or("")
}

/// The offset of the first line that is not less than `key`.
fn lower_bound(table: &'static str, key: &str) -> usize {
    let (mut low, mut high) = (0, table.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let before = table.as_bytes().get(..middle).unwrap_or(&[]);
        let start = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |newline| newline + 1);
        let line = table
            .get(start..)
            .and_then(|rest| rest.lines().next())
            .unwrap_or("");
        if line < key {
            low = start + line.len() + 1;
        } else {
            high = start;
        }
    }
    low
}

/// The canonical path of the subcommand that `word` names under `parent`, its aliases included.
pub(super) fn subcommand(parent: &str, word: &str) -> Option<&'static str> {
    if word.contains([' ', '\t', '\n']) {
        return None;
    }
    let key = if parent.is_empty() {
        format!("{word}\t")
    } else {
        format!("{parent} {word}\t")
    };
    let line = COMMANDS
        .get(lower_bound(COMMANDS, &key)..)?
        .lines()
        .next()
        .unwrap_or("");
    if line.starts_with(&key) && !word.is_empty() && !line.starts_with('#') {
        return line.split('\t').next();
    }
    children(parent).find_map(|(path, _, aliases)| {
        aliases
            .split(',')
            .any(|alias| !alias.is_empty() && alias == word)
            .then_some(path)
    })
}

/// The names of the subcommands under `parent`.
pub(super) fn subcommand_names(parent: &str) -> impl Iterator<Item = &'static str> {
    children(parent).map(|(_, name, _)| name)
}

/// (path, last word, aliases) of every command directly under `parent`.
fn children(parent: &str) -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let prefix = if parent.is_empty() {
        String::new()
    } else {
        format!("{parent} ")
    };
    let start = lower_bound(COMMANDS, &prefix);
    let below = prefix.clone();
    COMMANDS
        .get(start..)
        .unwrap_or("")
        .lines()
        .take_while(move |line| line.starts_with(&below))
        .filter(|line| !line.starts_with('#'))
        .filter_map(move |line| {
            let mut cells = line.split('\t');
            let path = cells.next()?;
            let name = path.get(prefix.len()..)?;
            (!name.contains(' ')).then_some((path, name, cells.next()?))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_so_that_binary_search_finds_them_all() {
        let lines: Vec<&str> = FLAGS.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(lines.is_sorted(), "kubectl_flags.tsv is not sorted by bytes");
        for line in lines {
            let path = line.split('\t').next().unwrap();
            let flag = row(line).unwrap();
            assert!(block(path).lines().any(|found| found == line), "{line}");
            assert_eq!(FlagSet::parsing(path).long(flag.name), Some(flag), "{line}");
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
