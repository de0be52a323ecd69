//! Kustomizations: where a line names one, and which files one is made of.
//!
//! kustomize fetches whatever looks like a URL, in any place where it wants a file, and clones whatever looks like a git
//! repository, even where a directory of that name is there. So only plain local paths are taken for parts, and only keys that
//! are known: Go matches keys in any case, and a newer kustomize may have others. What is left out here is missing when the
//! kustomization is built from the parts that were found, and then the build fails.

use super::manifest::{Tree, plain_text};
use super::{flags, place_of, table, tree};
use crate::Unreadable;

/// The names under which kustomize looks for a directory's kustomization.
pub const KUSTOMIZATION_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// A kustomization on a command line that can be built before the command runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedKustomization {
    /// Its directory, as typed; `.` where the line leaves it out.
    pub directory: String,
    /// Where it stands.
    pub place: KustomizationPlace,
}

/// Where a kustomization stands. Words count from 0, without the tool's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KustomizationPlace {
    /// `-k DIRECTORY`: a file with the objects can stand in its place with `-f`, for that is all that kubectl makes of it.
    Objects {
        /// The word of the option, where it stands alone, and what it becomes.
        option: Option<(usize, &'static str)>,
        /// The word of the value, and what stands before the path when it is replaced.
        value: (usize, &'static str),
    },
    /// `kustomize DIRECTORY`: another directory can stand in this word's place, or behind all words.
    Directory(Option<usize>),
}

/// Options of `kubectl kustomize` that leave what is read and run as it is.
const HARMLESS: [&str; 5] = [
    "output",
    "reorder",
    "enable-managedby-label",
    "namespace",
    "context",
];

/// The kustomization that `words`, the words after `kubectl`, name. `None` where there is none, and where something else with it,
/// or the spelling, would have it mean something else than its objects: then it stays what it is, a hazard.
///
/// # Errors
/// [`Unreadable`] when a word is not understood.
pub fn kustomization(words: &[String]) -> Result<Option<NamedKustomization>, Unreadable> {
    let found = tree::find(words)?;
    if found.path == "__complete" {
        return Ok(None);
    }
    let line = flags::parse(&found.words, &table::FlagSet::parsing(found.path))?;
    if line.on("help") {
        return Ok(None);
    }
    if found.path == "kustomize" {
        if line.arguments.len() > 1 || !line.names().all(|name| HARMLESS.contains(&name)) {
            return Ok(None);
        }
        let argument = line.arguments.first();
        return Ok(Some(NamedKustomization {
            directory: argument.map_or(".", |word| word.text).to_owned(),
            place: KustomizationPlace::Directory(argument.map(|word| word.position)),
        }));
    }
    // kubectl refuses `-k` with `-f` or `-R`, which `-f` in its place would not be.
    let alone = !line.has("filename") && !line.has("recursive") && !line.has("raw");
    let (Some(directory), Some(option), true) = (line.value("kustomize"), line.word("kustomize"), alone)
    else {
        return Ok(None);
    };
    if line.names().filter(|name| *name == "kustomize").count() != 1 {
        return Ok(None);
    }
    let Some((index, start)) = place_of(directory, words) else {
        return Ok(None);
    };
    let before = words.get(index).and_then(|word| word.get(..start));
    let place = match (option.text, before) {
        ("-k", Some("")) => ((option.position, "-f"), ""),
        ("--kustomize", Some("")) => ((option.position, "--filename"), ""),
        (_, Some("-k" | "-k=")) if index == option.position => ((index, ""), "-f="),
        (_, Some("--kustomize=")) if index == option.position => ((index, ""), "--filename="),
        _ => return Ok(None),
    };
    let (option, before) = place;
    Ok(Some(NamedKustomization {
        directory: directory.to_owned(),
        place: KustomizationPlace::Objects {
            option: Some(option).filter(|(_, text)| !text.is_empty()),
            value: (index, before),
        },
    }))
}

/// What a kustomization reads, as paths relative to its directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kustomization {
    /// Manifests, or directories with kustomizations of their own.
    pub parts: Vec<String>,
    /// Patches, schemas and settings.
    pub settings: Vec<String>,
    /// Files whose content generators put into objects, whatever it is.
    pub data: Vec<String>,
}

impl Kustomization {
    /// Reads a kustomization's own file.
    ///
    /// # Errors
    /// [`Unreadable`] for whatever fetches or runs something, and where it is not certain that kustomize reads it the same way.
    pub fn read(content: &[u8]) -> Result<Kustomization, Unreadable> {
        let mut found = Kustomization::default();
        let Some(tree) = Tree::of_one_document(plain_text(content)?)? else {
            return Ok(found);
        };
        let Tree::Map(entries) = &tree else {
            return Err(unclear("is not a mapping"));
        };
        for (key, value) in entries {
            found.take(key, value)?;
        }
        Ok(found)
    }

