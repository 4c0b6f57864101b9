"""The proof that one has an `ec2` key of Keystone, as `POST /v3/ec2tokens` takes it."""

import base64
import hashlib
import hmac
from datetime import datetime
from typing import Any
from urllib.parse import quote


def sign_for_ec2(access: str, secret: str, now: datetime) -> dict[str, Any]:
    """An imaginary request, signed by AWS's signature version 2."""
    verb, host, path = "GET", "transom", "/"
    params = {
        "AWSAccessKeyId": access,
        "SignatureMethod": "HmacSHA256",
        "SignatureVersion": "2",
        "Timestamp": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    query = "&".join(f"{name}={quote(value, safe='-_~')}" for name, value in sorted(params.items()))
    to_sign = "\n".join((verb, host, path, query))
    digest = hmac.new(secret.encode(), to_sign.encode(), hashlib.sha256).digest()
    return {
        "access": access,
        "signature": base64.b64encode(digest).decode(),
        "host": host,
        "verb": verb,
        "path": path,
        "params": params,
    }
