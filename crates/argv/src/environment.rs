//! Which environment variables change what a governed tool does, and what becomes of them.
//!
//! One table for all tools: aws writes where KUBECONFIG says, kubectl runs aws for its credentials, and gh runs git. So a
//! variable that changes one of them is the operator's for all of them. The level makes no difference: there is none at which the
//! agent may say where a tool finds its credentials. What is in no row and no family passes as it is (the agent's own).
//!
//! Sources: the tools' documentation (`gh help environment`, the AWS CLI's and libpq's lists of variables, kubectl's), the names in
//! the tools' own files, ld.so(8), environ(7), the Python and Go manuals, and what the tools were seen to do: the acceptance
//! tests try every row on the real tool. `docs/environment.md` is this table for people.

mod table;

use crate::Tool;
use std::fmt::Write;
pub use table::{FAMILIES, VARIABLES};

/// A variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// Its name, exactly.
    pub name: &'static str,
    /// Whom it changes.
    pub affects: &'static [Affects],
    /// What it says, in a few words.
    pub does: &'static str,
    /// What becomes of it.
    pub treatment: Treatment,
}

/// All variables whose names begin alike. They are pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// How the names begin.
    pub prefix: &'static str,
    /// Whom they change.
    pub affects: &'static [Affects],
    /// What they say, in a few words.
    pub does: &'static str,
}

/// Whom a variable changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Affects {
    /// kubectl.
    Kubectl,
    /// aws.
    Aws,
    /// gh, and git with it.
    Gh,
    /// psql.
    Psql,
    /// Tools that are described: helm, terraform.
    Described,
}

/// What becomes of a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// The tool gets the operator's value, or none.
    Pinned,
    /// No tool gets it, not even the operator's: it only runs code.
    Removed,
    /// The tool gets what the agent gives.
    Passes,
}

impl Treatment {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Treatment::Pinned => "pinned",
            Treatment::Removed => "removed",
            Treatment::Passes => "passes",
        }
    }
}

impl Affects {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Affects::Kubectl => "kubectl",
            Affects::Aws => "aws",
            Affects::Gh => "gh",
            Affects::Psql => "psql",
            Affects::Described => "others",
        }
    }
}

const fn pinned(name: &'static str, affects: &'static [Affects], does: &'static str) -> Variable {
    Variable {
        name,
        affects,
        does,
        treatment: Treatment::Pinned,
    }
}

const fn removed(name: &'static str, affects: &'static [Affects], does: &'static str) -> Variable {
    Variable {
        treatment: Treatment::Removed,
        ..pinned(name, affects, does)
    }
}

const fn passes(name: &'static str, affects: &'static [Affects], does: &'static str) -> Variable {
    Variable {
        treatment: Treatment::Passes,
        ..pinned(name, affects, does)
    }
}

/// Set for every call of the tool. kubectl's user preferences may give any command other flags; Python runs what it finds below HOME
/// before it runs aws.
pub fn forced(tool: Tool) -> &'static [(&'static str, &'static str)] {
    match tool {
        Tool::Kubectl => &[("KUBECTL_KUBERC", "false"), ("KUBERC", "off")],
        Tool::Aws => &[("PYTHONNOUSERSITE", "1")],
        Tool::Gh | Tool::Described(_) => &[],
        // No history on disk; and the bytes of a command are read as the characters that were judged.
        Tool::Psql => &[("PSQL_HISTORY", "/dev/null"), ("PGCLIENTENCODING", "UTF8")],
    }
}

/// What becomes of `name` when `tool` is called: what only runs code is removed whoever set it, and for psql the programs and files
/// that only ever serve a person.
pub fn treatment(tool: Tool, name: &str) -> Treatment {
    let only_for_people = tool == Tool::Psql
        && matches!(
            name,
            "EDITOR"
                | "PAGER"
                | "POSIXLY_CORRECT"
                | "PSQLRC"
                | "PSQL_EDITOR"
                | "PSQL_PAGER"
                | "PSQL_WATCH_PAGER"
                | "VISUAL"
        );
    if only_for_people {
        return Treatment::Removed;
    }
    for_all(name)
}

