#!/usr/bin/env python3
"""An S3 server for tests: moto's, on a free port of 127.0.0.1.

    moto_server.py [--tls CERTIFICATE KEY] [--lent KEYS_FILE USES] BUCKET...

Makes the buckets, prints the port on standard output, and ends when its standard input does. Requests
are served one after another, once they are read, so that of concurrent conditional writes one
succeeds. moto accepts any signature, checksum and token.

With `--lent`, `KEYS_FILE` says what addresses each lent key is for: it opens these and nothing else,
with its token, and expires after so many uses; and no other key opens them, but for the catalog's.
A line on standard input is answered by how often lent keys were used, expired, and strangers refused.
"""

import argparse
import io
import json
import logging
import re
import sys
import threading
import urllib.parse

import boto3
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

parser = argparse.ArgumentParser()
parser.add_argument("--tls", nargs=2)
parser.add_argument("--lent", nargs=2)
parser.add_argument("buckets", nargs="*")
options = parser.parse_args()

logging.getLogger("werkzeug").setLevel(logging.ERROR)
application = DomainDispatcherApplication(create_backend_app)
lock = threading.Lock()


keys_file = options.lent[0] if options.lent else None
limit = int(options.lent[1]) if options.lent else 0
uses, counts = {}, {"used": 0, "expired": 0, "refused": 0}


def refusal(environ, body):
    """The error for a request that may not be made; None for one that may."""
    found = re.search("Credential=([^/]+)/", environ.get("HTTP_AUTHORIZATION", ""))
    key = found.group(1) if found else ""
    if key in ("catalog", "test"):
        return None
    try:
        with open(keys_file) as file:
            lent = json.load(file)
    except FileNotFoundError:
        lent = {}
    path = environ["PATH_INFO"].lstrip("/")
    query = urllib.parse.parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    if "delete" in query:
        names = re.findall("<Key>([^<]+)</Key>", body.decode())
        paths = [path.rstrip("/") + "/" + name for name in names]
    elif "list-type" in query or "/" not in path.rstrip("/"):
        paths = [path.rstrip("/") + "/" + query.get("prefix", [""])[0]]
    else:
        paths = [path]
    if key in lent:
        prefix = lent[key].removeprefix("s3://")
        token = environ.get("HTTP_X_AMZ_SECURITY_TOKEN")
        if token != f"token-Xs8-{key}" or not all(name.startswith(prefix) for name in paths):
            counts["refused"] += 1
            return "403 Forbidden", "AccessDenied"
        uses[key] = uses.get(key, 0) + 1
        if uses[key] > limit:
            counts["expired"] += 1
            return "400 Bad Request", "ExpiredToken"
        counts["used"] += 1
        return None
    prefixes = [address.removeprefix("s3://") for address in lent.values()]
    if key != "lake-key" or any(
            name.startswith(prefix) for name in paths for prefix in prefixes):
        counts["refused"] += 1
        return "403 Forbidden", "AccessDenied"
    return None


def serialized(environ, start_response):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    with lock:
        refused = refusal(environ, body) if keys_file else None
        if refused:
            status, code = refused
            text = f"<Error><Code>{code}</Code><Message>by the test</Message></Error>".encode()
            if environ["REQUEST_METHOD"] == "HEAD":
                text = b""
            start_response(status, [
                ("Content-Type", "application/xml"), ("Content-Length", str(len(text)))])
            return [text]
        return [b"".join(application(environ, start_response))]


class Handler(WSGIRequestHandler):
    # Head and body are two writes: the second would wait for the first's acknowledgement.
    disable_nagle_algorithm = True


server = make_server(
    "127.0.0.1", 0, serialized, threaded=True, request_handler=Handler,
    ssl_context=tuple(options.tls) if options.tls else None)
port = server.server_port
threading.Thread(target=server.serve_forever, daemon=True).start()
client = boto3.client(
    "s3",
    endpoint_url=f"http{'s' if options.tls else ''}://127.0.0.1:{port}",
    verify=options.tls[0] if options.tls else None,
    region_name="us-east-1",
    aws_access_key_id="test",
    aws_secret_access_key="test",
)
for bucket in options.buckets:
    client.create_bucket(Bucket=bucket)
print(port, flush=True)
for line in sys.stdin:
    print(json.dumps(counts), flush=True)
