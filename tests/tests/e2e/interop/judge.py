"""Reads lines of {"envelope": base64 of its bytes} and says of each what Python's securesystemslib makes of it.

Written for tests/e2e/interop/envelopes.rs. securesystemslib looks a key up by the key id that the envelope names; the specification calls key
ids hints, so each signature here is offered to each key.
"""

import base64
import json
import sys

from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import Signature, SSlibKey


def verdict(raw, keys):
    try:
        document = json.loads(raw)
        # One key id twice is an error there, so each signature is read by itself.
        parts = [Envelope.from_dict({**document, "signatures": [signature]}) for signature in document["signatures"]]
    except Exception as error:
        return {"refused": f"{type(error).__name__}: {error}"}
    signers = set()
    for part in parts:
        for signature in part.signatures.values():
            for key in keys:
                try:
                    key.verify_signature(Signature(key.keyid, signature.signature), part.pae())
                    signers.add(key.keyid)
                except UnverifiedSignatureError:
                    pass
    payload = base64.b64encode(parts[0].payload).decode() if parts else ""
    return {"signers": len(signers), "payload": payload}


def main():
    keys = [SSlibKey.from_crypto(load_pem_public_key(open(path, "rb").read())) for path in sys.argv[1:]]
    for line in sys.stdin:
        print(json.dumps(verdict(base64.b64decode(json.loads(line)["envelope"]), keys)))


main()