/// What becomes of `name` whatever the tool.
fn for_all(name: &str) -> Treatment {
    match row(name) {
        Some(row) => row.treatment,
        None if is_proxy(name) || is_of_a_family(name) => Treatment::Pinned,
        None => Treatment::Passes,
    }
}

/// Holds a credential: never written down, only compared.
const SECRET: &[&str] = &[
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECURITY_TOKEN",
    "AWS_SESSION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "GH_ENTERPRISE_TOKEN",
    "GH_TOKEN",
    "GITHUB_ENTERPRISE_TOKEN",
    "GITHUB_TOKEN",
    "PGPASSWORD",
];

/// Whether `name` changes what a governed tool does, so that the agent's value does not count.
pub fn is_pinned(name: &str) -> bool {
    for_all(name) != Treatment::Passes
}

// Every variable of every call comes by these two, and most are in no row and of no family. To find that out by the names themselves would
// be to load most of the table, a line of the processor's cache for each name.

fn is_of_a_family(name: &str) -> bool {
    /// A bit for each byte with which a family begins.
    const FIRSTS: u128 = {
        let mut firsts = 0;
        let mut families = FAMILIES;
        while let Some((family, rest)) = families.split_first() {
            if let Some(first) = family.prefix.as_bytes().first() {
                firsts |= 1 << *first; // ASCII, or this would not compile
            }
            families = rest;
        }
        firsts
    };
    let first = name.as_bytes().first();
    if !first.is_some_and(|first| first.is_ascii() && FIRSTS >> first & 1 == 1) {
        return false;
    }
    let from = FAMILIES.partition_point(|family| family.prefix.as_bytes().first() < first);
    let mut alike = FAMILIES
        .iter()
        .skip(from)
        .take_while(|family| family.prefix.as_bytes().first() == first);
    alike.any(|family| name.starts_with(family.prefix))
}

fn row(name: &str) -> Option<&'static Variable> {
    static ROWS: Index<{ VARIABLES.len() }> = Index::new(VARIABLES);
    ROWS.alike(hash(name.as_bytes()))
        .filter_map(|place| VARIABLES.get(usize::from(place)))
        .find(|row| row.name == name)
}

/// The rows by their names' hashes.
struct Index<const COUNT: usize> {
    /// Sorted.
    hashes: [u32; COUNT],
    /// Which row has the hash that stands in the same place.
    places: [u16; COUNT],
}

impl<const COUNT: usize> Index<COUNT> {
    #[expect(
        clippy::indexing_slicing,
        reason = "the compiler runs it, and stops at an index that is too large"
    )]
    const fn new(rows: &[Variable]) -> Index<COUNT> {
        let mut hashes = [0; COUNT];
        let mut places = [0; COUNT];
        let mut row = 0;
        while row < COUNT {
            let new = hash(rows[row].name.as_bytes());
            let mut at = row;
            while at > 0 && hashes[at - 1] > new {
                hashes[at] = hashes[at - 1];
                places[at] = places[at - 1];
                at -= 1;
            }
            hashes[at] = new;
            places[at] = row as u16;
            row += 1;
        }
        Index { hashes, places }
    }

    /// The rows of which the names have this hash.
    fn alike(&self, hash: u32) -> impl Iterator<Item = u16> {
        let from = self.hashes.partition_point(|other| *other < hash);
        let alike = self.hashes.iter().zip(&self.places).skip(from);
        alike
            .take_while(move |(other, _)| **other == hash)
            .map(|(_, place)| *place)
    }
}

/// FNV-1a.
const fn hash(mut bytes: &[u8]) -> u32 {
    let mut hash = 0x811c_9dc5_u32;
    while let Some((byte, rest)) = bytes.split_first() {
        hash = (hash ^ *byte as u32).wrapping_mul(0x0100_0193);
        bytes = rest;
    }
    hash
}

