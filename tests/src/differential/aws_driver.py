"""Runs the real aws many times in one interpreter: a line per request on standard input, a line per answer.

{"run": [WORDS]}      what the line does: {"code", "sent": [{"operation", "region", "url", "body"}], "elsewhere": [...], "started": [...]}
{"sample": [WORDS]}   the options of a command: {"options": {NAME: {"required", "words"}}, "positionals": n}

Every line runs in a child of its own, made from an interpreter that has the tool loaded. The tool parses, validates and signs as
ever; the signed request is recorded instead of sent (botocore's own event `before-send`), and answered with nothing in it.
Sockets and programs are recorded and refused. What the child prints goes to the file named by the first argument.
"""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time

import awscli.clidriver as clidriver

try:
    from awscli.botocore.awsrequest import AWSResponse
except ImportError:
    from botocore.awsrequest import AWSResponse

SECONDS = 8
# What the tool uses to show its help; nobody sees it.
PAGERS = ("groff", "less", "more", "mandoc")


class Raw(io.BytesIO):
    """A body as urllib3 has it."""

    def stream(self, *_args, **_kwargs):
        yield self.read()

    def release_conn(self):
        pass


def answer(event_name, request):
    operation = event_name.rsplit(".", 1)[-1]
    kind = str(request.headers.get("Content-Type", ""))
    if "form-urlencoded" in kind:
        body = f"<{operation}Response><{operation}Result/></{operation}Response>"
    elif any(host in request.url for host in ("s3", "route53", "cloudfront")):
        body = "" if request.method == "HEAD" else "<Result/>"
    else:
        body = "{}"
    headers = {"ETag": '"x"', "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT", "Content-Length": str(len(body) or 4)}
    return AWSResponse(request.url, 200, headers, Raw(body.encode()))


def text(body):
    if body is None:
        return ""
    if hasattr(body, "read"):
        place = body.tell()
        body.seek(0)
        read = body.read()
        body.seek(place)
        body = read
    return body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body)


def run(driver, words):
    done = {"code": None, "sent": [], "elsewhere": [], "started": []}

    def record(request, event_name, **_):
        signed = request.headers.get("Authorization", "")
        signed = signed.decode() if isinstance(signed, bytes) else signed
        scope = signed.split("Credential=")[-1].split("/") if "Credential=" in signed else []
        done["sent"].append({
            "operation": event_name.rsplit(".", 1)[-1],
            "region": scope[2] if len(scope) > 2 else None,
            "url": request.url,
            "body": text(request.body)[:20000],
        })
        if len(done["sent"]) > 20:
            raise OSError("enough")
        return answer(event_name, request)

    def connect(self, address):
        if self.family != socket.AF_UNIX:
            done["elsewhere"].append(str(address))
        raise OSError("nothing is sent from here")

    def resolve(*address, **_):
        done["elsewhere"].append(str(address[:2]))
        raise OSError("nothing is sent from here")

    def start(*args, **kwargs):
        command = args[0] if args else kwargs.get("args")
        first = command if isinstance(command, str) else command[0]
        if first.split(" ")[0].rsplit("/", 1)[-1] not in PAGERS:
            done["started"].append(str(first))
        raise OSError("no program is started from here")

    naps = []

    def nap(_seconds):
        naps.append(1)
        if len(naps) > 20:
            raise OSError("enough waiting")

    driver.session.register("before-send", record)
    socket.socket.connect = connect
    socket.getaddrinfo = resolve
    subprocess.Popen.__init__ = lambda self, *args, **kwargs: start(*args, **kwargs)
    time.sleep = nap
    try:
        point = getattr(clidriver, "AWSCLIEntryPoint", None)
        done["code"] = (point(driver) if point else driver).main(words)
    except SystemExit as leaves:
        done["code"] = leaves.code if isinstance(leaves.code, int) else 1
    return done


def sample(driver, words):
    command = driver
    for word in words:
        inner = getattr(command, "_get_command_table", None) or getattr(command, "subcommand_table", {})
        command = (inner() if callable(inner) else inner)[word]
    options, positionals = {}, 0
    for name, argument in command.arg_table.items():
        if getattr(argument, "positional_arg", False):
            positionals += 1
            continue
        model = getattr(argument, "argument_model", None)
        kind = getattr(argument, "cli_type_name", "string")
        options[name] = {
            "required": bool(getattr(argument, "required", False)),
            "words": [] if kind == "boolean" else spelled(model),
        }
    return {"options": options, "positionals": positionals}


def spelled(model):
    if model is None:
        return ["x"]
    made = value(model, 0)
    if model.type_name == "list" and all(not isinstance(item, (dict, list)) for item in made):
        return [str(item) for item in made]
    return [made if isinstance(made, str) else json.dumps(made)]


def value(shape, depth):
    least = (getattr(shape, "metadata", None) or {}).get("min", 0)
    kind = shape.type_name
    if kind == "structure":
        needed = [] if depth > 4 else list(shape.required_members)
        if not needed and shape.members and depth == 0:
            needed = list(shape.members)[:1]
        return {name: value(shape.members[name], depth + 1) for name in needed}
    if kind == "list":
        return [value(shape.member, depth + 1)] * max(1, min(int(least), 5))
    if kind == "map":
        return {}
    if kind in ("integer", "long"):
        return max(1, int(least))
    if kind in ("float", "double"):
        return 1.0
    if kind == "boolean":
        return True
    if kind == "blob":
        return "eHh4eA=="
    if kind == "timestamp":
        return "2026-01-01T00:00:00Z"
    chosen = getattr(shape, "enum", None)
    return chosen[0] if chosen else "x" * max(1, min(int(least), 200))


def in_child(output, work):
    """What `work` returns, from a child; `None` when it does not end in time."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        signal.alarm(SECONDS)
        printed = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(printed, 1)
        os.dup2(printed, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        done = {"code": None, "sent": [], "elsewhere": [], "started": [], "options": {}, "positionals": 0}
        try:
            done = work()
        except BaseException as error:
            print(f"driver: {error!r}", file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
        with os.fdopen(write, "w") as pipe:
            json.dump(done, pipe)
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        got = pipe.read()
    os.waitpid(child, 0)
    return json.loads(got) if got else None


def main():
    output, warm = sys.argv[1], sys.argv[2:]
    driver = clidriver.create_clidriver()
    loader = driver.session.get_component("data_loader")
    for service in warm:
        loader.load_service_model(service, "service-2")
    for line in sys.stdin:
        asked = json.loads(line)
        if "run" in asked:
            done = in_child(output, lambda: run(driver, asked["run"]))
        else:
            done = in_child(output, lambda: sample(driver, asked["sample"]))
        print(json.dumps(done), flush=True)


main()
