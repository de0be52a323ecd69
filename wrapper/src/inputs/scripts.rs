//! The scripts that psql would run: read once, and handed to it as those very bytes.

use super::{InputFile, Inputs, MOST_BYTES, MOST_FILES, Purpose, has_piped_input, read, seal};
use argv::Unreadable;
use argv::psql::{STDIN, odd_control, scripts};
use std::collections::BTreeMap;
use std::os::fd::AsRawFd;
use std::path::Path;

impl Inputs {
    /// The scripts that psql would run.
    pub(super) fn take_scripts(words: &[String], purpose: Purpose) -> Result<Inputs, Unreadable> {
        // The user's `.psqlrc` would run before everything.
        let mut inputs = Inputs {
            added: vec!["-X".into()],
            ..Inputs::default()
        };
        let mut has_read_stdin = false;
        // A file that is named twice is read once: it may have become another in between.
        let mut known: BTreeMap<String, String> = BTreeMap::new();
        for script in scripts(words)? {
            let is_stdin = script.path == STDIN;
            let is_there = if is_stdin {
                has_piped_input()
            } else {
                Path::new(&script.path).exists()
            };
            if !is_there && (purpose == Purpose::Ask || is_stdin) {
                continue;
            }
            let word = script.place.map_or(0, |(word, _)| word);
            let fail = |problem: &str| Unreadable::at(word, &script.path, problem);
            if is_stdin && std::mem::replace(&mut has_read_stdin, true) {
                return Err(fail("is standard input, which can be read once"));
            }
            let before = |(word, start): (usize, usize)| {
                let before = words.get(word).and_then(|word| word.get(..start));
                before.unwrap_or_default().to_owned()
            };
            if let (Some(path), Some(place)) = (known.get(&script.path), script.place) {
                inputs
                    .replaced
                    .push((place.0, format!("{}{path}", before(place)).into()));
                continue;
            }
            let taken: usize = inputs.files.iter().map(|file| file.bytes).sum();
            let left = MOST_BYTES.saturating_sub(taken as u64);
            let content = read(Path::new(&script.path), left)
                .map_err(|error| fail(&format!("cannot be read: {error}")))?;
            if inputs.files.len() >= MOST_FILES || content.len() as u64 > left {
                return Err(fail(&format!(
                    "is more than is judged: {} MiB, {MOST_FILES} files",
                    MOST_BYTES >> 20
                )));
            }
            let text = String::from_utf8(content).map_err(|_| fail("is not valid UTF-8"))?;
            if let Some(line) = odd_control(&text) {
                return Err(fail(&format!(
                    "has a control character in line {line}, behind which psql would read other text than is judged"
                )));
            }
            let held = seal(text.as_bytes()).map_err(|error| fail(&format!("cannot be kept: {error}")))?;
            let path = format!("/proc/self/fd/{}", held.as_raw_fd());
            match script.place {
                Some(place) => inputs
                    .replaced
                    .push((place.0, format!("{}{path}", before(place)).into())),
                None => inputs.added.push(format!("--file={path}").into()),
            }
            inputs.held.push(held);
            known.insert(script.path.clone(), path);
            inputs
                .files
                .push(InputFile::new(script.path.clone(), text.as_bytes()));
            inputs.contents.insert(script.path, text);
        }
        Ok(inputs)
    }
}
