#!/usr/bin/env python3
"""Generates crates/argv/data/kubectl_{commands,flags}.tsv from kubectl binaries themselves.

    scripts/kubectl_tables.py KUBECTL...          write the tables
    scripts/kubectl_tables.py --check KUBECTL...  compare with the checked-in ones; exit 1 and a diff when they differ

Give every version that is to be understood: the tables are their union. --check also takes some of the versions; then
what the tables say of those is compared. Nothing is sent anywhere: only
`--help`, `options`, `version --client` and command lines that end in a parse error or in help are run, in an
empty HOME. Help says which commands, aliases and options there are; whether an option may stand without a
value is not in the help, so each one is asked: behind `--x` the next word is either swallowed as its value
or complained about.

Where versions disagree about an option, the row says so in its type, and the reader refuses what is
ambiguous:  `?` = takes a separate value in some versions and not in others.
"""

import argparse
import difflib
import os
import re
import subprocess
import sys
import tempfile

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "crates", "argv", "data")
SHELL_HELPERS = [  # cobra adds these without listing them
    ("__complete", "__completeNoDesc"),
    ("help", ""),
    ("options", ""),
]


def run(binary, words, home):
    env = {"HOME": home, "PATH": "/nonexistent", "LANG": "C.UTF-8", "KUBECONFIG": "/dev/null"}
    done = subprocess.run([binary, *words], env=env, cwd=home, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
    return done.stdout


def version_of(binary, home):
    found = re.search(r'GitVersion:?"?:?\s*"?v?([0-9]+\.[0-9]+\.[0-9]+)', run(binary, ["version", "--client", "-o", "yaml"], home), re.I)
    if not found:
        found = re.search(r"v([0-9]+\.[0-9]+\.[0-9]+)", run(binary, ["version", "--client"], home))
    if not found:
        sys.exit(f"{binary}: does not say its version")
    return tuple(int(part) for part in found.group(1).split("."))


def subcommands(text):
    """Names under the headings that end in `Commands:` (and `Commands (Beginner):`)."""
    names, inside = [], False
    for line in text.splitlines():
        if re.match(r"^\S.*Commands( \([A-Za-z]+\))?:$", line):
            inside = True
        elif inside and re.match(r"^  [a-z]", line):
            names.append(line.split()[0])
        elif line and not line.startswith(" "):
            inside = False
    return names


def aliases(text, name):
    found = re.search(r"^Aliases:\n(.*)$", text, re.M)
    words = re.split(r",\s*", found.group(1).strip()) if found else []
    return [word for word in words if word and word != name]


# Deprecated options that no help lists any more, but that may still be known.
DEPRECATED = {
    "describe": ["show-labels"],
    "diff": ["prune-whitelist"],
    "drain": ["delete-local-data"],
    "exec": ["pod"],
    "get": ["export", "include-uninitialized", "show-all"],
    "logs": ["interactive"],
    "port-forward": ["pod"],
    "top node": ["heapster-namespace", "heapster-port", "heapster-scheme", "heapster-service"],
    "top pod": ["heapster-namespace", "heapster-port", "heapster-scheme", "heapster-service"],
}

OPTION = re.compile(r"^\s+(?:-([A-Za-z0-9]), )?--([a-z0-9][a-z0-9-]*)=(.*?):(?:\s|$)")


def options(text, heading):
    """(long, short, default) of every option listed after a heading line that matches."""
    rows, inside = [], False
    for line in text.splitlines():
        if re.match(heading, line):
            inside = True
        elif inside and line and not line[0].isspace():
            inside = False
        if inside and (found := OPTION.match(line)):
            rows.append((found.group(2), found.group(1) or "", found.group(3)))
    return rows


def without_value(binary, path, names, home):
    """Which of these (non-boolean) options may stand alone; probed, see the head of this file."""
    alone, left = set(), list(names)
    while left:
        words = [word for name in left for word in (f"--{name}", f"--zz-{name}")]
        text = run(binary, [*path, "--help", *words], home)
        if found := re.search(r"unknown flag: --zz-([a-z0-9-]+)", text):
            alone.add(found.group(1))
            left.remove(found.group(1))
        elif found := re.search(r'invalid argument "--zz-([a-z0-9-]+)"|open --zz-(kuberc):', text):
            left.remove(found.group(1) or found.group(2))
        elif found := re.search(r"unknown flag: --([a-z0-9-]+)", text):
            sys.exit(f"{binary} {' '.join(path)}: --{found.group(1)} is listed but not known")
        elif re.search(r"^Usage:", text, re.M):
            break
        else:
            sys.exit(f"{binary} {' '.join(path)}: cannot tell what this says:\n{text[:500]}")
    return alone


def kinds(binary, path, rows, home):
    """(long, short, type) with type b(oolean), s(ingle value), l(ist), o(ptional value)."""
    others = [name for name, _, default in rows if default not in ("true", "false")]
    alone = without_value(binary, path, others, home)
    typed = []
    for name, short, default in rows:
        if default in ("true", "false"):
            kind = "b"
        elif name in alone:
            kind = "o"
        else:
            kind = "l" if default.startswith("[") else "s"
        typed.append((name, short, kind))
    return typed


def hidden(binary, path, candidates, home):
    """Options that other versions list and this one only knows: deprecated ones are left out of the help."""
    typed = []
    for name in sorted(candidates):
        text = run(binary, [*path, "--help", f"--{name}"], home)
        if f"unknown flag: --{name}" in text:
            continue
        # Help does not say the short form of what it does not list.
        if "flag needs an argument" in text:
            typed.append((name, "", "s"))
        else:
            boolean = "ParseBool" in run(binary, [*path, "--help", f"--{name}=zz"], home)
            typed.append((name, "", "b" if boolean else "o"))
    return typed


def read_binary(binary, home):
    """{path: (aliases, own options)} of one kubectl; the global options are under the path `*`."""
    tree = {}
    todo = [()]
    while todo:
        path = todo.pop()
        text = run(binary, ["help"] if not path else [*path, "--help"], home)
        for name in subcommands(text):
            todo.append((*path, name))
        if path:
            tree[path] = (aliases(text, path[-1]), kinds(binary, path, options(text, r"^Options:$"), home))
    text = run(binary, ["options"], home)
    globals_ = options(text, r"^The following options can be passed to any command")
    tree[("*",)] = ([], kinds(binary, ("version",), globals_, home))
    return tree


def merge(trees, binaries, home, known):
    commands, flags = {}, {}
    for version, tree in trees.items():
        for path, (names, rows) in tree.items():
            entry = commands.setdefault(path, {"aliases": [], "versions": []})
            entry["versions"].append(version)
            entry["aliases"] += [name for name in names if name not in entry["aliases"]]
            for name, short, kind in rows:
                flags.setdefault(path, {}).setdefault(name, {})[version] = (short, kind)
    for version, tree in trees.items():  # what the help of this version leaves out
        for path in tree:
            for name in DEPRECATED.get(" ".join(path), []) + known.get(" ".join(path), []):
                flags.setdefault(path, {}).setdefault(name, {})
            missing = {name for name in flags.get(path, {}) if version not in flags[path][name]}
            if path != ("*",):
                missing -= {row[0] for row in tree[("*",)][1]}
            for name, short, kind in hidden(binaries[version], path if path != ("*",) else ("version",), missing, home):
                flags[path][name][version] = (short, kind)
    for found in flags.values():
        for name in [name for name, versions in found.items() if not versions]:
            del found[name]
    return commands, flags


def spell(version):
    return ".".join(str(part) for part in version)


def between(versions, every):
    """`1.20.2-1.36.4`; empty when it is all of them."""
    return "" if len(versions) == len(every) else f"{spell(min(versions))}-{spell(max(versions))}"


def agreed(found):
    """One type for all versions: `?` when they disagree on whether the next word is swallowed."""
    kinds_ = {kind for _, kind in found.values()}
    if len(kinds_) == 1:
        return kinds_.pop()
    if kinds_ <= {"s", "l"}:
        return "l"
    if kinds_ <= {"b", "o"}:
        return "o"
    return "?"


def tables(trees, binaries, home, known):
    commands, flags = merge(trees, binaries, home, known)
    every = sorted(trees)
    head = f"# Generated by scripts/kubectl_tables.py from kubectl {', '.join(map(spell, every))}. Do not edit."
    lines = [head, "# command path\taliases\tversions that have it (empty: all)"]
    for helper, alias in SHELL_HELPERS:
        commands.setdefault((helper,), {"aliases": [alias] if alias else [], "versions": every})
    for path in sorted(commands):
        if path != ("*",):
            entry = commands[path]
            lines.append(f"{' '.join(path)}\t{','.join(sorted(entry['aliases']))}\t{between(entry['versions'], every)}")
    rows = [head, "# command path (*: every command)\toption\tshort\ttype: b(oolean) s(ingle value) l(ist) o(ptional value) ?(versions disagree)\tversions that have it (empty: all that have the command)"]
    for path in sorted(flags):
        have = sorted(commands[path]["versions"])
        for name in sorted(flags[path]):
            found = flags[path][name]
            shorts = {short for short, _ in found.values() if short}
            if len(shorts) > 1:
                sys.exit(f"{path} --{name}: versions disagree on the short form {shorts}: teach this script what to do")
            rows.append(f"{' '.join(path)}\t{name}\t{''.join(shorts)}\t{agreed(found)}\t{between(sorted(found), have)}")
        letters = {}
        for name, found in flags[path].items():
            for short, _ in found.values():
                if short and letters.setdefault(short, name) != name:
                    sys.exit(f"{path} -{short}: means --{letters[short]} and --{name}: teach this script what to do")
    return {"kubectl_commands.tsv": "\n".join(lines) + "\n", "kubectl_flags.tsv": "\n".join(rows) + "\n"}


def rows_of(text):
    return [line.split("\t") for line in text.splitlines() if not line.startswith("#")]


def read_table(name):
    with open(os.path.join(DATA, name), encoding="utf-8") as file:
        return file.read()


def header_versions(text):
    return {tuple(map(int, found)) for found in re.findall(r"(\d+)\.(\d+)\.(\d+)", text.splitlines()[0])}


def covered(span, versions):
    """Those of the versions that a range such as `1.20.2-1.29.14` covers; empty covers all."""
    if not span:
        return versions
    first, last = (tuple(map(int, end.split("."))) for end in span.split("-"))
    return {version for version in versions if first <= version <= last}


# What a type that was agreed over all versions says of one of them.
STANDS_FOR = {"?": set("bslo?"), "l": {"s", "l"}, "o": {"b", "o"}, "b": {"b"}, "s": {"s"}}


def differences(made, versions):
    """What the checked-in tables say otherwise of these versions than what was just made from them."""
    found = []
    have = {row[0]: row for row in rows_of(read_table("kubectl_commands.tsv"))}
    fresh = {row[0]: row for row in rows_of(made["kubectl_commands.tsv"])}
    there = {path for path, row in have.items() if covered(row[2], versions)}
    found += [f"command `{path}` is in these versions: {path in fresh}; in the table: {path in there}" for path in there ^ set(fresh)]
    for path in there & set(fresh):
        missing = set(fresh[path][1].split(",")) - set(have[path][1].split(",")) - {""}
        found += [f"`{path}` lacks the aliases {sorted(missing)}"] if missing else []
    of_command = {path: covered(row[2], versions) for path, row in have.items()} | {"*": versions}
    flags = {(row[0], row[1]): row for row in rows_of(read_table("kubectl_flags.tsv"))}
    fresh_flags = {(row[0], row[1]): row for row in rows_of(made["kubectl_flags.tsv"])}
    expected = {key for key, row in flags.items() if covered(row[4], of_command[key[0]])}
    for path, name in sorted(expected ^ set(fresh_flags)):
        found.append(f"`{path} --{name}` is in these versions: {(path, name) in fresh_flags}; in the table: {(path, name) in expected}")
    for key in sorted(expected & set(fresh_flags)):
        (_, _, short, kind, _), (_, _, fresh_short, fresh_kind, _) = flags[key], fresh_flags[key]
        if fresh_short not in ("", short) or fresh_kind not in STANDS_FOR[kind]:
            found.append(f"`{key[0]} --{key[1]}` is -{fresh_short} {fresh_kind}, in the table -{short} {kind}")
    return found


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--check", action="store_true", help="compare instead of writing")
    arguments.add_argument("kubectl", nargs="+", help="kubectl binaries, one per version")
    options_ = arguments.parse_args()
    known = {}
    if options_.check:
        for path, name, *_ in rows_of(read_table("kubectl_flags.tsv")):
            known.setdefault(path, []).append(name)
    with tempfile.TemporaryDirectory() as home:
        binaries = {version_of(binary, home): binary for binary in options_.kubectl}
        trees = {version: read_binary(binary, home) for version, binary in sorted(binaries.items())}
        made = tables(trees, binaries, home, known)
    if not options_.check:
        for name, text in made.items():
            with open(os.path.join(DATA, name), "w", encoding="utf-8") as file:
                file.write(text)
        return
    listed = header_versions(read_table("kubectl_flags.tsv"))
    if unlisted := set(binaries) - listed:
        sys.exit(f"the tables were not made from kubectl {', '.join(map(spell, sorted(unlisted)))}: make them anew")
    if set(binaries) == listed:
        found = []
        for name, text in made.items():
            ends = (f"{name} (checked in)", f"{name} (generated)")
            found += difflib.unified_diff(read_table(name).splitlines(), text.splitlines(), *ends, lineterm="")
    else:
        found = differences(made, set(binaries))
    print("\n".join(found) or f"kubectl {', '.join(map(spell, sorted(binaries)))}: as the tables say")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
