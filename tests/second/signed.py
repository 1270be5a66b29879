"""docs/formats/release.md and trust-root.md: envelopes, keys, trust roots, releases."""
import base64, datetime, re
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from conventions import *

def unbase64(text, reason):
    is_a(text, str, reason)
    need(not ({"+", "/"} & set(text) and {"-", "_"} & set(text)), reason, "two alphabets")
    plain = text.replace("-", "+").replace("_", "/").rstrip("=")
    need(re.fullmatch(r"[A-Za-z0-9+/]*", plain) and text.count("=") in (0, -len(plain) % 4), reason, "base64")
    try:
        data = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except ValueError as error:
        raise Refused(reason, str(error)) from error
    need(base64.b64encode(data).decode().rstrip("=") == plain, reason, "unused bits")
    return data


def envelope(raw):
    need(len(raw) <= ENVELOPE, "too-large")
    value = load(raw, "envelope")
    need({"payloadType", "payload", "signatures"} <= set(value), "envelope")
    signatures = is_a(value["signatures"], list, "envelope")
    need(len(signatures) <= 64, "too-large")
    return is_a(value["payloadType"], str, "envelope"), unbase64(value["payload"], "envelope"), [unbase64(s.get("sig"), "envelope") for s in signatures]


def pae(kind, payload):
    return b"DSSEv1 %d %s %d %s" % (len(kind.encode()), kind.encode(), len(payload), payload)


SPKI = {91: bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200"), 44: bytes.fromhex("302a300506032b6570032100")}


def public(pem):
    """A key and its SPKI bytes, which are the key."""
    block = re.fullmatch(r"\s*-----BEGIN PUBLIC KEY-----\s+([A-Za-z0-9+/=\s]+?)\s*-----END PUBLIC KEY-----\s*", pem)
    need(block, "key", "PEM")
    spki = base64.b64decode(re.sub(r"\s", "", block.group(1)))
    need(len(spki) in SPKI and spki.startswith(SPKI[len(spki)]), "key", "neither P-256 nor Ed25519")
    return spki, serialization.load_der_public_key(spki)


def signed_by(keys, kind, payload, signatures):
    """How many of the keys signed: each counts once."""
    message, count = pae(kind, payload), 0
    for _, key in keys:
        for signature in signatures:
            try:
                key.verify(signature, message, *([] if isinstance(key, ed25519.Ed25519PublicKey) else [ec.ECDSA(hashes.SHA256())]))
            except InvalidSignature:
                continue
            count += 1
            break
    return count


def root_of(raw, before=None):
    kind, payload, signatures = envelope(raw)
    if before:
        need(signed_by(before["keys"], kind, payload, signatures) >= before["threshold"], "root-chain")
    need(kind == ROOT_TYPE, "statement")
    value = fields(load(payload, "statement"), ("version", "expires", "keys", "threshold"), (), "statement")
    keys = dict(public(pem) for pem in is_a(value["keys"], list, "statement"))
    need(1 <= len(value["keys"]) == len(keys) <= 32 and 1 <= is_a(value["threshold"], int, "statement") <= len(keys), "statement")
    root = {**value, "keys": list(keys.items()), "expires": time(value["expires"], "statement")}
    need(is_a(value["version"], int, "statement") >= 1, "statement")
    count = signed_by(root["keys"], kind, payload, signatures)
    if before:
        need(root["version"] == before["version"] + 1 and count >= root["threshold"], "root-chain")
    need(count >= root["threshold"], "threshold" if count else "signature")
    return root


CHANNEL = r"[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*"


def release_of(raw, root):
    kind, payload, signatures = envelope(raw)
    count = signed_by(root["keys"], kind, payload, signatures)
    need(count >= root["threshold"], "threshold" if count else "signature")
    need(len(pae(kind, payload)) <= PAE, "too-large")
    need(kind == RELEASE_TYPE, "statement")
    value = load(payload, "statement")
    need(value.get("_type") == "https://in-toto.io/Statement/v1" and value.get("predicateType") == "https://longshore.dev/release/v1", "statement")
    need(len(is_a(value.get("subject"), list, "statement")) == 1, "statement")
    predicate = fields(value.get("predicate"), ("channel", "sequence", "created", "rootVersion", "migration", "manifest"), ("expires",), "statement")
    fields(predicate["manifest"], ("size",), (), "statement")
    need(re.fullmatch(CHANNEL, is_a(predicate["channel"], str, "statement")) and len(predicate["channel"]) <= 128, "statement")
    need(is_a(predicate["sequence"], int, "statement") >= 1 and is_a(predicate["rootVersion"], int, "statement") >= 1, "statement")
    need(predicate["migration"] in ("none", "additive", "breaking") and 1 <= predicate["manifest"]["size"] <= MANIFEST, "statement")
    predicate["created"] = time(predicate["created"], "statement")
    if "expires" in predicate:
        predicate["expires"] = time(predicate["expires"], "statement")
        need(predicate["expires"] > predicate["created"], "statement")
    predicate["digest"] = is_digest(value["subject"][0]["digest"]["sha256"], "statement")
    return predicate


def accept(release, root, channel, now):
    """A fresh node's policy: it has accepted nothing, and has no floor."""
    need(release["channel"] == channel, "channel")
    need(release["rootVersion"] <= root["version"], "root-version")
    need(now >= release["created"] - datetime.timedelta(minutes=5), "clock")
    need(root["expires"] > now, "expired")
    need("expires" not in release or release["expires"] > now, "expired")
