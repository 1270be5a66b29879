"""docs/formats/tarball.md and manifest.md: reading chunks, and making a tree of them."""
import hashlib, os, re, struct
import zstandard
from conventions import *
from manifest import aside, asked

def frame(raw, plain):
    """Checks a frame by its lengths, and gives it decompressed."""
    need(len(raw) >= 4, "truncated")
    magic = struct.unpack("<I", raw[:4])[0]
    need(not 0x184D2A50 <= magic <= 0x184D2A5F, "trailing")
    need(magic == 0xFD2FB528, "header")
    need(len(raw) >= 5, "truncated")
    flags = raw[4]
    need(not flags & 0x0B, "header", "a reserved bit or a dictionary")
    single, at, window = bool(flags & 0x20), 5, 0
    if not single:
        need(len(raw) > at, "truncated")
        base = 1 << (10 + (raw[at] >> 3))
        window, at = base + base // 8 * (raw[at] & 7), at + 1
    length = {0: 1 if single else 0, 1: 2, 2: 4, 3: 8}[flags >> 6]
    need(length, "limit", "no content size")
    need(len(raw) >= at + length, "truncated")
    content = int.from_bytes(raw[at:at + length], "little") + (256 if length == 2 else 0)
    need(max(window, content if single else 0) <= WINDOW, "window")
    need(content == plain, "limit")
    at += length
    while True:
        need(len(raw) >= at + 3, "truncated")
        head = int.from_bytes(raw[at:at + 3], "little")
        need(head >> 1 & 3 != 3, "header", "a reserved block")
        at += 3 + (1 if head >> 1 & 3 == 1 else head >> 3)
        if head & 1:
            break
    at += 4 if flags & 4 else 0
    need(len(raw) >= at, "truncated")
    need(len(raw) == at, "trailing")
    try:
        data = zstandard.ZstdDecompressor(max_window_size=WINDOW).decompress(raw)
    except zstandard.ZstdError as error:
        raise Refused("limit", str(error)) from error
    need(len(data) == plain, "truncated")
    return data


def octal(field, what):
    digits = re.match(rb"[0-7]*", field).group()
    need(digits and not field[len(digits):].strip(b"\0 "), "header", what)
    return int(digits, 8)


def records(data):
    found = {}
    while data:
        match = re.match(rb"([1-9][0-9]*) ", data)
        need(match and len(data) >= int(match.group(1)) > match.end(), "header", "PAX")
        record, data = data[match.end():int(match.group(1))], data[int(match.group(1)):]
        need(record.endswith(b"\n") and b"=" in record, "header", "PAX")
        key, value = record[:-1].split(b"=", 1)
        need(not key.startswith((b"SCHILY.xattr.", b"SCHILY.acl.", b"LIBARCHIVE.xattr.", b"RHT.security.")), "type-forbidden")
        need(key in (b"path", b"linkpath", b"size") and key not in found, "header", "PAX key")
        need(key != b"size" or re.fullmatch(rb"[1-9][0-9]*", value), "header", "PAX size")
        found[key] = value
    return found


def text(field):
    found = field.split(b"\0", 1)[0]
    need(not field[len(found):].strip(b"\0"), "path-unsafe", "a NUL byte in a name")
    return found


def check(block):
    stored = octal(block[148:156], "checksum")
    need(stored == sum(block) - sum(block[148:156]) + 8 * 32, "header", "checksum")
    need(block[257:265] == b"ustar\x0000" and not block[500:].strip(b"\0"), "header", "no ustar")
    kind = block[156:157]
    need(kind not in b"gSLK", "header")
    need(kind in b"025x", "type-forbidden")
    return kind


