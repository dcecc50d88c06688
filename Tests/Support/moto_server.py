#!/usr/bin/env python3
"""An S3 server for tests: moto's, on a free port of 127.0.0.1.

    moto_server.py BUCKET...

Makes the buckets, prints the port on standard output, and ends when its standard input does. Requests
are served one after another, once they are read, so that of concurrent conditional writes one
succeeds. moto accepts any signature, checksum and token.
"""

import io
import logging
import sys
import threading

import boto3
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

logging.getLogger("werkzeug").setLevel(logging.ERROR)
application = DomainDispatcherApplication(create_backend_app)
lock = threading.Lock()


def serialized(environ, start_response):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    with lock:
        return [b"".join(application(environ, start_response))]


class Handler(WSGIRequestHandler):
    # Head and body are two writes: the second would wait for the first's acknowledgement.
    disable_nagle_algorithm = True


server = make_server("127.0.0.1", 0, serialized, threaded=True, request_handler=Handler)
port = server.server_port
threading.Thread(target=server.serve_forever, daemon=True).start()
client = boto3.client(
    "s3",
    endpoint_url=f"http://127.0.0.1:{port}",
    region_name="us-east-1",
    aws_access_key_id="test",
    aws_secret_access_key="test",
)
for bucket in sys.argv[1:]:
    client.create_bucket(Bucket=bucket)
print(port, flush=True)
sys.stdin.read()
