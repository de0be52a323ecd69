//! The files a command reads whose content decides: read once, digested, judged, and handed to the tool as those very bytes.
//!
//! Each file's bytes go into a sealed memory file that the tool inherits, and the path on its command line becomes
//! `/proc/self/fd/N`. So whatever happens to the file after it was read, the tool reads what was judged.

mod files;
mod scripts;

use self::files::{expand, has_piped_input, open_text, read, regular, seal};
use crate::copy::Copy;
use crate::digest;
use crate::kustomize::Built;
use crate::places;
use argv::described::Description;
use argv::kubectl::{KustomizationPlace, Manifest, ManifestValue, NamedKustomization, manifest_files};
use argv::{Effect, Invocation, Tool, Unreadable, words};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The most bytes that are read for one command.
const MOST_BYTES: u64 = 8 << 20;
/// The most files; each takes a descriptor of the tool.
const MOST_FILES: usize = 256;

/// What was read.
#[derive(Debug, Default)]
pub struct Inputs {
    /// The objects in all manifests; `None` when there are none, or not all could be read here.
    pub manifests: Option<Vec<Manifest>>,
    /// The texts that psql would run, by path as typed; empty for other tools.
    pub contents: BTreeMap<String, String>,
    /// What goes into the record, in the order of the command line.
    pub files: Vec<InputFile>,
    /// Words of the command line (from 0, without the tool's name) and what takes their places.
    replaced: Vec<(usize, OsString)>,
    /// Says which variables change what the tool does, where it is not built in.
    description: Option<Arc<Description>>,
    /// Words that the tool gets before all others.
    added: Vec<OsString>,
    /// Words that the tool gets behind all others.
    appended: Vec<OsString>,
    /// What a kustomization's builder said.
    said: Vec<u8>,
    /// The copy of a kustomization, where the tool reads one.
    copy: Option<Copy>,
    /// Variables that the tool gets instead of the caller's.
    pub environment: Vec<(&'static str, String)>,
    held: Vec<OwnedFd>,
}

/// A file as it was read.
#[derive(Debug, Clone)]
pub struct InputFile {
    /// The path; `-` is standard input.
    pub path: String,
    /// SHA-256 of its content, hex.
    pub sha256: String,
    /// Its size.
    pub bytes: usize,
}

/// What the files are read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The command is to run.
    Run,
    /// Somebody asks what would become of it: a file may not be there yet, and nobody need have typed the standard input. With
    /// either of these, no content is known.
    Ask,
}

impl Inputs {
    /// Reads what `args`, the words after the tool's name, name.
    ///
    /// # Errors
    /// A file that cannot be read, or whose content is not understood: then nothing may run.
    pub fn take(tool: Tool, args: &[OsString], purpose: Purpose) -> Result<Inputs, Unreadable> {
        match tool {
            Tool::Kubectl => {}
            Tool::Psql => return Inputs::take_scripts(&words::utf8(args)?, purpose),
            Tool::Aws | Tool::Gh | Tool::Described(_) => return Ok(Inputs::default()),
        }
        let words = words::utf8(args)?;
        let named = manifest_files(&words)?;
        let mut paths = named.values.iter().flat_map(|value| &value.paths);
        let stdins = paths.clone().filter(|path| *path == "-").count();
        let is_there = |path: &String| match path.as_str() {
            "-" => has_piped_input(),
            path => Path::new(path).exists(),
        };
        let only_asked = purpose == Purpose::Ask && !paths.all(is_there);
        if !named.complete || named.values.is_empty() || only_asked {
            return Ok(Inputs::default());
        }
        if stdins > 1 {
            return Err(Unreadable::missing(
                "standard input is named twice; it can be read once",
            ));
        }
        let mut inputs = Inputs {
            manifests: Some(Vec::new()),
            ..Inputs::default()
        };
        for value in &named.values {
            inputs.take_value(value, &words, named.recursive)?;
        }
        Ok(inputs)
    }

