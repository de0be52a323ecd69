//! `packaging/fluent-bit`, as far as it goes without Fluent Bit, which neither Debian nor the registries of this project's
//! languages have: each key is one that the plugin knows, the parts fit each other and reeved, and a reader that does what
//! its tail input does has each record once although the file is rolled all the time. What acknowledges forward messages
//! is in `forward_receivers`.

use acceptance::session::finish;
use acceptance::sinks::{Received, Sidecar, events, patience};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A section's name and its keys.
type Section = (String, BTreeMap<String, String>);

/// The classic format: `[NAME]`, then `key value` lines, indented.
fn sections(file: &str) -> Vec<Section> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../packaging/fluent-bit")
        .join(file);
    let text = std::fs::read_to_string(&path).expect("a configuration");
    let mut sections: Vec<Section> = Vec::new();
    for line in text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
    {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            sections.push((name.to_owned(), BTreeMap::new()));
            continue;
        }
        let (key, value) = line
            .strip_prefix("    ")
            .and_then(|line| line.split_once(' '))
            .unwrap_or_else(|| panic!("{file}: not four blanks, a key and a value: {line}"));
        let (_, keys) = sections.last_mut().unwrap_or_else(|| panic!("{file}: {line}"));
        let old = keys.insert(key.to_owned(), value.trim().to_owned());
        assert!(old.is_none(), "{file}: {key} comes twice");
    }
    sections
}

/// What each section may have: Fluent Bit 5's own names.
fn known(section: &Section) -> &'static [&'static str] {
    match (section.0.as_str(), section.1.get("name").map(String::as_str)) {
        ("SERVICE", _) => &["flush", "parsers_file", "storage.path"],
        ("PARSER", _) => &["name", "format", "time_key", "time_format", "time_keep"],
        ("INPUT", Some("tail")) => &[
            "name",
            "path",
            "exclude_path",
            "refresh_interval",
            "tag",
            "parser",
            "db",
            "read_from_head",
            "buffer_max_size",
            "skip_long_lines",
            "rotate_wait",
            "storage.type",
        ],
        ("INPUT", Some("forward")) => &[
            "name",
            "listen",
            "port",
            "shared_key",
            "self_hostname",
            "buffer_chunk_size",
            "buffer_max_size",
            "storage.type",
        ],
        ("OUTPUT", Some("stdout")) => &["name", "match", "format"],
        _ => panic!("{section:?}"),
    }
}

fn one<'a>(sections: &'a [Section], name: &str) -> &'a BTreeMap<String, String> {
    let mut found = sections.iter().filter(|(section, _)| section == name);
    let (_, keys) = found.next().unwrap_or_else(|| panic!("no {name}"));
    assert!(found.next().is_none(), "one {name}");
    keys
}

#[test]
fn every_key_is_known_and_the_parts_fit_each_other() {
    let (tail, forward, parsers) = (
        sections("tail.conf"),
        sections("forward.conf"),
        sections("parsers.conf"),
    );
    for section in tail.iter().chain(&forward).chain(&parsers) {
        for key in section.1.keys() {
            assert!(known(section).contains(&key.as_str()), "{key} in {section:?}");
        }
    }
    assert_eq!(one(&tail, "SERVICE")["parsers_file"], "parsers.conf");
    assert_eq!(one(&tail, "INPUT")["parser"], one(&parsers, "PARSER")["name"]);
    // %L takes what follows the dot, however long, and `ts` ends with Z.
    assert_eq!(one(&parsers, "PARSER")["time_format"], "%Y-%m-%dT%H:%M:%S.%L");
    assert_eq!(one(&parsers, "PARSER")["time_key"], "ts");
    for sections in [&tail, &forward] {
        let input = one(sections, "INPUT");
        let tag = input.get("tag").map_or("reeve.audit", String::as_str);
        let pattern = one(sections, "OUTPUT")["match"].trim_end_matches('*').to_owned();
        assert!(tag.starts_with(&pattern), "{tag} {pattern}");
        // A line is at most a frame and a little; a chunk is a megabyte.
        let most = input["buffer_max_size"].trim_end_matches('M');
        assert!(most.parse::<u32>().expect("megabytes") >= 4, "{most}");
    }
}

