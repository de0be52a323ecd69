#!/usr/bin/env python3
"""Writes crates/argv/data/gh_commands.tsv from the help texts of one or more gh binaries.

    gh_tables.py [--check] GH_BINARY...

One row per command: path, aliases, flags. A flag is `short:long:arity` with arity `v` (takes a value), `b` (boolean) or
`o` (a value may follow `=` only). The table is the union over the versions; a flag whose arity differs between versions gets
`?` and is refused when used. `--check` compares the table that is checked in with a fresh one and exits 1 when they differ.
"""
import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile

TABLE = pathlib.Path(__file__).resolve().parent.parent / "crates/argv/data/gh_commands.tsv"
FLAG = re.compile(r"^\s+(?:-(\S), )?--([A-Za-z0-9-]+)(\[=\S*\])?(?: (\S+(?:\[=\"?[^\]]*\"?\])?))?(?:\s{2,}.*)?$")


def run(binary, words, home):
    env = {"HOME": home, "GH_CONFIG_DIR": home, "PATH": os.environ["PATH"], "GH_NO_UPDATE_NOTIFIER": "1", "GH_PAGER": "cat"}
    done = subprocess.run([binary, *words], env=env, capture_output=True, text=True, timeout=30)
    return done.stdout + done.stderr


def sections(text):
    found, name = {}, None
    for line in text.splitlines():
        if line and not line[0].isspace() and line.upper() == line:
            name = line.strip()
            found.setdefault(name, [])
        elif name:
            found[name].append(line)
    return found


def flags_of(lines):
    flags = {}
    for line in lines:
        match = FLAG.match(line)
        if not match:
            if line.strip().startswith("-"):
                sys.exit(f"a flag line is not understood: {line!r}")
            continue
        short, long, optional, kind = match.groups()
        arity = "o" if optional or (kind and "[=" in kind) else "v" if kind else "b"
        flags[long] = (short or "", arity)
    return flags


def walk(binary, path, home, table):
    text = run(binary, [*path, "--help"], home)
    parts = sections(text)
    aliases = set()
    for line in parts.get("ALIASES", []):
        # Newer versions write whole lines (`gh pr ls`), older ones the last words with commas.
        aliases |= {alias.split()[-1] for alias in line.split(",") if alias.strip()}
    flags = {}
    for name in ("FLAGS", "INHERITED FLAGS"):
        flags.update(flags_of(parts.get(name, [])))
    row = table.setdefault(" ".join(path), {"aliases": set(), "flags": {}})
    row["aliases"] |= aliases - {path[-1] if path else ""}
    for long, (short, arity) in flags.items():
        old = row["flags"].get(long)
        if old and old != (short, arity):
            if {old[1], arity} == {"b", "o"}:
                arity = "o"  # neither takes the next word
            elif old[1] != arity:
                arity = "?"
            short = short or old[0]
        row["flags"][long] = (short, arity)
    for name, lines in parts.items():
        if not name.endswith("COMMANDS") or name.startswith("HELP") or name.startswith("ALIAS"):
            continue
        for line in lines:
            match = re.match(r"^\s+([a-z][a-z-]*)(?::\s+|\s{2,})\S", line)
            if match:
                walk(binary, [*path, match.group(1)], home, table)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("binaries", nargs="+")
    options = parser.parse_args()
    table, versions = {}, []
    with tempfile.TemporaryDirectory() as home:
        for binary in options.binaries:
            versions.append(re.search(r"\d+\.\d+\.\d+", run(binary, ["--version"], home)).group())
            walk(binary, [], home, table)
    lines = [f"# gh {', '.join(versions)}; written by scripts/gh_tables.py, do not edit"]
    for path in sorted(table):
        row = table[path]
        flags = " ".join(f"{short}:{long}:{arity}" for long, (short, arity) in sorted(row["flags"].items()))
        lines.append(f"{path}\t{','.join(sorted(row['aliases']))}\t{flags}")
    text = "\n".join(lines) + "\n"
    if options.check:
        if TABLE.read_text() != text:
            sys.exit(f"{TABLE.name} is not what these versions give; run this script without --check")
        print(f"{TABLE.name}: {len(table)} commands, as generated")
        return
    TABLE.write_text(text)
    print(f"{TABLE.name}: {len(table)} commands")


if __name__ == "__main__":
    main()
