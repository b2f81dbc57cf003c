"""Verifies and signs webhooks with the library of Standard Webhooks: a file in, what came of it out, both JSON."""

import json
import sys
from datetime import datetime, timezone

from standardwebhooks import Webhook, WebhookVerificationError


def verifies(webhook: Webhook, case: dict, signature: str) -> bool:
    headers = {
        "webhook-id": case["id"],
        "webhook-timestamp": str(case["timestamp"]),
        "webhook-signature": signature,
    }
    try:
        webhook.verify(case["body"].encode(), headers, json_parse=False)
    except WebhookVerificationError:
        return False
    return True


def answer(case: dict) -> dict:
    webhook = Webhook(case["secret"])
    time = datetime.fromtimestamp(case["timestamp"], tz=timezone.utc)
    return {
        "verified": verifies(webhook, case, case["signature"]),
        "forged": verifies(webhook, case, case["forged"]),
        "signature": webhook.sign(case["id"], time, case["body"]),
    }


with open(sys.argv[1], encoding="utf-8") as file:
    print(json.dumps([answer(case) for case in json.load(file)]))
