"""Signs and verifies requests with the PyPI package http-message-signatures: a list of jobs in, a list of answers out."""

import base64
import datetime
import json
import sys

from http_message_signatures import HTTPMessageSigner, HTTPMessageVerifier, HTTPSignatureKeyResolver, algorithms


class OneKey(HTTPSignatureKeyResolver):
    def __init__(self, key):
        self.key = key

    def resolve_public_key(self, key_id):
        return self.key

    def resolve_private_key(self, key_id):
        return self.key


class Fields:
    """Lines of fields, of which one name may have several."""

    def __init__(self, lines):
        self.lines = [tuple(line) for line in lines]

    def items(self):
        return list(self.lines)

    def __iter__(self):
        return iter([name for name, _ in self.lines])

    def __contains__(self, name):
        return name in list(self)

    def __delitem__(self, name):
        self.lines = [line for line in self.lines if line[0] != name]

    def __setitem__(self, name, value):
        self.lines.append((name, value))

    def __getitem__(self, name):
        return ", ".join(value for present, value in self.lines if present == name)


class Request:
    def __init__(self, job):
        self.method = job["method"]
        self.url = job["url"]
        self.headers = Fields(job["fields"])
        self.body = job["body"].encode() if job["body"] is not None else None


def sign(job, request, key):
    signer = HTTPMessageSigner(signature_algorithm=algorithms.HMAC_SHA256, key_resolver=OneKey(key))
    signer.sign(
        request,
        key_id=job["keyid"],
        created=datetime.datetime.fromtimestamp(job["created"], datetime.timezone.utc),
        nonce=job["nonce"],
        label="theirs",
        covered_component_ids=tuple(job["components"]),
        body=request.body,
        use_existing_digest=request.body is not None,
    )
    headers = request.headers
    return {"signature_input": headers["Signature-Input"], "signature": headers["Signature"]}


def verify(request, key):
    verifier = HTTPMessageVerifier(signature_algorithm=algorithms.HMAC_SHA256, key_resolver=OneKey(key))
    try:
        arguments = {} if request.body is None else {"body": request.body}
        return {"verified": len(verifier.verify(request, **arguments)) == 1}
    except Exception as error:
        return {"verified": False, "why": repr(error)}


def answer(job):
    key, request = base64.b64decode(job["key"]), Request(job)
    return sign(job, request, key) if job["do"] == "sign" else verify(request, key)


json.dump([answer(job) for job in json.load(sys.stdin)], sys.stdout)