#[test]
fn reeved_takes_the_sink_that_the_forward_configuration_shows() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/fluent-bit/forward.conf");
    let text = std::fs::read_to_string(path).expect("a configuration");
    let shown: String = text
        .lines()
        .filter_map(|line| line.strip_prefix("#     "))
        .map(|line| format!("  {line}\n"))
        .collect();
    let input = sections("forward.conf");
    assert!(
        shown.contains(&format!(":{}\n", one(&input, "INPUT")["port"])),
        "{shown}"
    );
    let sidecar = Sidecar::new(1, "");
    std::fs::write(sidecar.at("forward.key"), "sesame").expect("a file can be written");
    // A port that is free: the receiver is not there, and that is the one fault.
    let port = acceptance::sinks::programs::free_port().to_string();
    let key = sidecar.at("forward.key").display().to_string();
    sidecar.configure(
        &shown
            .replace("/etc/reeve/forward.key", &key)
            .replace("24224", &port),
    );
    let output = finish(sidecar.command().arg("--check"), &[]);
    assert_eq!(output.code(), 69, "{}", output.err());
    assert!(output.err().contains("Connection refused"), "{}", output.err());
}

/// Fluent Bit's tail input, as far as rolling goes: it looks for files by a pattern from time to time, knows a file by its
/// inode, reads it on from where it was, and lets go of a rolled one after a while.
struct Tail {
    folder: PathBuf,
    prefix: String,
    files: BTreeMap<u64, (File, Vec<u8>)>,
    /// Where those stand that it has let go.
    kept: BTreeMap<u64, u64>,
}

impl Tail {
    fn scan(&mut self) {
        for entry in std::fs::read_dir(&self.folder).expect("the folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            // A file may be renamed between the look and the opening: the next look finds it.
            let Some(mut file) = name
                .starts_with(&self.prefix)
                .then(|| File::open(&path).ok())
                .flatten()
            else {
                continue;
            };
            let inode = file.metadata().expect("an open file").ino();
            if !self.files.contains_key(&inode) {
                let from = self.kept.get(&inode).copied().unwrap_or(0);
                file.seek(SeekFrom::Start(from)).expect("a file can be sought");
                self.files.insert(inode, (file, Vec::new()));
            }
        }
    }

    fn read(&mut self, received: &Received) {
        for (file, rest) in self.files.values_mut() {
            file.read_to_end(rest).expect("a file can be read");
            let whole = rest
                .iter()
                .rposition(|byte| *byte == b'\n')
                .map_or(0, |at| at + 1);
            for line in rest
                .drain(..whole)
                .collect::<Vec<u8>>()
                .split(|byte| *byte == b'\n')
            {
                if !line.is_empty() {
                    received.add_json(&serde_json::from_slice(line).expect("JSON"));
                }
            }
        }
    }

    /// Lets go of what has no line begun.
    fn let_go(&mut self) {
        for (inode, (mut file, rest)) in std::mem::take(&mut self.files) {
            let at = file.stream_position().expect("an open file") - rest.len() as u64;
            self.kept.insert(inode, at);
        }
    }
}

#[test]
fn a_reader_like_its_tail_has_each_record_once_although_the_file_is_rolled() {
    let pattern = PathBuf::from(&one(&sections("tail.conf"), "INPUT")["path"]);
    let name = pattern.file_name().expect("a name").to_str().expect("text");
    let directory = tempfile::tempdir().expect("a scratch directory");
    let mut sidecar = Sidecar::new(
        events(),
        &format!(
            "  f:\n    to: file://{}\n    rotate_bytes: 40000\n    keep: 100000\n    batch: 20\n",
            directory.path().join(name.trim_end_matches('*')).display()
        ),
    );
    let mut tail = Tail {
        folder: directory.path().to_owned(),
        prefix: name.trim_end_matches('*').to_owned(),
        files: BTreeMap::new(),
        kept: BTreeMap::new(),
    };
    let received = Received::default();
    sidecar.start();
    let begun = Instant::now();
    while received.records().len() < sidecar.records().len() && begun.elapsed() < patience() {
        // It is rolled several times between two looks.
        tail.scan();
        for _ in 0..5 {
            tail.read(&received);
            std::thread::sleep(Duration::from_millis(20));
        }
        tail.let_go();
    }
    sidecar.wait_for("f");
    tail.scan();
    tail.read(&received);
    sidecar.assert_received(&received);
    assert_eq!(received.repeats(), 0);
    assert!(tail.kept.len() > 20, "{} files", tail.kept.len());
}
