"""Prints every command of the aws tool it is run under, with its options, one JSON object per line.

Run by scripts/aws_tables.py under each tool's own Python (the one that can `import awscli`). It asks the
tool's own command and argument tables, and argparse itself, so what is printed is what the tool will accept.
Nothing is sent and no configuration is read: HOME is an empty directory.
"""

import json
import os
import sys
import tempfile

os.environ["HOME"] = tempfile.mkdtemp()
for name in [name for name in os.environ if name.startswith(("AWS_", "BOTO"))]:
    del os.environ[name]
os.environ.update({"AWS_EC2_METADATA_DISABLED": "true", "AWS_DEFAULT_REGION": "us-east-1"})

import awscli  # noqa: E402
from awscli import clidriver  # noqa: E402
from awscli.argparser import ArgTableArgParser  # noqa: E402
from awscli.customizations.commands import BasicCommand  # noqa: E402
from awscli.customizations.waiters import WaiterStateCommand  # noqa: E402

try:
    from awscli.paramfile import PARAMFILE_DISABLED
except ImportError:  # version 2 fetches nothing
    PARAMFILE_DISABLED = None


def emit(**row):
    sys.stdout.write(json.dumps(row) + "\n")


def actions(parser):
    """The words argparse takes: option strings (none for a positional), nargs, action."""
    return [
        {"options": a.option_strings, "nargs": a.nargs, "action": type(a).__name__, "dest": a.dest}
        for a in parser._actions
        if a.dest not in ("subcommand", "command")
    ]


def unfetched(arg_table, event):
    """Options whose `http://` values version 1 leaves alone."""
    if PARAMFILE_DISABLED is None:
        return []
    return [
        name
        for name, argument in arg_table.items()
        if getattr(argument, "no_paramfile", None) or "{}.{}".format(event, name) in PARAMFILE_DISABLED
    ]


def uploaded(arg_table):
    """Options whose plain value is the path of a file that is sent."""
    models = [(name, getattr(argument, "argument_model", None)) for name, argument in arg_table.items()]
    return [
        name
        for name, model in models
        if model is not None and model.type_name == "blob" and model.serialization.get("streaming")
    ]


def operation(path, command):
    model = command._operation_model
    waits = getattr(command._operation_caller, "_waiter_name", None)
    event = "{}.{}".format(model.service_model.endpoint_prefix, command._name)
    emit(
        path=path,
        kind="waiter" if isinstance(command, WaiterStateCommand) else "operation",
        api=model.name,
        service=model.service_model.service_name,
        method=model.http.get("method"),
        readonly=bool(model._operation_model.get("readonly")),
        caller=type(command._operation_caller).__name__,
        waits=waits,
        actions=actions(ArgTableArgParser(command.arg_table)),
        unfetched=unfetched(command.arg_table, event),
        uploaded=uploaded(command.arg_table),
    )
    if getattr(command, "subcommand_table", None):
        raise SystemExit("an operation with subcommands is not understood: " + " ".join(path))


def visit(path, command):
    if type(command).__name__ == "LazyCommand":
        command = command._resolve()
    if type(command).__name__.endswith("HelpCommand"):
        return
    if isinstance(command, clidriver.ServiceCommand):
        model = command.service_model
        names = [model.metadata.get(key) for key in ("signingName", "endpointPrefix", "serviceId")]
        emit(path=path, kind="service", service=model.service_name, names=[n for n in names if n])
        children = command._get_command_table()
    elif isinstance(command, clidriver.ServiceOperation):
        return operation(path, command)
    elif isinstance(command, BasicCommand):
        children = command.subcommand_table
        table = command.arg_table
        parser = ArgTableArgParser(table, children)
        emit(path=path, kind="custom", actions=actions(parser), unfetched=unfetched(table, "custom." + command.NAME), uploaded=[])
    else:
        raise SystemExit("not understood: {} is a {}".format(" ".join(path), type(command)))
    for name, child in list(children.items()):
        visit(path + [name], child)


def main():
    driver = clidriver.create_clidriver()
    table = driver._get_command_table()
    make = getattr(driver, "create_parser", None) or driver._create_parser
    emit(path=[], kind="root", version=awscli.__version__, actions=actions(make(table)))
    for name, command in list(table.items()):
        visit([name], command)


main()
