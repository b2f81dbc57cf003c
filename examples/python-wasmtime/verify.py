"""Verifies keys with a published keyring: `python verify.py acme.keyring`."""

import os
import sys
from pathlib import Path

from claviger import Verified, Verifier

verifier = Verifier.with_keyring_keys([os.environ["KEYRING_KEY"]])
verifier.replace_keyring(Path(sys.argv[1]).read_bytes())
for key in os.environ["KEYS"].split(","):
    verdict = verifier.verify_key(key, permissions=["flights:view"])
    if isinstance(verdict, Verified):
        print(verdict.tenant, verdict.owner, verdict.freshness, verdict.epoch)
    else:
        print(verdict.code, verdict.freshness, verdict.epoch)