    fn take(&mut self, key: &str, value: &Tree) -> Result<(), Unreadable> {
        match key {
            "resources" | "bases" | "components" => add(&mut self.parts, key, paths(key, value)?),
            "crds" | "configurations" => add(&mut self.settings, key, paths(key, value)?),
            "patchesStrategicMerge" => {
                // A patch may stand here itself.
                let named = paths(key, value)?.into_iter();
                add(
                    &mut self.settings,
                    key,
                    named
                        .filter(|text| !text.contains('\n') && !text.trim_start().starts_with('{'))
                        .collect(),
                )
            }
            "patches" => self.take_patches(key, value),
            "patchesJson6902" => self.take_each(key, value, &["path", "patch", "target"]),
            "replacements" => self.take_each(key, value, &["path", "source", "targets"]),
            "openapi" => self.take_entry(key, value, &["path"]),
            "configMapGenerator" | "secretGenerator" => value
                .items()
                .iter()
                .try_for_each(|item| self.take_generator(key, item)),
            // These only say how objects are changed.
            "apiVersion" | "kind" | "metadata" | "namePrefix" | "nameSuffix" | "namespace"
            | "commonLabels" | "labels" | "commonAnnotations" | "images" | "imageTags" | "replicas"
            | "vars" | "sortOptions" | "generatorOptions" | "buildMetadata" => Ok(()),
            "generators" | "transformers" | "validators" => {
                Err(unclear(&format!("has `{key}`, which may run programs")))
            }
            "helmCharts" | "helmGlobals" | "helmChartInflationGenerator" => Err(unclear(&format!(
                "has `{key}`, which runs helm and fetches charts"
            ))),
            other => Err(unclear(&format!(
                "has the key `{other}`, which is not known here"
            ))),
        }
    }

    /// Older versions have a list of paths here, newer ones a list of mappings.
    fn take_patches(&mut self, key: &str, value: &Tree) -> Result<(), Unreadable> {
        match value.items().first() {
            Some(Tree::Text(_)) => add(&mut self.settings, key, paths(key, value)?),
            _ => self.take_each(key, value, &["path", "patch", "target", "options"]),
        }
    }

    fn take_each(&mut self, key: &str, value: &Tree, known: &[&str]) -> Result<(), Unreadable> {
        match value {
            Tree::List(items) => items
                .iter()
                .try_for_each(|item| self.take_entry(key, item, known)),
            Tree::Null => Ok(()),
            _ => Err(unclear(&format!("has `{key}` that is not a list"))),
        }
    }

    fn take_entry(&mut self, key: &str, entry: &Tree, known: &[&str]) -> Result<(), Unreadable> {
        check_keys(key, entry, known)?;
        add(&mut self.settings, key, Vec::from_iter(entry.text("path")?))
    }

    fn take_generator(&mut self, key: &str, entry: &Tree) -> Result<(), Unreadable> {
        check_keys(
            key,
            entry,
            &[
                "name",
                "namespace",
                "behavior",
                "type",
                "literals",
                "files",
                "env",
                "envs",
                "options",
            ],
        )?;
        let list = |name: &str| entry.get(name).map_or(Ok(Vec::new()), |value| paths(name, value));
        let mut data: Vec<String> = Vec::from_iter(entry.text("env")?);
        data.extend(list("envs")?);
        for file in list("files")? {
            // `KEY=PATH`
            let path = file.split_once('=').map_or(file.as_str(), |(_, path)| path);
            data.push(path.to_owned());
        }
        add(&mut self.data, key, data)
    }
}

fn unclear(problem: &str) -> Unreadable {
    Unreadable::missing(&format!("the kustomization {problem}"))
}

fn check_keys(key: &str, entry: &Tree, known: &[&str]) -> Result<(), Unreadable> {
    match entry {
        Tree::Map(entries) => match entries.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => Err(unclear(&format!(
                "has `{name}` in `{key}`, which is not known here"
            ))),
            None => Ok(()),
        },
        Tree::Null => Ok(()),
        _ => Err(unclear(&format!(
            "has something in `{key}` that is not a mapping"
        ))),
    }
}

/// A list of texts; nothing for null.
fn paths(key: &str, value: &Tree) -> Result<Vec<String>, Unreadable> {
    let wrong = || unclear(&format!("has `{key}` that is not a list of paths; quote each"));
    match value {
        Tree::Null => Ok(Vec::new()),
        Tree::List(items) => items
            .iter()
            .map(|item| match item {
                Tree::Text(text) => Ok(text.clone()),
                // No parser takes this for a number.
                Tree::Other(text) if text == ".." => Ok(text.clone()),
                _ => Err(wrong()),
            })
            .collect(),
        _ => Err(wrong()),
    }
}

fn add(to: &mut Vec<String>, key: &str, paths: Vec<String>) -> Result<(), Unreadable> {
    for path in &paths {
        if !is_local(path) {
            return Err(unclear(&format!(
                "names `{path}` in `{key}`, which is not a plain local path, so it may be fetched"
            )));
        }
    }
    to.extend(paths);
    Ok(())
}

