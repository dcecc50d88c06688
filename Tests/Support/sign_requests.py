#!/usr/bin/env python3
"""Signs requests with botocore's SigV4 signer, for comparison with Sluice's.

Standard input: a JSON array of {method, origin, path, query, headers, payload, time, access, secret,
token, region, service}; path and query are not encoded, payload is what the signature says of the
body, time is 20130524T000000Z. Standard output: a JSON array of the Authorization headers.
"""

import datetime
import json
import sys
from urllib.parse import quote

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


def signer(base, payload):
    class Signer(base):
        def payload(self, request):
            return payload

    return Signer


def sign(case):
    time = datetime.datetime.strptime(case["time"], "%Y%m%dT%H%M%SZ")
    botocore.auth.get_current_datetime = lambda *_, **__: time
    base = (
        botocore.auth.S3SigV4Auth if case["service"] == "s3" else botocore.auth.SigV4Auth
    )
    auth = signer(base, case["payload"])(
        Credentials(case["access"], case["secret"], case["token"]),
        case["service"],
        case["region"],
    )
    request = AWSRequest(
        method=case["method"],
        url=case["origin"] + quote(case["path"], safe="/~"),
        headers=dict(case["headers"]),
        params=[(name, value) for name, value in case["query"]],
    )
    auth.add_auth(request)
    return request.headers["Authorization"]


json.dump([sign(case) for case in json.load(sys.stdin)], sys.stdout)
