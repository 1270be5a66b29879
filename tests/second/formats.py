#!/usr/bin/env python3
"""A second reader and writer of Longshore's formats, made from docs/formats alone: what it needs to know and the pages do not say, they lack.

  formats.py pull    STORE CHANNEL ROOT TARGET     what a fresh pod does: verify the channel's release, unpack it into TARGET
  formats.py publish STORE CHANNEL ROOT KEY SPEC   SPEC is JSON: {"modules": [{name, version, source, target?}], "shared", "writable"}
  formats.py golden  DIRECTORY                     read every golden file of version 1

STORE is a directory. It ends with 0; or with 65 and a line `reason: CODE` on standard error.
"""
import base64, datetime, json, os, sys
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from conventions import *
from manifest import manifest_of
from pack import cuts, entry, pack, put, written
from signed import *
from unpack import entries_of, frame, unpack


def newest_root(store, raw):
    root = root_of(raw)
    for step in range(ROOTS + 1):
        path = os.path.join(store, f"trust/{root['version'] + 1}.root.json")
        if not os.path.exists(path):
            return root
        need(step < ROOTS, "root-chain")
        root = root_of(open(path, "rb").read(), root)


def pull(store, channel, root, tree):
    trusted = newest_root(store, open(root, "rb").read())
    release = release_of(open(os.path.join(store, f"channels/{channel}/release.json"), "rb").read(), trusted)
    accept(release, trusted, channel, datetime.datetime.now(datetime.timezone.utc))
    manifest = manifest_of(open(os.path.join(store, "blobs/sha256", release["digest"]), "rb").read(), release)
    os.mkdir(tree)
    unpack(store, manifest, tree)
    print(json.dumps({"sequence": release["sequence"], "manifest": release["digest"], "files": manifest["files"]}))


def publish(store, channel, root, key, spec):
    trusted = newest_root(store, open(root, "rb").read())
    spec, blobs, modules, files, size = json.load(open(spec)), os.path.join(store, "blobs/sha256"), [], 0, 0
    for module in sorted(spec["modules"], key=lambda module: module["name"].encode()):
        packed, some_files, some_bytes = pack(module["source"], blobs)
        head = {name: module[name] for name in ("name", "version", "target") if module.get(name)}
        modules.append({**head, **packed})
        files, size = files + some_files, size + some_bytes
    manifest = {"schema": 1, "modules": modules, "files": files, "bytes": size}
    manifest.update({name: spec[name] for name in ("shared", "writable") if spec.get(name)}, migration="none")
    raw = written(manifest)
    manifest_of(raw)
    put(blobs, sha256(raw), raw)
    head, sequence = os.path.join(store, f"channels/{channel}/release.json"), 1
    if os.path.exists(head):
        sequence = release_of(open(head, "rb").read(), trusted)["sequence"] + 1
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    predicate = {"channel": channel, "sequence": sequence, "created": now, "rootVersion": trusted["version"], "migration": "none", "manifest": {"size": len(raw)}}
    statement = {"_type": "https://in-toto.io/Statement/v1", "subject": [{"name": "manifest.json", "digest": {"sha256": sha256(raw)}}],
                 "predicateType": "https://longshore.dev/release/v1", "predicate": predicate}
    payload = json.dumps(statement, separators=(",", ":")).encode()
    private = serialization.load_pem_private_key(open(key, "rb").read(), None)
    message = pae(RELEASE_TYPE, payload)
    signature = private.sign(message) if isinstance(private, ed25519.Ed25519PrivateKey) else private.sign(message, ec.ECDSA(hashes.SHA256()))
    encode = lambda data: base64.b64encode(data).decode()
    raw = written({"payloadType": RELEASE_TYPE, "payload": encode(payload), "signatures": [{"sig": encode(signature)}]})
    release_of(raw, trusted)
    releases = os.path.join(store, f"channels/{channel}/releases")
    os.makedirs(releases, exist_ok=True)
    with open(os.path.join(releases, f"{sequence}.json"), "xb") as out:
        out.write(raw)
    os.makedirs(os.path.join(store, "trust"), exist_ok=True)
    put(os.path.join(store, "trust"), f"{trusted['version']}.root.json", open(root, "rb").read())
    put(os.path.dirname(head), "release.json.new", raw)
    os.rename(head + ".new", head)
    print(json.dumps({"sequence": sequence, "manifest": predicate and sha256(open(os.path.join(blobs, statement['subject'][0]['digest']['sha256']), 'rb').read())}))


def golden(directory):
    read = lambda name: open(os.path.join(directory, name), "rb").read()
    one = root_of(read("1.root.json"))
    two = root_of(read("2.root.json"), one)
    release = release_of(read("release.json"), two)
    manifest = manifest_of(read("manifest.json"), release)
    need(written(load(read("manifest.json"), "manifest")) == read("manifest.json"), "manifest", "the written form")
    for name in ("ci", "second"):
        spki, _ = public(read(f"{name}.pub").decode())
        private = serialization.load_pem_private_key(read(f"{name}.key"), None)
        own = private.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        need(own == spki and spki in dict(two["keys"]), "key", name)
    chunks, data, start, paths, plain = json.loads(read("tarball.chunks.json")), read("tarball.tar.zst"), 0, [], b""
    for index, chunk in enumerate(chunks):
        raw, start = data[start:start + chunk["size"]], start + chunk["size"]
        need(sha256(raw) == chunk["sha256"], "digest")
        unpacked = frame(raw, chunk["unpacked"])
        found, plain = entries_of(unpacked, index + 1 == len(chunks)), plain + unpacked
        need(len(found) == chunk["entries"], "limit")
        paths += found
    need(start == len(data), "digest")
    # What is read is written again, to the byte, and cut at the same entries.
    again = [(name.decode(), entry(name.decode(), kind, {b"2": 0o777, b"5": 0o755}.get(kind, 0o755 if executable else 0o644), body if kind == b"0" else b"", body if kind == b"2" else b""))
             for name, kind, executable, _, body in paths]
    need(b"".join(data for _, data in again) + bytes(1024) == plain, "header", "written again, the tarball's entries are others")
    ends = cuts([(path, data, 0) for path, data in again])
    need([end - start for start, end in zip([0] + ends, ends)] == [chunk["entries"] for chunk in chunks], "header", "cuts")
    print(json.dumps({"release": release["sequence"], "modules": len(manifest["modules"]), "entries": len(paths)}))


if __name__ == "__main__":
    try:
        {"pull": pull, "publish": publish, "golden": golden}[sys.argv[1]](*sys.argv[2:])
    except Refused as error:
        print(f"formats.py: {error}", file=sys.stderr)
        sys.exit(65)