def entries_of(data, last):
    """The entries of an unpacked chunk: (path as bytes, kind, executable, mtime, body or target)."""
    at, found = 0, []

    def block():
        nonlocal at
        need(at + 512 <= len(data), "truncated")
        at += 512
        return data[at - 512:at]
    while at < len(data):
        head, pax = block(), {}
        if not head.strip(b"\0"):
            need(last, "trailing")
            need(at + 512 <= len(data), "truncated")
            need(not block().strip(b"\0") and at == len(data), "trailing")
            return found
        if check(head) == b"x":
            size = octal(head[124:136], "PAX size")
            need(0 < size <= 4096, "header")
            need(at + size <= len(data), "truncated")
            pax = records(data[at:at + size])
            need(not data[at + size:at + -(-size // 512) * 512].strip(b"\0"), "header", "padding")
            at += -(-size // 512) * 512
            head = block()
            need(head.strip(b"\0"), "header")
            need(check(head) != b"x", "header")
        kind, mode, stored, mtime = check(head), octal(head[100:108], "mode"), octal(head[124:136], "size"), octal(head[136:148], "mtime")
        size = stored
        if b"size" in pax:
            size = int(pax[b"size"])
            need(stored == 0 and size >= 1 << 33, "header")
        name = pax[b"path"] if b"path" in pax else b"/".join(part for part in (text(head[345:500]), text(head[:100])) if part)
        target = pax[b"linkpath"] if b"linkpath" in pax else text(head[157:257])
        if kind == b"5":
            need(name.endswith(b"/"), "header")
            name = name[:-1]
        need(kind == b"2" or not target, "header")
        if kind == b"0":
            need(1000000000 <= mtime <= 1536870911, "header", "mtime")
        else:
            need(not size and mtime == 1000000000, "header")
        need(at + -(-size // 512) * 512 <= len(data), "truncated")
        body = data[at:at + size]
        need(not data[at + size:at + -(-size // 512) * 512].strip(b"\0"), "header", "padding")
        at += -(-size // 512) * 512
        found.append((name, kind, bool(mode & 0o100), mtime, target if kind == b"2" else body))
    need(not last, "truncated")
    return found


def link_target(raw):
    need(raw and b"\0" not in raw, "path-unsafe")
    need(len(raw) <= 1024, "path-too-long")
    try:
        target = raw.decode()
    except UnicodeDecodeError as error:
        raise Refused("name-encoding") from error
    need(not any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in target), "name-encoding")
    return target


def walk(path, base, links, elsewhere):
    """Follows a link through all others; at most 40 in all, and not up from a shared or writable directory."""
    at, ahead, hops, entered = path.split("/")[:-1], links[path].split("/")[::-1], 1, False
    need(not links[path].startswith("/"), "link-escape")
    while ahead:
        name = ahead.pop()
        if name in ("", "."):
            continue
        if name == "..":
            need(not entered and len("/".join(at)) > len(base), "link-escape", path)
            at.pop()
            continue
        here = "/".join(at + [name])
        if here in links:
            hops += 1
            need(hops <= 40 and not links[here].startswith("/"), "link-escape", path)
            ahead += links[here].split("/")[::-1]
        else:
            at.append(name)
            entered = entered or here in elsewhere


def unpack(store, manifest, tree):
    """Makes the tree in the empty directory `tree`, without shared and writable directories."""
    paths, links, bases, files, size = {}, {}, {}, 0, 0

    def directory(path):
        if path and path not in paths:
            directory(path.rpartition("/")[0])
            paths[path] = "directory"
            os.mkdir(os.path.join(tree, path))
        need(not path or paths[path] == "directory", "duplicate", path)
    for module in manifest["modules"]:
        base = module.get("target", "")
        blob, start = open(os.path.join(store, "blobs/sha256", module["sha256"]), "rb"), 0
        for index, chunk in enumerate(module["chunks"]):
            blob.seek(start)
            raw, start = blob.read(chunk["size"]), start + chunk["size"]
            need(len(raw) == chunk["size"], "truncated")
            need(sha256(raw) == chunk["sha256"], "digest")
            found = entries_of(frame(raw, chunk["unpacked"]), index + 1 == len(module["chunks"]))
            need(len(found) == chunk["entries"], "limit" if len(found) > chunk["entries"] else "truncated")
            for name, kind, executable, mtime, body in found:
                try:
                    own = name.decode()
                except UnicodeDecodeError as error:
                    raise Refused("name-encoding") from error
                path = f"{base}/{own}" if base else own
                problem = path_problem(path) or path_problem(own)
                need(problem is None, problem, path)
                if own in module.get("replaced", []):
                    continue
                if kind == b"2":
                    need(path not in links, "duplicate", path)
                    links[path], bases[path] = link_target(body), base
                elif kind == b"5":
                    directory(path)
                else:
                    need(path not in paths, "duplicate", path)
                    directory(path.rpartition("/")[0])
                    paths[path] = "file"
                    want = 1000000000 + int.from_bytes(hashlib.sha256(body).digest()[:4], "big") % 536870912
                    need(mtime == want, "header", f"mtime of {path}: a writer made it otherwise")
                    full = os.path.join(tree, path)
                    with open(full, "xb") as out:
                        out.write(body)
                    os.chmod(full, 0o755 if executable else 0o644)
                    os.utime(full, (mtime, mtime))
                    files, size = files + 1, size + len(body)
    stageable(manifest, paths, links, bases, directory)
    for path, target in links.items():
        directory(path.rpartition("/")[0])
        os.symlink(target, os.path.join(tree, path))
    need((files, size) == (manifest["files"], manifest["bytes"]), "manifest", f"{files} files of {size} bytes")


def stageable(manifest, paths, links, bases, directory):
    """manifest.md, what a tree may be."""
    def obstacle(path):
        parts = path.split("/") if path else []
        for end in range(1, len(parts) + 1):
            part = "/".join(parts[:end])
            if part in links:
                return part, "link"
            if paths.get(part) == "file":
                return part, "file"
        return None
    for path in links:
        need(paths.get(path) != "file", "duplicate", path)
    targets = [module["target"] for module in manifest["modules"] if "target" in module]
    for target in targets:
        found = obstacle(target)
        need(not found, "path-unsafe" if found and found[1] == "link" else "duplicate", target)
    for path in links:
        if path in paths:
            raise Refused("path-unsafe" if any(within(other, path) and other != path for other in paths) else "duplicate", path)
        found = obstacle(path.rpartition("/")[0])
        need(not found, "path-unsafe" if found and found[1] == "link" else "duplicate", path)
    elsewhere = {path for path, _ in asked(manifest)}
    for path in links:
        walk(path, bases[path], links, elsewhere)
    for path, kind in asked(manifest):
        need(not obstacle(path), "duplicate", path)
        need(aside(path) not in paths and aside(path) not in links, "duplicate", aside(path))
        everything = list(paths) + list(links) + targets
        need(kind != "kept" or not any(within(other, path) and other != path for other in everything), "duplicate", path)
    for target in targets:
        directory(target)
