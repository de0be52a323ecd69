#!/usr/bin/env python3
"""Writes seeds for one fuzz target: the recorded command lines, one word a line, or the shipped governance files.

    scripts/fuzz_seeds.py TARGET DIRECTORY
"""

import hashlib
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def seeds(target):
    recorded = ROOT / "tests" / "corpora" / f"wire_{target}.json"
    if recorded.exists():
        found = json.loads(recorded.read_text())
        for entry in found["entries"] if isinstance(found, dict) else found:
            yield "\n".join(entry["argv"][1:]).encode("utf-8", "surrogateescape")
    elif target in ("psql", "psql_script"):
        for line in (ROOT / "tests" / "corpora" / "psql.cases").read_text().splitlines():
            label, _, sql = line.partition(" ")
            if label in ("READ", "CHANGE", "REFUSE"):
                yield (sql if target == "psql_script" else f"-c\n{sql}").encode()
    elif target == "governance":
        for path in sorted((ROOT / "governance").glob("**/*.yaml")):
            yield path.read_bytes()
    elif target == "record":
        yield b'{"v":1,"type":"status"}'
        yield b'{"v":1,"type":"record","event":{"event_id":"x"}}'


def main():
    target, directory = sys.argv[1], pathlib.Path(sys.argv[2])
    for seed in seeds(target):
        (directory / hashlib.sha1(seed).hexdigest()).write_bytes(seed)


if __name__ == "__main__":
    main()
