"""Damage to files: of bytes, and of what a format means by them."""

import io
import json
import random
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import yaml

NUMBERS = (
    0,
    1,
    -1,
    2**31 - 1,
    2**32 - 1,
    2**63,
    -(2**63),
    10**30,
    1e308,
    -1e-308,
    float("nan"),
    float("inf"),
    0.5,
    1e6,
)

TEXTS = (
    *("", " ", "\n", "\x00", "\x1b[31m", "\ud800", "../../outside", "/etc/passwd", "~", "None", "nan", "1e999"),
    *("evil_module:run", "!!python/object/apply:os.system ['touch evil']", "<script>alert(1)</script>", "a" * 5000),
    *("__import__('evil_module')", "{0.__class__}", "%s%n", "evil\r\nlines", "é\u202e", "version: 1"),
)

Mutator = Callable[[bytes, random.Random], bytes]


def of_bytes(data: bytes, chance: random.Random) -> bytes:
    """Bits flipped, parts cut out, doubled or filled, lengths that lie."""
    found = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 4])):
        found = found or bytearray(1)
        # Headers lie at the beginning, of some formats at the end.
        ranges = [len(found), min(len(found), 128), min(len(found), 16)]
        place, length = chance.randrange(chance.choice(ranges)), chance.randint(1, 60)
        if chance.random() < 0.1:
            place = len(found) - 1 - chance.randrange(min(len(found), 64))
        match chance.randrange(8):
            case 0 | 1:
                found[place] ^= 1 << chance.randrange(8)
            case 2:
                del found[place:]
            case 3:
                del found[place : place + length]
            case 4:
                found[place:place] = found[place : place + length]
            case 5:
                order = chance.choice("<>")
                number = chance.choice([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, chance.getrandbits(32)])
                found[place : place + 4] = struct.pack(f"{order}I", number)
            case 6:
                found[place : place + length] = chance.randbytes(length)
            case _:
                found += chance.randbytes(length)
    return bytes(found)


def value(old: Any, chance: random.Random) -> Any:
    """Something else in place of a value of a tree."""
    match chance.randrange(9):
        case 0:
            return None
        case 1 | 2:
            return chance.choice(NUMBERS)
        case 3 | 4:
            return chance.choice(TEXTS)
        case 5:
            return chance.choice([[], {}, True, False, [old], {"a": old}, [[]], [None], {"": None}])
        case 6 if isinstance(old, list):
            return chance.choice([old[:-1], old + old, [*old, None], old[::-1]])
        case 7 if isinstance(old, int | float):
            return chance.choice([-old, old * 1e9, str(old), old + 1])
        case _:
            deep: Any = old
            for _ in range(chance.choice([1, 60])):
                deep = [deep]
            return deep


def tree(root: Any, chance: random.Random) -> Any:
    """A tree of JSON or YAML with one place changed, added or taken away."""
    places: list[tuple[Any, Any]] = []
    waiting = [root]
    while waiting:
        one = waiting.pop()
        keys = list(one) if isinstance(one, dict) else range(len(one)) if isinstance(one, list) else []
        for key in keys:
            places.append((one, key))
            waiting.append(one[key])
    if not places or chance.random() < 0.05:
        return value(root, chance)
    holder, key = chance.choice(places)
    match chance.randrange(6):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[chance.choice([*TEXTS, key + "s"])] = holder.pop(key)
        case 2 if isinstance(holder, dict):
            holder[chance.choice(TEXTS)] = value(None, chance)
        case _:
            holder[key] = value(holder[key], chance)
    return root


def of_json_lines(data: bytes, chance: random.Random) -> bytes:
    """Records of JSON lines, or one of JSON."""
    lines = data.decode().splitlines()
    if data.startswith(b"{\n"):
        lines = [" ".join(lines)]
    index = chance.randrange(len(lines))
    match chance.randrange(10):
        case 0:
            lines.pop(index)
        case 1:
            lines.insert(index, lines[chance.randrange(len(lines))])
        case 2:
            lines[index] = chance.choice(["[" * 100_000, '{"a":' * 50_000, "null", "[]", "1", "NaN", '"x"', "{}"])
        case _:
            lines[index] = json.dumps(tree(json.loads(lines[index]), chance))
    return "\n".join(lines).encode("utf-8", "surrogatepass") + b"\n"


ODD_YAML = (
    "a: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b]\n"
    "d: &d [*c, *c, *c, *c, *c, *c, *c, *c]\ne: &e [*d, *d, *d, *d, *d, *d, *d]\nf: [*e, *e, *e, *e, *e, *e, *e]\n",
    "version: 1\n<<: &x {model: *x}\n",
    "!!python/object/apply:os.system ['touch evil']\n",
    "!!python/name:evil_module.run\n",
    "data: !!binary x\n",
    "? [1, 2]\n: 3\n",
    "version: 2001-99-99\n",
    "--- 1\n--- 2\n",
    "{" * 5000,
)


# libyaml, where PyYAML has it, is ten times as fast; what is tried reads by Python's own reader.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def of_spec(name: str, data: bytes, chance: random.Random) -> bytes:
    """A spec of few of its sections, as users write them, and quick to read; one place in it is another."""
    if chance.random() < 0.2:
        return damaged(name, data, chance)
    root = yaml.load(data, LOADER)
    kept = {key: one for key, one in root.items() if chance.random() < 0.4}
    return _dumped(tree(kept, chance))