/// Python takes a proxy from a variable in any mixture of cases.
fn is_proxy(name: &str) -> bool {
    let end = name.len().saturating_sub("_proxy".len());
    name.get(end..)
        .is_some_and(|end| end.eq_ignore_ascii_case("_proxy"))
}

/// Whether `name` says where a command of `tool` goes. HOME is not among these, for on a host it is always another than the caller's.
pub fn says_where(tool: Tool, name: &str) -> bool {
    let kubectls = [
        "KUBECONFIG",
        "KUBERNETES_MASTER",
        "KUBERNETES_SERVICE_HOST",
        "KUBERNETES_SERVICE_PORT",
    ]
    .contains(&name);
    // For aws, the credentials are the account.
    let awss = [
        "AWS_ACCESS_KEY_ID",
        "AWS_CONFIG_FILE",
        "AWS_DEFAULT_PROFILE",
        "AWS_DEFAULT_REGION",
        "AWS_PROFILE",
        "AWS_REGION",
        "AWS_ROLE_ARN",
        "AWS_SHARED_CREDENTIALS_FILE",
    ]
    .contains(&name)
        || name.starts_with("AWS_ENDPOINT_URL");
    match tool {
        Tool::Kubectl => kubectls,
        Tool::Aws => awss,
        Tool::Gh => ["GH_CONFIG_DIR", "GH_HOST", "GH_REPO", "GIT_DIR"].contains(&name),
        Tool::Psql => [
            "PGCLUSTER",
            "PGDATABASE",
            "PGHOST",
            "PGHOSTADDR",
            "PGOPTIONS",
            "PGPORT",
            "PGSERVICE",
            "PGSERVICEFILE",
            "PGTARGETSESSIONATTRS",
            "PGUSER",
            "PG_CLUSTER_CONF_ROOT",
        ]
        .contains(&name),
        Tool::Described(_) => {
            kubectls
                || awss
                || ["HELM_NAMESPACE", "TF_DATA_DIR", "TF_WORKSPACE"].contains(&name)
                || name.starts_with("HELM_KUBE")
                || name.starts_with("TF_VAR_")
        }
    }
}

/// Whether the value of `name` is a credential.
pub fn is_secret(name: &str) -> bool {
    SECRET.contains(&name)
        || ["_TOKEN", "_SECRET", "_PASSWORD", "_PRIVATE_KEY"]
            .iter()
            .any(|suffix| name.ends_with(suffix))
}

