#!/usr/bin/env python3
"""Verifies a ledger from the description in docs/ledger_format.md alone; shares no code with the programs.

Usage: verify_ledger.py DIRECTORY. Prints one JSON object. Exit 0 sealed, 4 not sealed, 2 tampered, 3 unreadable.
Needs only the standard library; Ed25519 is RFC 8032's arithmetic, written out."""
import base64, hashlib, json, os, re, sys

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def inverse_root(y, sign):
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    assert (x * x - square) % P == 0, "not a point"
    return P - x if x & 1 != sign else x


def point(data):
    number = int.from_bytes(data, "little")
    y = number & (2**255 - 1)
    x = inverse_root(y, number >> 255)
    return (x, y, 1, x * y % P)


def add(a, b):
    e = (a[1] - a[0]) * (b[1] - b[0]) % P
    f = (a[1] + a[0]) * (b[1] + b[0]) % P
    g, h = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    w, x, y, z = f - e, h - g, h + g, f + e
    return (w * x % P, y * z % P, x * y % P, w * z % P)


def times(n, p):
    q = (0, 1, 1, 0)
    while n:
        if n & 1:
            q = add(q, p)
        p, n = add(p, p), n >> 1
    return q


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE = (inverse_root(BASE_Y, 0), BASE_Y, 1, inverse_root(BASE_Y, 0) * BASE_Y % P)


def signed(key, text, signature):
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    h = int.from_bytes(hashlib.sha512(r + key + text).digest(), "little") % L
    a, b = times(s, BASE), add(point(r), times(h, point(key)))
    return s < L and (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def root(peaks):
    if not peaks:
        return sha()
    hash_ = peaks[-1]
    for left in reversed(peaks[:-1]):
        hash_ = sha(b"\x01", left, hash_)
    return hash_


LINE = re.compile(
    rb'\{"w":"([^"\\]*)","e":(\d+),"n":(\d+),"t":"[^"\\]*","m":(\d+),"k":"([A-Za-z]+)",'
    rb'"c":(?:null|\{"uid":\d+,"gid":\d+,"pid":\d+\}),"p":"([0-9a-f]{64})","d":(.*)')


class Ledger:
    def __init__(self):
        self.head, self.next, self.epoch, self.last = bytes(32), 0, 0, None
        self.peaks, self.key, self.segment, self.pruned, self.first_segment = [], None, 0, 0, 1
        self.signed = (0, 0)

    def note(self, kind, note, key, more=()):
        """A signed note over the records before this one."""
        text, signature = note.split("\n\n", 1)
        lines = text.split("\n")
        blob = base64.b64decode(signature.strip().rsplit(" ", 1)[1])
        name = key.split("+")[0]
        public = base64.b64decode(key.split("+", 2)[2])
        assert blob[:4] == sha(name.encode(), b"\n", public)[:4], "signed with another epoch's key"
        assert signed(public[1:], (text + "\n").encode(), blob[4:]), "the signature does not fit"
        expected = [name, str(self.next), base64.b64encode(root(self.peaks)).decode(),
                    "kind " + kind, "epoch %d" % self.epoch, "head " + self.head.hex(), *more]
        assert lines == expected, "the note says %r where %r is" % (lines, expected)

    def record(self, line, starts_segment):
        assert line[-72:-66] == b',"h":"' and line[-2:] == b'"}', "no hash at the end"
        body, hash_ = line[:-72], bytes.fromhex(line[-66:-2].decode())
        match = LINE.fullmatch(body)
        assert match, "not a record"
        writer, epoch, seq, clock, kind, previous, data = match.groups()
        epoch, seq, clock, kind, data = int(epoch), int(seq), int(clock), kind.decode(), json.loads(data)
        if kind == "OPEN" and self.key is None and seq > 0:
            self.next, self.head, self.epoch = seq, bytes.fromhex(previous.decode()), epoch - 1
            self.peaks = [bytes.fromhex(peak) for peak in data["tree"]]
            self.segment, self.first_segment = data["segment"] - 1, data["segment"]
        assert seq == self.next, "record %d where %d should be" % (seq, self.next)
        assert previous.decode() == self.head.hex(), "does not continue the chain"
        computed = sha(b"audit-chain/1", self.head, seq.to_bytes(8, "big"), len(body).to_bytes(8, "big"), body)
        assert computed == hash_, "edited"
        assert epoch == self.epoch + (kind == "OPEN"), "epoch %d" % epoch
        self.epoch = epoch
        if kind == "OPEN":
            assert data["format"] == "audit-chain/1", "another format"
            self.segment += starts_segment
            assert data["segment"] == self.segment, "segment %d" % data["segment"]
            assert not starts_segment or self.key is None or self.last == "SEAL", "a segment without a SEAL"
            if self.key or seq == 0:
                more = ("segment %d" % self.segment, "key " + data["key"])
                self.note(kind, data["note"], self.key or data["key"], more)
            self.key = data["key"]
        else:
            assert self.key and not starts_segment and self.last != "SEAL", "an OPEN should stand here"
            if kind in ("CHECKPOINT", "SEAL", "PRUNE"):
                more = ("through %d" % data["through"],) if kind == "PRUNE" else ()
                self.note(kind, data["note"], self.key, more)
                self.pruned = data["through"] if kind == "PRUNE" else self.pruned
            else:
                assert clock - self.signed[1] <= 90 * 10**9 and seq - self.signed[0] <= 20000, "no checkpoint"
        if kind in ("OPEN", "CHECKPOINT", "SEAL", "PRUNE"):
            self.signed = (seq, clock)
        leaf, size = sha(b"\x00", line), self.next
        while size & 1:
            leaf, size = sha(b"\x01", self.peaks.pop(), leaf), size >> 1
        self.peaks.append(leaf)
        self.head, self.next, self.last = hash_, self.next + 1, kind


def main(directory):
    names = sorted(name for name in os.listdir(directory) if re.fullmatch(r"ledger-\d+\.ndjson", name))
    if not names:
        return 3, {"verify": "unreadable"}
    ledger, first, is_torn = Ledger(), None, False
    for name in names:
        data = open(os.path.join(directory, name), "rb").read()
        end = data.find(b"\0")
        end = data.rfind(b"\n", 0, len(data) if end < 0 else end) + 1
        lines, tail = data[:end].split(b"\n")[:-1], data[end:]
        torn = tail.rstrip(b"\0")
        is_torn = torn != b"" or (tail != b"" and name != names[-1])
        for number, line in enumerate(lines):
            try:
                ledger.record(line, number == 0)
            except (AssertionError, ValueError, KeyError, IndexError) as error:
                return 2, {"verify": "tampered", "file": name, "line": number + 1, "what": str(error)}
            first = ledger.next - 1 if first is None else first
        if b"\n" in torn[:-1] or len(tail) - len(torn) > 2**20 or is_torn and name != names[-1]:
            return 2, {"verify": "tampered", "file": name, "line": len(lines) + 1, "what": "torn"}
    found = {"records": ledger.next - (first or 0), "epoch": ledger.epoch,
             "head": ledger.head.hex(), "root": root(ledger.peaks).hex()}
    if ledger.first_segment - 1 > ledger.pruned:
        return 2, {"verify": "tampered", "what": "segments are missing and no PRUNE says so", **found}
    if is_torn or ledger.last != "SEAL":
        return 4, {"verify": "unsealed", **found}
    return 0, {"verify": "sealed", **found}


if __name__ == "__main__":
    status, report = main(sys.argv[1])
    print(json.dumps(report))
    sys.exit(status)
