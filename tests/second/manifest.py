"""docs/formats/manifest.md: reading and checking manifests."""
import re
from conventions import *
from signed import CHANNEL

def manifest_of(raw, release=None):
    if release:
        need(len(raw) == release["manifest"]["size"] and sha256(raw) == release["digest"], "digest")
    need(len(raw) <= MANIFEST, "too-large")
    m = "manifest"
    value = fields(load(raw, m), ("schema", "modules", "files", "bytes", "migration"), ("shared", "writable", "php", "caseSensitive"), m)
    need(value["schema"] == 1 and type(value["files"]) is type(value["bytes"]) is int, m)
    need(value["migration"] in ("none", "additive", "breaking") and (not release or release["migration"] == value["migration"]), m)
    modules, seen, entries, unpacked = is_a(value["modules"], list, m), {}, 0, 0
    need(modules, m)
    for module in modules:
        fields(module, ("name", "version", "sha256", "size", "chunks"), ("target", "replaced"), m)
        need(re.fullmatch(CHANNEL, is_a(module["name"], str, m)) and re.fullmatch(r"[!-~]{1,128}", is_a(module["version"], str, m)), m)
        is_digest(module["sha256"], m)
        for path in ([module["target"]] if "target" in module else []) + in_order(module.get("replaced", []), m):
            is_path(path, m)
        need(is_a(module["chunks"], list, m), m, "no chunks")
        for index, chunk in enumerate(module["chunks"]):
            fields(chunk, ("sha256", "size", "unpacked", "entries"), (), m)
            last, end = index + 1 == len(module["chunks"]), 1024 if index + 1 == len(module["chunks"]) else 0
            size, plain, count = (is_a(chunk[name], int, m) for name in ("size", "unpacked", "entries"))
            need(plain % 512 == 0 and plain >= end and 9 <= size <= plain + plain // 256 + 1024, m, "sizes of a chunk")
            need(count <= (plain - end) // 512 and (count or last and plain == end), m, "entries of a chunk")
            need(seen.setdefault(is_digest(chunk["sha256"], m), (size, plain, count)) == (size, plain, count), m)
        need(module["size"] == sum(chunk["size"] for chunk in module["chunks"]), m)
        count = sum(chunk["entries"] for chunk in module["chunks"])
        need(len(module.get("replaced", [])) <= count, m)
        entries, unpacked = entries + count, unpacked + sum(chunk["unpacked"] for chunk in module["chunks"])
    in_order([module["name"] for module in modules], m)
    need(unpacked <= NUMBER and value["files"] <= entries and value["bytes"] <= unpacked, m)
    directories(value)
    if "php" in value:
        php = fields(value["php"], ("version",), ("warm",), m)
        need(re.fullmatch(r"[0-9.]{1,16}", is_a(php["version"], str, m)), m)
        [is_path(path, m) for path in php.get("warm", [])]
    return value


def asked(value):
    """Shared and writable directories, each with its kind."""
    found = [(path, "shared") for path in value.get("shared", [])]
    return found + [(item["path"], "kept" if item.get("keep") else "fresh") for item in value.get("writable", [])]


def aside(path):
    above, _, name = path.rpartition("/")
    return (above + "/" if above else "") + f".{name}.shipped"


def directories(value):
    m = "manifest"
    [is_path(path, m) for path in in_order(value.get("shared", []), m)]
    for item in value.get("writable", []):
        fields(item, ("path",), ("keep",), m)
        is_path(item["path"], m)
        is_a(item.get("keep", False), bool, m)
    in_order([item["path"] for item in value.get("writable", [])], m)
    all_of = asked(value)
    for at, (path, kind) in enumerate(all_of):
        need(path_problem("0123456789abcdef/" + path) is None and path_problem(aside(path)) is None, m, f"{path} is too long")
        for other_at, (other, of) in enumerate(all_of):
            if at != other_at and within(path, other):
                need(path != other and (kind, of) == ("shared", "fresh"), m, f"{path} is within {other}")
            need(not within(path, aside(other)), m, f"{path} is where is kept what is shipped for {other}")