    /// Reads the other files that a command names, and hands them to the tool as the bytes that were read, where nothing but their
    /// content counts. Returns those that anybody may see, for a second look at the command: visible text files below the
    /// working directory, without anything in them that looks like a secret. Naming any other stays a hazard.
    ///
    /// # Errors
    /// When memory cannot be had.
    pub fn take_named(
        &mut self,
        tool: Tool,
        first: &Invocation,
        args: &[OsString],
    ) -> io::Result<BTreeMap<String, String>> {
        let mut contents = BTreeMap::new();
        let paths: BTreeSet<&str> = first
            .files
            .iter()
            .filter(|file| !file.writes)
            .map(|file| file.path.as_str())
            .collect();
        for path in paths {
            let found = places::of(tool, path, args);
            let taken: usize = self.files.iter().map(|file| file.bytes).sum();
            let left = MOST_BYTES.saturating_sub(taken as u64);
            if found.places.is_empty() || self.files.len() >= MOST_FILES {
                continue;
            }
            let Some(content) = regular(Path::new(path), left) else {
                continue;
            };
            let held = self.hold(&content)?;
            for (index, before) in found.places {
                self.replaced.push((index, format!("{before}{held}").into()));
            }
            self.files.push(InputFile::new(path.to_owned(), &content));
            if let Some(text) = open_text(path, content).filter(|_| found.all) {
                contents.insert(path.to_owned(), text);
            }
        }
        Ok(contents)
    }

    /// Hands a configuration file to the tool as the bytes that were read, by the variable that names it.
    ///
    /// # Errors
    /// When memory cannot be had.
    pub fn hold_file(&mut self, variable: &'static str, content: &[u8]) -> io::Result<()> {
        let path = self.hold(content)?;
        self.environment.push((variable, path));
        Ok(())
    }

    /// Hands a directory of configuration files to the tool, each as the bytes that were read, by the variable that names it.
    ///
    /// # Errors
    /// When memory cannot be had, or the directory cannot be made.
    pub fn hold_directory(
        &mut self,
        variable: &'static str,
        place: &Path,
        files: &[(&str, &[u8])],
    ) -> io::Result<()> {
        let mut links = Vec::new();
        for (name, content) in files {
            links.push((PathBuf::from(name), self.hold(content)?.into()));
        }
        self.hold_copy(variable, Copy::of_links(place, &links)?);
        Ok(())
    }

    /// Has the tool find this directory of ours by the variable.
    pub fn hold_copy(&mut self, variable: &'static str, copy: Copy) {
        self.environment
            .push((variable, copy.directory.display().to_string()));
        self.copy = Some(copy);
    }

    /// Where the tool finds this content.
    ///
    /// # Errors
    /// When memory cannot be had.
    pub fn hold(&mut self, content: &[u8]) -> io::Result<String> {
        let held = seal(content)?;
        let path = format!("/proc/self/fd/{}", held.as_raw_fd());
        self.held.push(held);
        Ok(path)
    }

    /// Hands the kubeconfig to kubectl as the bytes that were read, so that nobody can put another in its place.
    ///
    /// # Errors
    /// When memory cannot be had.
    pub fn hold_kubeconfig(&mut self, contents: &[&[u8]]) -> io::Result<()> {
        let mut paths = Vec::new();
        for content in contents {
            paths.push(self.hold(content)?);
        }
        if !paths.is_empty() {
            self.environment.push(("KUBECONFIG", paths.join(":")));
        }
        Ok(())
    }

    /// `args` with the memory files' paths in the places of those that were read, and what is added behind the name.
    pub fn put_into(&self, args: &mut Vec<OsString>) {
        for (index, word) in &self.replaced {
            if let Some(place) = args.get_mut(index.saturating_add(1)) {
                place.clone_from(word);
            }
        }
        let behind = args.len().min(1);
        args.splice(behind..behind, self.added.iter().cloned());
        args.extend(self.appended.iter().cloned());
    }

    /// Puts what a kustomization came to in its place: its objects, or where they are only to be printed, the copy it was built from.
    ///
    /// # Errors
    /// When what came out is not understood, or memory cannot be had.
    pub fn take_built(&mut self, named: &NamedKustomization, built: Built) -> Result<(), Unreadable> {
        let fail = |problem: &str| Unreadable::missing(&format!("`{}`: {problem}", named.directory));
        let objects = Manifest::read(&built.objects)
            .map_err(|fault| fail(&format!("is not judged: {}", fault.problem)))?;
        self.manifests = Some(objects);
        self.files.extend(built.files);
        self.files
            .push(InputFile::new(named.directory.clone(), &built.objects));
        match &named.place {
            KustomizationPlace::Objects { option, value } => {
                let held = seal(&built.objects).map_err(|error| fail(&format!("cannot be kept: {error}")))?;
                let path = format!("{}/proc/self/fd/{}", value.1, held.as_raw_fd());
                self.held.push(held);
                if let Some((index, word)) = option {
                    self.replaced.push((*index, (*word).into()));
                }
                self.replaced.push((value.0, path.into()));
                self.said = built.said;
            }
            KustomizationPlace::Directory(place) => {
                let copy = built.copy.directory.clone().into_os_string();
                match place {
                    Some(index) => self.replaced.push((*index, copy)),
                    None => self.appended.push(copy),
                }
                self.copy = Some(built.copy);
            }
        }
        Ok(())
    }