/// The table as `docs/environment.md` has it.
pub fn document() -> String {
    let whom = |affects: &[Affects]| {
        if affects.len() == 5 {
            return "all".to_owned();
        }
        affects
            .iter()
            .map(|one| one.name())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut text = String::from("| variable | changes | what | |\n|---|---|---|---|\n");
    let mut add = |name: &str, affects: &[Affects], does: &str, treatment: Treatment| {
        let line = format!("| `{name}` | {} | {does} | {} |", whom(affects), treatment.name());
        // Writing to a text cannot fail.
        writeln!(text, "{line}").is_ok()
    };
    for row in VARIABLES {
        add(row.name, row.affects, row.does, row.treatment);
    }
    for family in FAMILIES {
        add(
            &format!("{}*", family.prefix),
            family.affects,
            family.does,
            Treatment::Pinned,
        );
    }
    add(
        "*_proxy",
        &[Affects::Aws],
        "proxies, in any mixture of cases",
        Treatment::Pinned,
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_has_each_name_once() {
        assert!(VARIABLES.is_sorted_by(|one, other| one.name < other.name));
        assert!(FAMILIES.is_sorted_by(|one, other| one.prefix < other.prefix));
    }

    #[test]
    fn every_row_is_treated_as_it_says() {
        for row in VARIABLES {
            assert_eq!(
                is_pinned(row.name),
                row.treatment != Treatment::Passes,
                "{}",
                row.name
            );
            assert_eq!(treatment(Tool::Kubectl, row.name), row.treatment, "{}", row.name);
        }
        for family in FAMILIES {
            assert!(
                is_pinned(&format!("{}NOBODY_KNOWS", family.prefix)),
                "{}",
                family.prefix
            );
        }
    }

    /// A name of which the hash alone is a row's is none.
    #[test]
    fn what_is_in_no_row_is_found_in_none() {
        let rows: std::collections::BTreeSet<&str> = VARIABLES.iter().map(|row| row.name).collect();
        let near = rows.iter().flat_map(|name| {
            let shorter = name.get(..name.len() - 1).unwrap_or_default();
            [
                format!("{name}_"),
                format!("X{name}"),
                name.to_lowercase(),
                shorter.to_owned(),
            ]
        });
        for name in near.filter(|name| !rows.contains(name.as_str())) {
            assert_eq!(row(&name), None, "{name}");
        }
        let alike = |hash| {
            Index::<3> {
                hashes: [1, 7, 7],
                places: [5, 6, 4],
            }
            .alike(hash)
            .collect::<Vec<_>>()
        };
        assert_eq!(
            [alike(0), alike(1), alike(7), alike(8)],
            [vec![], vec![5], vec![6, 4], vec![]]
        );
    }

    #[test]
    fn what_redirects_or_runs_code_is_pinned_in_every_spelling_that_counts() {
        for name in [
            "AWS_ENDPOINT_URL_S3",
            "BASH_FUNC_ls%%",
            "GIT_CONFIG_KEY_0",
            "HTTPS_PROXY",
            "https_proxy",
            "Https_Proxy",
            "KUBECTL_SOMETHING_NEW",
            "TERRAFORM_CONFIG",
        ] {
            assert!(is_pinned(name), "{name}");
        }
    }

    #[test]
    fn what_only_changes_the_look_passes() {
        for name in [
            "LANG",
            "TERM",
            "COLUMNS",
            "NO_COLOR",
            "LC_ALL",
            "TZ",
            "AGENT_API_KEY",
            "proxy",
        ] {
            assert!(!is_pinned(name), "{name}");
        }
    }

    #[test]
    fn what_says_where_a_command_goes_is_pinned() {
        let names = VARIABLES.iter().map(|row| row.name);
        let helm = Tool::of_name("helm").unwrap();
        for tool in [Tool::Kubectl, Tool::Aws, Tool::Gh, Tool::Psql, helm] {
            assert!(names.clone().any(|name| says_where(tool, name)), "{tool}");
            for name in names.clone().filter(|name| says_where(tool, name)) {
                assert_eq!(treatment(tool, name), Treatment::Pinned, "{name}");
            }
        }
        assert!(says_where(Tool::Aws, "AWS_ENDPOINT_URL_S3") && !says_where(Tool::Gh, "AWS_PROFILE"));
        for name in ["HELM_KUBECONTEXT", "HELM_NAMESPACE", "TF_VAR_a", "TF_WORKSPACE"] {
            assert!(says_where(helm, name) && is_pinned(name), "{name}");
        }
    }

    /// What has the programs that psql would start is not for psql.
    #[test]
    fn psql_gets_no_programs_for_people() {
        assert_eq!(treatment(Tool::Psql, "PAGER"), Treatment::Removed);
        assert_ne!(treatment(Tool::Gh, "PAGER"), Treatment::Removed);
    }

    /// The table for people is this one. With `REEVE_WRITE_DOCS` set, it is written.
    #[test]
    fn the_document_has_every_row() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/environment.md");
        let text = std::fs::read_to_string(path).unwrap();
        let (before, rest) = text.split_once("<!-- table -->\n").unwrap();
        let (_, after) = rest.split_once("<!-- end of table -->").unwrap();
        let expected = format!(
            "{before}<!-- table -->\n{}<!-- end of table -->{after}",
            document()
        );
        if std::env::var_os("REEVE_WRITE_DOCS").is_some() {
            std::fs::write(path, &expected).unwrap();
        }
        assert!(
            text == expected || std::env::var_os("REEVE_WRITE_DOCS").is_some(),
            "docs/environment.md is out of date: run this test with REEVE_WRITE_DOCS=1"
        );
    }
}
