#!/usr/bin/env python3
"""A stand-in for OpenSearch, with as much of it as Magento 2 asks for: indices, aliases, bulk, and searches that filter by terms and words. Nothing is
scored or kept.  opensearch.py ADDRESS PORT"""
import http.server
import json
import re
import sys
import threading

INDICES = {}
ALIASES = {}
LOCK = threading.Lock()


def words(value):
    """The words of a document's field, or of all of them, in lower case."""
    if isinstance(value, dict):
        return [word for part in value.values() for word in words(part)]
    if isinstance(value, list):
        return [word for part in value for word in words(part)]
    return re.findall(r"\w+", str(value).lower())


def listed(value):
    return [str(one) for one in (value if isinstance(value, list) else [value])]


def named(document, identity, field):
    return [identity] if field == "_id" else listed(document.get(field, []))


def matches(query, document, identity):
    """Whether a document is what a query asks for; what it does not know, it leaves out."""
    for kind, body in query.items():
        if kind == "bool":
            every = [one for name in ("must", "filter") for one in clauses(body.get(name))]
            some = clauses(body.get("should"))
            never = clauses(body.get("must_not"))
            if not all(matches(one, document, identity) for one in every) or any(matches(one, document, identity) for one in never):
                return False
            wanted = some and (str(body.get("minimum_should_match", "0")) != "0" or not every)
            if wanted and not any(matches(one, document, identity) for one in some):
                return False
        elif kind in ("term", "terms"):
            for field, value in body.items():
                value = value.get("value", []) if isinstance(value, dict) else value
                if field != "boost" and not set(named(document, identity, field)) & set(listed(value)):
                    return False
        elif kind == "ids":
            if identity not in listed(body.get("values", [])):
                return False
        elif kind.startswith("match") and kind != "match_all":
            for field, value in body.items():
                asked = words(value.get("query", "") if isinstance(value, dict) else value)
                have = words(document.get(field, document))
                if not any(one.startswith(word) for word in asked for one in have):
                    return False
        elif kind in ("function_score", "constant_score"):
            if not matches(body.get("query", body.get("filter", {})), document, identity):
                return False
    return True


def clauses(value):
    return value if isinstance(value, list) else [value] if value else []


def found(index, body):
    """What a search in an index answers."""
    documents = INDICES[index]
    hits = [
        {"_index": index, "_id": identity, "_score": 1.0, "_source": document, "fields": {"_id": [identity]}, "sort": [1]}
        for identity, document in documents.items()
        if matches(body.get("query", {}), document, identity)
    ]
    statistics = {"buckets": [], "count": 0, "min": 0, "max": 0, "avg": 0, "sum": 0, "std_deviation": 0}
    begin = int(body.get("from", 0))
    return {
        "took": 1,
        "timed_out": False,
        "count": len(hits),
        "_shards": {"total": 1, "successful": 1, "failed": 0},
        "hits": {
            "total": {"value": len(hits), "relation": "eq"},
            "max_score": 1.0,
            "hits": hits[begin : begin + int(body.get("size", 10))],
        },
        "aggregations": {name: statistics for name in body.get("aggregations") or body.get("aggs") or {}},
    }


def bulk(lines, default):
    items = []
    lines = iter([line for line in lines if line])
    for line in lines:
        kind, action = next(iter(json.loads(line).items()))
        index, identity = action.get("_index", default), str(action["_id"])
        index = ALIASES.get(index, index)
        if kind == "delete":
            INDICES.get(index, {}).pop(identity, None)
        else:
            document = json.loads(next(lines))
            INDICES.setdefault(index, {})[identity] = document.get("doc", document) if kind == "update" else document
        items.append({kind: {"_index": index, "_id": identity, "status": 200}})
    return {"took": 1, "errors": False, "items": items}


def answer(method, path, text):
    """Status and body."""
    first, last = path[0], path[-1]
    index = ALIASES.get(first, first)
    if first == "":
        version = {"number": "2.12.0", "distribution": "opensearch", "lucene_version": "9.9.2", "minimum_wire_compatibility_version": "7.10.0"}
        return 200, {"name": "stand-in", "cluster_name": "stand-in", "version": version, "tagline": "The OpenSearch Project: https://opensearch.org/"}
    if last == "_bulk":
        return 200, bulk(text.split("\n"), first)
    if last in ("_search", "_count"):
        if index not in INDICES:
            return 404, {"error": {"type": "index_not_found_exception", "reason": "no such index"}, "status": 404}
        return 200, found(index, json.loads(text or "{}"))
    if first == "_aliases":
        for action in json.loads(text)["actions"]:
            for kind, body in action.items():
                if kind == "add":
                    ALIASES[body["alias"]] = body["index"]
                else:
                    ALIASES.pop(body["alias"], None)
        return 200, {"acknowledged": True}
    if "_alias" in path or "_aliases" in path:
        if last in ("_alias", "_aliases"):
            of = {one: {"aliases": {name: {} for name, to in ALIASES.items() if to == one}} for one in INDICES}
            return 200, of if first == "_alias" else {first: of.get(first, {"aliases": {}})}
        if method in ("PUT", "POST"):
            ALIASES[last] = first
            INDICES.setdefault(first, {})
            return 200, {"acknowledged": True}
        return (200, {ALIASES[last]: {"aliases": {last: {}}}}) if last in ALIASES else (404, {"error": "alias missing", "status": 404})
    if "_mapping" in path or last in ("_settings", "_refresh", "_flush", "_close", "_open"):
        settings = {"mappings": {"properties": {}}, "settings": {"index": {"mapping": {"total_fields": {"limit": "1000"}}}}}
        return 200, {index: settings} if method == "GET" else {"acknowledged": True, "_shards": {}}
    if first.startswith("_"):
        return 200, {"status": "green", "cluster_name": "stand-in", "nodes": {}, "indices": {}}
    if method == "PUT":
        INDICES[first] = {}
        return 200, {"acknowledged": True, "index": first}
    if method == "DELETE":
        INDICES.pop(first, None)
        return 200, {"acknowledged": True}
    return (200, {index: {}}) if index in INDICES else (404, {"error": "no such index", "status": 404})


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def serve(self):
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        with LOCK:
            status, body = answer(self.command, self.path.split("?")[0].strip("/").split("/"), text)
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = serve


if __name__ == "__main__":
    http.server.ThreadingHTTPServer.daemon_threads = True
    http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
