"""Signs and verifies release objects with Python's securesystemslib, for tests/e2e/interop.rs.

  dsse.py verify RELEASE THRESHOLD KEY.pub...    prints how many keys were needed and found
  dsse.py sign RELEASE KEY.key                   adds a signature
"""

import hashlib
import json
import sys

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key, load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner, SSlibKey


def key(public):
    spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return SSlibKey.from_crypto(public, keyid=hashlib.sha256(spki).hexdigest())


def read(path):
    with open(path, "rb") as file:
        return file.read()


def main():
    command, release, *rest = sys.argv[1:]
    envelope = Envelope.from_dict(json.loads(read(release)))
    if command == "verify":
        keys = [key(load_pem_public_key(read(path))) for path in rest[1:]]
        print(len(envelope.verify(keys, int(rest[0]))))
    else:
        secret = load_pem_private_key(read(rest[0]), None)
        envelope.sign(CryptoSigner(secret, key(secret.public_key())))
        with open(release, "w") as file:
            json.dump(envelope.to_dict(), file)


main()
