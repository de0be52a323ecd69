//! Makes of the generated tables in `data/` what the program looks things up in. The gate starts for every command, so
//! nothing is left to be read then.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

const AWS: &str = "data/aws_commands.tsv";
const GH: &str = "data/gh_commands.tsv";
const KUBECTL: &str = "data/kubectl_commands.tsv";
const KUBECTL_FLAGS: &str = "data/kubectl_flags.tsv";
const KUBECTL_RESOURCES: &str = "data/kubectl_resources.tsv";

/// Bytes of text in a block of the aws commands: what is unpacked for one command.
const BLOCK: usize = 8 * 1024;
/// The strongest that miniz_oxide has.
const LEVEL: u8 = 10;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    let out = env::var("OUT_DIR")?;
    let out = Path::new(&out);
    aws(&read(AWS)?, out)?;
    fs::write(out.join("gh_commands.rs"), gh(&read(GH)?)?)?;
    fs::write(out.join("kubectl_commands.rs"), kubectl(&read(KUBECTL)?)?)?;
    fs::write(
        out.join("kubectl_flags.rs"),
        kubectl_flags(&read(KUBECTL_FLAGS)?)?,
    )?;
    fs::write(
        out.join("kubectl_resources.rs"),
        kubectl_resources(&read(KUBECTL_RESOURCES)?)?,
    )?;
    Ok(())
}

/// The rows of a table.
fn read(path: &str) -> Result<Vec<String>, Box<dyn Error>> {
    println!("cargo:rerun-if-changed={path}");
    let text = fs::read_to_string(path)?;
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    Ok(rows.map(str::to_owned).collect())
}

fn cell(row: &str, number: usize) -> &str {
    row.split('\t').nth(number).unwrap_or_default()
}

/// 1.9 MB of text are 0.4 MB in deflated blocks, and a command needs one of them. The services stand beside, as they are:
/// they are asked for first, and all of them when one is misspelt.
fn aws(rows: &[String], out: &Path) -> Result<(), Box<dyn Error>> {
    let (commands, services): (Vec<&String>, Vec<&String>) =
        rows.iter().partition(|row| cell(row, 0).contains(' '));
    let (mut packed, mut index, mut block) = (Vec::new(), String::new(), String::new());
    let mut commands = commands.into_iter().peekable();
    while let Some(row) = commands.next() {
        writeln!(block, "{row}")?;
        if block.len() >= BLOCK || commands.peek().is_none() {
            let bytes = miniz_oxide::deflate::compress_to_vec(block.as_bytes(), LEVEL);
            writeln!(index, "{}\t{}\t{}", cell(&block, 0), bytes.len(), block.len())?;
            packed.extend_from_slice(&bytes);
            block.clear();
        }
    }
    let services: String = services.into_iter().map(|row| format!("{row}\n")).collect();
    fs::write(out.join("aws_services.tsv"), services)?;
    fs::write(out.join("aws_blocks.tsv"), index)?;
    fs::write(out.join("aws_blocks.bin"), packed)?;
    Ok(())
}

/// `(path, aliases, flags)` of every command, sorted by path.
fn gh(rows: &[String]) -> Result<String, Box<dyn Error>> {
    let cells = rows.iter().map(|row| (cell(row, 0), cell(row, 1), cell(row, 2)));
    let mut commands: Vec<(&str, &str, &str)> = cells.collect();
    commands.sort();
    let mut source = String::from("&[\n");
    for command in commands {
        writeln!(source, "    {command:?},")?;
    }
    source.push(']');
    Ok(source)
}

/// `(path, aliases)` of every command, sorted by path.
fn kubectl(rows: &[String]) -> Result<String, Box<dyn Error>> {
    let mut commands: Vec<(&str, Vec<&str>)> = rows
        .iter()
        .map(|row| {
            let aliases = cell(row, 1).split(',').filter(|alias| !alias.is_empty());
            (cell(row, 0), aliases.collect())
        })
        .collect();
    commands.sort();
    let mut source = String::from("&[\n");
    for (path, aliases) in commands {
        writeln!(source, "    ({path:?}, &{aliases:?}),")?;
    }
    source.push(']');
    Ok(source)
}

/// `(path, flags)` of every command, sorted by path.
fn kubectl_flags(rows: &[String]) -> Result<String, Box<dyn Error>> {
    let mut source = String::from("&[");
    let mut before = None;
    for row in rows {
        let (path, name) = (cell(row, 0), cell(row, 1));
        if before.is_some_and(|before| before > path) {
            return Err(format!("{KUBECTL_FLAGS}: {path} is not in its place").into());
        }
        if before != Some(path) {
            let end = if before.is_some() { "]),\n" } else { "\n" };
            writeln!(source, "{end}    ({path:?}, &[")?;
            before = Some(path);
        }
        let (short, kind) = (cell(row, 2).chars().next(), cell(row, 3).chars().next());
        let kind = kind.ok_or_else(|| format!("{KUBECTL_FLAGS}: {path} {name}: of which type?"))?;
        writeln!(source, "        flag({name:?}, {short:?}, {kind:?}),")?;
    }
    source.push_str("])]");
    Ok(source)
}

/// Every type, in the order of the table: of several that a word names, the first is meant.
fn kubectl_resources(rows: &[String]) -> Result<String, Box<dyn Error>> {
    let mut source = String::from("&[\n");
    for row in rows {
        let cells: Vec<&str> = row.split('\t').collect();
        let [plural, singular, short, group, scope @ ("n" | "c"), categories] = cells.as_slice() else {
            return Err(format!("{KUBECTL_RESOURCES}: `{row}` is no row").into());
        };
        let namespaced = *scope == "n";
        writeln!(
            source,
            "    Row {{ plural: {plural:?}, singular: {singular:?}, short: {short:?}, group: {group:?}, \
             namespaced: {namespaced}, categories: {categories:?} }},",
        )?;
    }
    source.push(']');
    Ok(source)
}