    /// Keeps variables from the tool that its description names. Those that are pinned for every tool are the operator's by now.
    pub fn withhold(&mut self, description: Arc<Description>) {
        self.description = Some(description);
    }

    /// Whether the tool may have this variable.
    pub fn passes(&self, variable: &OsStr) -> bool {
        let Some(description) = &self.description else {
            return true;
        };
        let variable = variable.to_string_lossy();
        !description.is_withheld(&variable) || argv::environment::is_pinned(&variable)
    }

    /// Has the server refuse whatever would write, where everything that was understood only reads; and has it read strings as
    /// they were judged. The operator's own options stay, and ours come behind them: the last one counts.
    pub fn bind_session(&mut self, invocation: &Invocation, options: Option<&str>) {
        // A lone backslash at the end would swallow the space.
        let before = options.unwrap_or_default();
        let backslashes = before.len().saturating_sub(before.trim_end_matches('\\').len());
        let before = if backslashes % 2 == 1 {
            before.strip_suffix('\\').unwrap_or(before)
        } else {
            before
        };
        let mut all = vec![before, "-c standard_conforming_strings=on"];
        if invocation
            .operations
            .iter()
            .all(|operation| operation.effect <= Effect::Read)
        {
            all.push("-c default_transaction_read_only=on");
        }
        self.environment
            .push(("PGOPTIONS", all.join(" ").trim_start().to_owned()));
    }

    /// Says what the tool would have said, had it read its input itself.
    ///
    /// # Errors
    /// As writing to standard error.
    pub fn say(&self) -> io::Result<()> {
        io::stderr().write_all(&self.said)
    }

    /// Removes what was made for the tool on disk.
    pub fn let_go(&mut self) {
        self.copy = None;
    }

    /// The descriptors of the memory files.
    pub fn descriptors(&self) -> impl Iterator<Item = RawFd> {
        self.held.iter().map(AsRawFd::as_raw_fd)
    }

    fn take_value(
        &mut self,
        value: &ManifestValue,
        words: &[String],
        recursive: bool,
    ) -> Result<(), Unreadable> {
        let mut paths = Vec::new();
        for named in &value.paths {
            let files = if named == "-" {
                vec![PathBuf::from("-")]
            } else {
                expand(Path::new(named), recursive)
                    .map_err(|error| unreadable(value, named, &format!("cannot be read: {error}")))?
            };
            if files.is_empty() {
                return Err(unreadable(value, named, "has no manifests in it"));
            }
            for file in files {
                paths.push(self.take_file(value, &file)?);
            }
        }
        let before = words
            .get(value.word)
            .and_then(|word| word.get(..value.start))
            .unwrap_or_default();
        self.replaced
            .push((value.word, format!("{before}{}", paths.join(",")).into()));
        Ok(())
    }

    /// Returns the path under which the tool finds the content.
    fn take_file(&mut self, value: &ManifestValue, file: &Path) -> Result<String, Unreadable> {
        let name = file.display().to_string();
        let fail = |problem: &str| unreadable(value, &name, problem);
        if self.files.len() >= MOST_FILES {
            return Err(fail(&format!(
                "is one file too many; at most {MOST_FILES} are read"
            )));
        }
        let taken: usize = self.files.iter().map(|file| file.bytes).sum();
        let left = MOST_BYTES.saturating_sub(taken as u64);
        let content = read(file, left).map_err(|error| fail(&format!("cannot be read: {error}")))?;
        if content.len() as u64 > left {
            return Err(fail(&format!(
                "makes the input larger than {} MiB, the most that is judged",
                MOST_BYTES >> 20
            )));
        }
        let found =
            Manifest::read(&content).map_err(|fault| fail(&format!("is not judged: {}", fault.problem)))?;
        self.manifests.get_or_insert_default().extend(found);
        let held = seal(&content).map_err(|error| fail(&format!("cannot be kept: {error}")))?;
        let path = format!("/proc/self/fd/{}", held.as_raw_fd());
        self.held.push(held);
        self.files.push(InputFile::new(name, &content));
        Ok(path)
    }
}

