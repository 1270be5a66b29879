"""docs/formats/README.md: what all documents have in common."""
import datetime, hashlib, json, re

ENVELOPE, MANIFEST, PAE, WINDOW, NUMBER, ROOTS = 64 << 10, 16 << 20, 4096, 8 << 20, 2**53 - 1, 1024
RELEASE_TYPE, ROOT_TYPE = "application/vnd.in-toto+json", "application/vnd.longshore.root.v1+json"

class Refused(Exception):
    def __init__(self, reason, text=""):
        super().__init__(f"{text} reason: {reason}")
        self.reason = reason


def need(condition, reason, text=""):
    if not condition:
        raise Refused(reason, text)



def load(raw, reason):
    """One JSON object: no field twice, no null, whole numbers from 0 to 2^53 - 1."""
    def pairs(items):
        need(len({key for key, _ in items}) == len(items), reason, "a field twice")
        return dict(items)

    def number(text):
        need(re.fullmatch(r"0|[1-9][0-9]*", text) and int(text) <= NUMBER, reason, f"number {text}")
        return int(text)

    def refuse(text):
        raise Refused(reason, f"number {text}")
    try:
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=pairs, parse_int=number, parse_float=refuse, parse_constant=refuse)
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise Refused(reason, str(error)) from error
    need(isinstance(value, dict), reason, "no object")
    return value


def fields(value, required, optional, reason):
    need(isinstance(value, dict), reason, "no object")
    need(set(required) <= set(value) <= set(required) | set(optional), reason, f"fields {sorted(value)}")
    need(all(value[name] is not None for name in value), reason, "null")
    return value


def is_a(value, kind, reason):
    need(type(value) is kind, reason, f"{value!r} is no {kind.__name__}")
    return value


def time(text, reason):
    need(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", is_a(text, str, reason)), reason, text)
    return datetime.datetime.strptime(re.sub(r"\.\d+", "", text), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def is_digest(text, reason):
    need(re.fullmatch(r"[0-9a-f]{64}", is_a(text, str, reason)), reason, "a digest")
    return text


def path_problem(path):
    """The reason for which a path is none; None where it is one."""
    raw = path.encode("utf-8", "surrogateescape")
    if len(raw) > 1024:
        return "path-too-long"
    if not path or path.startswith("/") or "\0" in path:
        return "path-unsafe"
    if any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in path) or any(0xD800 <= ord(letter) <= 0xDFFF for letter in path):
        return "name-encoding"
    names = path.split("/")
    if any(name in ("", ".", "..") for name in names):
        return "path-unsafe"
    return "path-too-long" if len(names) > 64 or any(len(name.encode()) > 255 for name in names) else None


def is_path(path, reason):
    need(path_problem(is_a(path, str, reason)) is None, reason, f"path {path!r}")
    return path


def within(path, outer):
    return path == outer or path.startswith(outer + "/")


def in_order(texts, reason):
    raw = [text.encode() for text in texts]
    need(all(one < other for one, other in zip(raw, raw[1:])), reason, "not sorted, each once")
    return texts