def of_yaml(data: bytes, chance: random.Random) -> bytes:
    if chance.random() < 0.05:
        return chance.choice(ODD_YAML).encode()
    if chance.random() < 0.03:
        return data + chance.choice(ODD_YAML).encode()
    return _dumped(tree(yaml.load(data, LOADER), chance))


def _dumped(root: Any) -> bytes:
    try:
        return yaml.dump(root, Dumper=DUMPER, sort_keys=False, allow_unicode=True).encode()
    except UnicodeEncodeError:  # libyaml writes no half of a surrogate pair
        return yaml.safe_dump(root, sort_keys=False, allow_unicode=True).encode("utf-8", "surrogatepass")


def of_csv(data: bytes, chance: random.Random) -> bytes:
    """Cells, rows and columns of a table."""
    rows = [line.split(",") for line in data.decode().splitlines()]
    row = chance.randrange(len(rows)) if chance.random() < 0.7 else 0
    match chance.randrange(7):
        case 0:
            rows.pop(row)
        case 1:
            rows.insert(row, list(rows[chance.randrange(len(rows))]))
        case 2:
            rows[row] = rows[row] + rows[row]
        case 3:
            rows[row].pop()
        case _:
            new = chance.choice([*map(str, NUMBERS), *TEXTS, '"', '"a\nb"', "=1+1"])
            rows[row][chance.randrange(len(rows[row]))] = new
    text = "\n".join(map(",".join, rows)) + "\n"
    return text.encode(chance.choice(["utf-8", "utf-8", "utf-16"]), "surrogatepass")


def npy_header(data: bytes, chance: random.Random) -> bytes:
    """The dictionary that a .npy file begins with."""
    length = struct.unpack_from("<H", data, 8)[0]
    fields = {
        "descr": repr(chance.choice(["|u1", "|O", "<f8", "<f2", "<c8", "<U3", "|V8", "<M8[s]", "x", "|u1" * 99])),
        "fortran_order": chance.choice(["True", "False", "1", "None", "evil_module.run()"]),
        "shape": chance.choice(
            [
                "()",
                "(0,)",
                "(24, 16, 16)",
                "(1,)",
                "(9999999999,)",
                "(99999, 99999, 99999)",
                "(-1, 16)",
                "24",
                "(2**70,)",
            ]
        ),
    }
    if chance.random() < 0.7:
        kept = chance.choice(list(fields))
        true = {"descr": "'|u1'", "fortran_order": "False", "shape": "(24, 16, 16)"}
        fields = true | {kept: fields[kept]}
    if chance.random() < 0.1:
        fields[repr(chance.choice(TEXTS))[1:-1]] = "0"
    text = "{" + ", ".join(f"'{name}': {text}" for name, text in fields.items()) + "}\n"
    header = text.encode("latin-1", "replace")[:60000]
    return data[:8] + struct.pack("<H", len(header)) + header + data[10 + length :]


def of_npy(data: bytes, chance: random.Random) -> bytes:
    return npy_header(data, chance) if chance.random() < 0.5 else of_bytes(data, chance)


def of_npz(data: bytes, chance: random.Random) -> bytes:
    """Members of an archive of arrays: damaged, renamed, doubled, of more than they say."""
    if chance.random() < 0.4:
        return of_bytes(data, chance)
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as archive,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as changed,
    ):
        names = archive.namelist()
        for name in names:
            content, written = archive.read(name), name
            match chance.randrange(6):
                case 0:
                    content = npy_header(content, chance)
                case 1:
                    odd = chance.choice([*TEXTS, "../../outside.npy", "/outside.npy", "x_train.npy", "images"])
                    written = odd.encode("utf-8", "replace").decode().split("\0")[0] or "x"
                case 2:
                    content = bytes(chance.choice([0, 999]) if chance.random() < 0.95 else 30 << 20)
                case _:
                    pass
            changed.writestr(written, content)
    return out.getvalue()


def of_tensors(data: bytes, chance: random.Random) -> bytes:
    """The JSON header of a safetensors file, with a length that fits or not."""
    if chance.random() < 0.3:
        return of_bytes(data, chance)
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    if chance.random() < 0.5 and "ratescape" in header.get("__metadata__", {}):
        # Our own header: as text inside the metadata, with a digest that is then wrong, or none.
        stamp = json.loads(header["__metadata__"]["ratescape"])
        if chance.random() < 0.5:
            stamp["header"] = json.dumps(tree(json.loads(stamp["header"]), chance))
        else:
            stamp = tree(stamp, chance)
        header["__metadata__"]["ratescape"] = json.dumps(stamp)
    else:
        header = tree(header, chance)
    text = json.dumps(header).encode()
    stated = len(text) if chance.random() < 0.9 else chance.choice([0, 1, 2**40, 2**63])
    return stated.to_bytes(8, "little") + text + data[8 + length :]


BY_ENDING: dict[str, Mutator] = {
    ".jsonl": of_json_lines,
    ".json": of_json_lines,
    ".yaml": of_yaml,
    ".csv": of_csv,
    ".npy": of_npy,
    ".npz": of_npz,
    ".safetensors": of_tensors,
}


def damaged(name: str, data: bytes, chance: random.Random) -> bytes:
    """A file that is damaged in a way of its kind, or of any."""
    mutate = BY_ENDING.get(name[name.rfind(".") :], of_bytes)
    if chance.random() < 0.25 or not data:
        mutate = of_bytes
    return mutate(data, chance)