impl InputFile {
    /// As it was read.
    pub fn new(path: String, content: &[u8]) -> InputFile {
        InputFile {
            path,
            sha256: digest::hex(content),
            bytes: content.len(),
        }
    }
}

fn unreadable(value: &ManifestValue, path: &str, problem: &str) -> Unreadable {
    Unreadable::at(value.word, path, problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\n";

    fn args(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn the_tool_reads_what_was_read_whatever_becomes_of_the_file() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("pod.yaml");
        fs::write(&file, POD).unwrap();
        let mut line = args(&["kubectl", "apply", &format!("-f={}", file.display()), "-n", "dev"]);
        let inputs = Inputs::take(Tool::Kubectl, &line[1..], Purpose::Run).unwrap();
        fs::write(&file, "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\n").unwrap();
        inputs.put_into(&mut line);
        let word = line[2].to_str().unwrap();
        assert!(word.starts_with("-f=/proc/self/fd/"), "{word}");
        assert_eq!(fs::read_to_string(&word[3..]).unwrap(), POD);
        assert!(
            fs::write(&word[3..], "x").is_err(),
            "nobody can change what was sealed"
        );
        assert_eq!(inputs.manifests.unwrap()[0].kind, "Pod");
        assert_eq!(inputs.files[0].bytes, POD.len());
    }

    #[test]
    fn a_script_that_psql_would_read_differently_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("x.sql");
        let take = |text: &str| {
            fs::write(&file, text).unwrap();
            let line = args(&[&format!("-f{}", file.display())]);
            Inputs::take(Tool::Psql, &line, Purpose::Run)
        };
        assert!(take("select 1;\r\n\tselect 2;\u{c}\n").is_ok());
        let refused = take("select 1;\nselect '\0'\n, ' \n;").unwrap_err();
        assert!(refused.problem.contains("in line 2"), "{}", refused.problem);
    }

    #[test]
    fn a_directory_is_read_as_kubectl_reads_it() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir(at("below")).unwrap();
        for name in ["b.yaml", "a.json", "c.txt", "below/d.yml"] {
            let pod = POD.replace("web", &name.replace('/', "-"));
            let pod = if name.ends_with("json") {
                "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"a.json\"}}".to_owned()
            } else {
                pod
            };
            fs::write(at(name), pod).unwrap();
        }
        let names = |flags: &[&str]| {
            let directory = root.path().display().to_string();
            let line = args(&[&["apply", "-f", directory.as_str()], flags].concat());
            let found = Inputs::take(Tool::Kubectl, &line, Purpose::Run)
                .unwrap()
                .manifests
                .unwrap();
            found.into_iter().filter_map(|it| it.name).collect::<Vec<_>>()
        };
        assert_eq!(names(&[]), ["a.json", "b.yaml"]);
        assert_eq!(names(&["-R"]), ["a.json", "b.yaml", "below-d.yml"]);
    }

    #[test]
    fn what_cannot_be_read_or_judged_is_named() {
        let root = tempfile::tempdir().unwrap();
        let problem = |path: &Path| {
            let line = args(&["apply", "-f", &path.display().to_string()]);
            Inputs::take(Tool::Kubectl, &line, Purpose::Run)
                .unwrap_err()
                .problem
        };
        assert!(problem(&root.path().join("absent")).contains("No such file"));
        assert!(problem(root.path()).contains("no manifests"));
        let file = root.path().join("x.yaml");
        fs::write(&file, "apiVersion: v1\nkind: Pod\nkind: Secret\n").unwrap();
        assert!(problem(&file).contains("Duplicate key"));
        fs::write(&file, vec![b'#'; (MOST_BYTES as usize).saturating_add(1)]).unwrap();
        assert!(problem(&file).contains("larger than 8 MiB"));
        assert!(problem(Path::new("/dev/zero")).contains("larger than 8 MiB"));
    }

    #[test]
    fn what_is_not_all_known_is_left_to_the_judge() {
        for line in [
            args(&["apply", "-f", "https://example.com/x.yaml"]),
            args(&["apply", "-k", "."]),
            args(&["apply", "-f", "absent.yaml"]),
            args(&["get", "pods"]),
        ] {
            assert!(
                Inputs::take(Tool::Kubectl, &line, Purpose::Ask)
                    .unwrap()
                    .manifests
                    .is_none()
            );
        }
    }
}
