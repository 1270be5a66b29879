"""docs/formats/tarball.md: writing."""
import hashlib, json, os, stat, struct
import zstandard
from conventions import *

def ustar(name, mode, size, mtime, kind, link=b"", prefix=b""):
    head = struct.pack("100s8s8s8s12s12s8sc100s8s32s32s8s8s155s12x", name, b"%07o\0" % mode, b"0000000\0", b"0000000\0", b"%011o\0" % size,
                       b"%011o\0" % mtime, b" " * 8, kind, link, b"ustar\x0000", b"", b"", b"0000000\0", b"0000000\0", prefix)
    return head[:148] + b"%06o\0 " % sum(head) + head[156:]


def record(key, value):
    length = len(key) + len(value) + 3
    while len(str(length)) + len(key) + len(value) + 3 != length:
        length = len(str(length)) + len(key) + len(value) + 3
    return b"%d %s=%s\n" % (length, key, value)


def entry(path, kind, mode, body, target=b""):
    stored, pax, name, prefix = path.encode() + (b"/" if kind == b"5" else b""), b"", b"", b""
    if target and (len(target) > 100 or not target.isascii()):
        pax, target = record(b"linkpath", target), b""
    if stored.isascii() and len(stored) <= 100:
        name = stored
    else:
        cut = next((at for at, byte in enumerate(stored) if byte == 47 and 1 <= len(stored) - at - 1 <= 100), None) if stored.isascii() else None
        if cut is not None and 1 <= cut <= 155:
            prefix, name = stored[:cut], stored[cut + 1:]
        else:
            pax += record(b"path", stored)
    mtime = 1000000000 + (int.from_bytes(hashlib.sha256(body).digest()[:4], "big") % 536870912 if kind == b"0" else 0)
    pad = lambda data: data + bytes(-len(data) % 512)
    front = ustar(b"PaxHeaders/entry", 0o644, len(pax), 1000000000, b"x") + pad(pax) if pax else b""
    return front + ustar(name, mode, len(body), mtime, kind, target, prefix) + pad(body)


def scan(source):
    found = []
    for above, names, files in os.walk(source):
        for name in names + files:
            full = os.path.join(above, name)
            path, mode = os.path.relpath(full, source), os.lstat(full).st_mode
            need(path_problem(path) is None, path_problem(path), path)
            if stat.S_ISLNK(mode):
                found.append((path, entry(path, b"2", 0o777, b"", os.readlink(full).encode()), 0))
            elif stat.S_ISDIR(mode):
                found.append((path, entry(path, b"5", 0o755, b""), 0))
            else:
                body = open(full, "rb").read()
                found.append((path, entry(path, b"0", 0o755 if mode & 0o100 else 0o644, body), len(body)))
    return sorted(found, key=lambda item: item[0].encode())


def cuts(entries):
    """Where chunks end, in numbers of entries."""
    lengths, start, ends = [len(data) for _, data, _ in entries], 0, []
    rank = lambda at: hashlib.sha256(entries[at][0].encode()).digest()[:8]
    while start < len(entries):
        if sum(lengths[start:]) <= 1 << 20:
            ends.append(len(entries))
            break
        total, candidates, fits = 0, [], None
        for at in range(start, len(entries)):
            total += lengths[at]
            if total > 1 << 20:
                break
            fits = at
            if total >= 256 << 10:
                candidates.append(at)
        chosen = min(candidates, key=rank) if candidates else (start if fits is None else fits)
        ends.append(chosen + 1)
        start = chosen + 1
    return ends or [0]


def pack(source, blobs):
    entries, tarball, chunks, start = scan(source), b"", [], 0
    ends = cuts(entries)
    for end in ends:
        plain = b"".join(data for _, data, _ in entries[start:end]) + (bytes(1024) if end == ends[-1] else b"")
        compressor = zstandard.ZstdCompressor(level=9, write_content_size=True, write_checksum=False, write_dict_id=False)
        raw = compressor.compress(plain)
        chunks.append({"sha256": sha256(raw), "size": len(raw), "unpacked": len(plain), "entries": end - start})
        tarball, start = tarball + raw, end
    put(blobs, sha256(tarball), tarball)
    files = [size for _, data, size in entries if data[156:157] == b"0" or data[156:157] == b"x" and not data[1024 + 156:1025 + 156] in (b"2", b"5")]
    return {"sha256": sha256(tarball), "size": len(tarball), "chunks": chunks}, len(files), sum(files)


def put(directory, name, data):
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, name), "wb") as out:
        out.write(data)


def written(value):
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
