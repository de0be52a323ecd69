#!/usr/bin/env python3
"""Writes wrapper/link/governed_functions.ld: which functions a governed call runs, for the linker to put side by side.

    scripts/order_functions.py      needs valgrind, and the musl target of rustup

A program's code comes from the page cache in pieces of 64 KiB, a fault for each. Where the linker puts functions in the order in
which they were compiled, a call touches two thirds of the pieces of the whole program. So commands of each tool are run
under callgrind, and what they ran comes first: what all commands ran, then the rest. A function that has another name
later is left where the linker puts it, which costs a little time and nothing else: run this again now and then.
"""

import collections
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "..", "wrapper", "link", "governed_functions.ld")
MANIFEST = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}\n'

COMMANDS = """\
kubectl get pods -n prod
kubectl -n prod get deploy/web -o yaml
kubectl logs -f web --tail=10
kubectl describe node a
kubectl delete pod web
kubectl apply -f manifest.json
aws ec2 describe-instances --region eu-west-1
aws s3 ls
aws sts get-caller-identity
aws s3 rm s3://b --recursive
gh pr list -R o/r
gh api repos/o/r/issues
gh api repos/o/r/issues -f title=hi
"""

HEAD = """\
/* Written by scripts/order_functions.py, which says why. */
SECTIONS
{
  .text.governed : {
"""
TAIL = """\
  }
}
INSERT BEFORE .text;
"""


def build():
    environment = dict(os.environ, REEVE_SYMBOLS="1")
    done = subprocess.run(
        [os.path.join(HERE, "build_static.sh")], env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout.strip()


def functions_of(programs, place):
    """For each command the functions that it ran, by their symbols."""
    tools = os.path.join(place, "tools")
    os.mkdir(tools)
    for name in ("kubectl", "aws", "gh"):
        tool = os.path.join(tools, name)
        shutil.copy("/bin/true", tool)
        # Valgrind has no children that share memory but those of vfork: so these are tools that gain rights when they are
        # executed, which the gate starts by vfork. What the other way needs besides is in wrapper/link/one_piece.ld.
        os.chmod(tool, 0o4755)
    with open(os.path.join(place, "manifest.json"), "w") as manifest:
        manifest.write(MANIFEST)
    script = "".join(
        f"valgrind --tool=callgrind --demangle=no --callgrind-out-file={place}/out.{number} "
        f'"$(type -p {line.split()[0]})" {" ".join(line.split()[1:])} >>{place}/log 2>&1\n'
        for number, line in enumerate(COMMANDS.splitlines())
    )
    environment = dict(os.environ, PATH=f"{tools}:{os.environ['PATH']}")
    session = [os.path.join(programs, "reeve"), "run", "--level", "L2", "--record", os.path.join(place, "record")]
    subprocess.run([*session, "--", "bash", "-c", script], env=environment, cwd=place, check=False)
    for number, line in enumerate(COMMANDS.splitlines()):
        path = os.path.join(place, f"out.{number}")
        if not os.path.exists(path):
            sys.exit(f"`{line}` was not run under valgrind; see what it said:\n" + open(f"{place}/log").read())
        yield set(re.findall(r"^c?fn=\(\d+\) (_R\w+)", open(path).read(), re.MULTILINE))


def main():
    programs = build()
    with tempfile.TemporaryDirectory() as place:
        counts = collections.Counter(name for ran in functions_of(programs, place) for name in ran)
    # A crate's own hash is another one on another machine.
    anywhere = {re.sub(r"Cs[0-9A-Za-z]+_(?=\d)", "Cs*_", name): count for name, count in counts.items()}
    ordered = sorted(anywhere, key=lambda name: (-anywhere[name], name))
    if len(ordered) < 300:
        sys.exit(f"only {len(ordered)} functions were seen; is the program built with symbols?")
    with open(OUT, "w") as out:
        out.write(HEAD)
        # A function of which the linker sees several copies has a number behind its name; one that the compiler takes for a cold one
        # lies elsewhere.
        out.writelines(f"    *(.text.{name} .text.{name}.* .text.unlikely.{name})\n" for name in ordered)
        out.write(TAIL)
    print(f"{OUT}: {len(ordered)} functions")


if __name__ == "__main__":
    main()
