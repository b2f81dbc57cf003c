"""Runs the project's golden vectors through the module: `python run_vectors.py [--json]`."""

from __future__ import annotations

import argparse
import base64
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from claviger import ClavigerError, IssuingSecret, Verifier, parse_key

VECTORS = Path(__file__).resolve().parents[2] / "tests/vectors"

# The names that the vectors have from JavaScript.
CONTEXT = {
    "now": "now",
    "tenant": "tenant",
    "address": "address",
    "permissions": "permissions",
    "requireFresh": "require_fresh",
    "minEpoch": "min_epoch",
    "maxAge": "max_age",
}
OPTIONS = {
    "allowKeysWithoutLifetime": "allow_keys_without_lifetime",
    "keyringId": "keyring_id",
    "requireFresh": "require_fresh",
    "minEpoch": "min_epoch",
    "maxAge": "max_age",
}


class Report:
    """Compares, counts and remembers what differs."""

    def __init__(self) -> None:
        self.passed = 0
        self.differences: list[dict[str, Any]] = []

    def compare(self, what: str, name: str, said: object, golden: object) -> None:
        """Compares in the terms of JSON."""
        said = json.loads(json.dumps(said))
        if said == golden:
            self.passed += 1
        else:
            self.differences.append({"what": what, "name": name, "golden": golden, "said": said})


def verifier(options: dict[str, Any], keyrings: list[dict[str, Any]] | None = None) -> Verifier:
    """A verifier with these options, which was given these keyrings one after the other."""
    options = dict(options)
    issuing = [IssuingSecret(**entry) for entry in options.pop("issuingSecrets", [])]
    keys = options.pop("keyringKeys", [])
    rest = {OPTIONS[name]: value for name, value in options.items()}
    if not keys:
        return Verifier.with_issuing_secrets(issuing, **rest)
    made = Verifier.with_keyring_keys(keys, **rest)
    for given in keyrings or []:
        if made.replace_keyring(read_keyring(given), given["now"]) != "replaced":
            raise ValueError(f"{given['file']} was not taken")
    return made


def read_keyring(given: dict[str, Any]) -> bytes:
    """A keyring of the vectors."""
    path: Path = VECTORS / "keyring" / given["file"]
    return path.read_bytes()


def run_keys(report: Report) -> int:
    """Keys without a keyring: what is said of each, and what each says of itself."""
    file = json.loads((VECTORS / "keys.json").read_text("utf-8"))
    verifiers = {entry["name"]: verifier(entry["options"]) for entry in file["verifiers"]}
    for case in file["cases"]:
        key = case["key"] if "key" in case else base64.b64decode(case["key_base64"])
        verdict = verifiers[case["verifier"]].verify_key(key, case["now"])
        report.compare("key", case["name"], verdict.to_dict(), case["verdict"])
        if "parts" in case:
            report.compare(
                "parts of key", case["name"], asdict(parse_key(case["key"])), case["parts"]
            )
    return len(file["cases"])


def run_keyrings(report: Report) -> tuple[int, int]:
    """Keys with keyrings, then keyrings that are offered."""
    file = json.loads((VECTORS / "keyring/cases.json").read_text("utf-8"))
    verifiers = {name: verifier(**entry) for name, entry in file["verifiers"].items()}

    def compare(case: dict[str, Any], using: Verifier, after: str = "") -> None:
        context = {CONTEXT[name]: value for name, value in case["request"].items()}
        verdict = using.verify_key(case["key"], **context)
        report.compare("keyring", case["name"] + after, verdict.to_dict(), case["verdict"])

    for case in file["cases"]:
        compare(case, verifiers[case["verifier"]])
    for offer in file["replacements"]:
        # One that took the last offer is no longer the one that this is made to.
        using = verifier(**file["verifiers"][offer["verifier"]])
        try:
            offered = offer["offered"]
            outcome: str = using.replace_keyring(read_keyring(offered), offered["now"])
        except ClavigerError as error:
            outcome = error.code
        report.compare("offered keyring", offer["name"], outcome, offer["outcome"])
        if outcome != "replaced":
            # What was refused has changed nothing.
            for case in [case for case in file["cases"] if case["verifier"] == offer["verifier"]][
                :3
            ]:
                compare(case, using, f", after {offer['name']}")
    return len(file["cases"]), len(file["replacements"])


def main() -> int:
    """Prints what came out, and returns 1 if anything differs."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--json", action="store_true", help="print JSON")
    as_json = arguments.parse_args().json
    report = Report()
    keys = run_keys(report)
    cases, offers = run_keyrings(report)
    failed = len(report.differences)
    if as_json:
        counts = {"key_cases": keys, "keyring_cases": cases, "offered_keyrings": offers}
        counts |= {"passed": report.passed, "failed": failed}
        print(json.dumps({**counts, "differences": report.differences}, indent=2))
    else:
        for difference in report.differences:
            print(f"{difference['what']}: {difference['name']}")
            print(f"  golden {json.dumps(difference['golden'], ensure_ascii=False)}")
            print(f"  said   {json.dumps(difference['said'], ensure_ascii=False)}")
        counted = f"{keys} key cases, {cases} keyring cases, {offers} offered keyrings"
        print(f"{counted}: {report.passed} passed, {failed} failed")
    return 1 if report.differences else 0


if __name__ == "__main__":
    sys.exit(main())