/// Whether no version of kustomize takes this for a URL or a repository.
fn is_local(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let odd = |c: char| c.is_control() || matches!(c, ':' | '?' | '@' | '\\' | '*' | '=');
    !path.is_empty()
        && !path.starts_with(['/', '-', '~'])
        && !path.contains(odd)
        && !path.contains("//")
        && ![".git", "_git", "github.com"]
            .iter()
            .any(|part| lower.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(line: &str) -> Option<NamedKustomization> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        kustomization(&words).unwrap()
    }

    fn replaced(line: &str) -> Option<String> {
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        match named(line)?.place {
            KustomizationPlace::Objects { option, value } => {
                if let Some((index, text)) = option {
                    words[index] = text.to_owned();
                }
                words[value.0] = format!("{}X", value.1);
            }
            KustomizationPlace::Directory(Some(index)) => words[index] = "X".to_owned(),
            KustomizationPlace::Directory(None) => words.push("X".to_owned()),
        }
        Some(words.join(" "))
    }

    #[test]
    fn the_place_of_a_kustomization_is_found_in_every_spelling() {
        for (typed, becomes) in [
            ("apply -k d", "apply -f X"),
            ("-k d apply", "-f X apply"),
            ("apply -kd -n x", "apply -f=X -n x"),
            ("apply -k=d", "apply -f=X"),
            ("apply --kustomize d", "apply --filename X"),
            ("diff --kustomize=d", "diff --filename=X"),
            ("get -k d -o name", "get -f X -o name"),
            ("kustomize d", "kustomize X"),
            ("kustomize", "kustomize X"),
            ("kustomize d -o out.yaml", "kustomize X -o out.yaml"),
        ] {
            assert_eq!(replaced(typed).as_deref(), Some(becomes), "{typed}");
        }
        assert_eq!(named("kustomize").unwrap().directory, ".");
        assert_eq!(named("apply -k ../d").unwrap().directory, "../d");
    }

    #[test]
    fn what_would_mean_something_else_is_left_alone() {
        for line in [
            "apply -f x.yaml",
            "apply -k d -f x.yaml",
            "apply -R -k d",
            "apply -Rk d",
            "apply -k d -k e",
            "apply -k d --help",
            "kustomize d --enable-helm",
            "kustomize d --load-restrictor=LoadRestrictionsNone",
            "kustomize d --enable-alpha-plugins",
            "get pods",
        ] {
            assert_eq!(replaced(line), None, "{line}");
        }
    }

    #[test]
    fn everything_that_a_kustomization_reads_is_found() {
        let text = "resources: [../base, pod.yaml]\nbases:\n- b\ncomponents: [c]\nnamespace: dev\npatches:\n- path: p.yaml\n- patch: |-\n    - op: remove\n  target: {kind: Pod}\npatchesStrategicMerge:\n- s.yaml\n- |-\n  kind: Pod\n  spec: {}\nconfigMapGenerator:\n- name: m\n  files: [a.txt, k=d/b.txt]\n  envs: [e.env]\nsecretGenerator:\n- name: s\n  env: s.env\ncrds: [crd.json]\nconfigurations: [conf.yaml]\nopenapi: {path: schema.json}\nreplacements:\n- path: r.yaml\n";
        let found = Kustomization::read(text.as_bytes()).unwrap();
        assert_eq!(found.parts, ["../base", "pod.yaml", "b", "c"]);
        assert_eq!(
            found.settings,
            [
                "p.yaml",
                "s.yaml",
                "crd.json",
                "conf.yaml",
                "schema.json",
                "r.yaml"
            ]
        );
        assert_eq!(found.data, ["e.env", "a.txt", "d/b.txt", "s.env"]);
    }

    #[test]
    fn what_fetches_or_runs_is_refused() {
        for (text, why) in [
            (
                "resources: ['https://example.com/x.yaml']",
                "not a plain local path",
            ),
            ("resources: ['github.com/o/r']", "not a plain local path"),
            ("resources: ['git@host:o/r']", "not a plain local path"),
            ("bases: ['gh:o/r']", "not a plain local path"),
            ("resources: [o/r.git/x]", "not a plain local path"),
            ("resources: [/etc]", "not a plain local path"),
            (
                "patches: [{path: 'http://127.0.0.1/x'}]",
                "not a plain local path",
            ),
            (
                "configMapGenerator: [{name: a, files: ['k=http://127.0.0.1/x']}]",
                "not a plain local path",
            ),
            ("generators: [x.yaml]", "may run programs"),
            ("transformers: [x.yaml]", "may run programs"),
            ("validators: [x.yaml]", "may run programs"),
            ("helmCharts: [{name: x}]", "runs helm"),
            ("Resources: [x.yaml]", "not known here"),
            ("configMapGenerator: [{name: a, Files: [x]}]", "not known here"),
            (
                "secretGenerator: [{name: a, commands: {x: date}}]",
                "not known here",
            ),
            ("resources: x.yaml", "not a list"),
            ("resources: [a]\nresources: [b]", "Duplicate key"),
            ("a: &x b\nresources: [*x]", "not plain YAML"),
            ("resources: [a]\n---\nresources: [b]", "several documents"),
        ] {
            let problem = Kustomization::read(text.as_bytes()).unwrap_err().problem;
            assert!(problem.contains(why), "{text}: {problem}");
        }
    }
}
