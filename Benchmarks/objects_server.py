#!/usr/bin/env python3
"""moto's S3 server with a bucket of small objects: objects_server.py COUNT [FOLDER]

Writes the objects to FOLDER too, as bucket/key. Prints its port on standard output, and ends when its
standard input does.
"""

import logging
import pathlib
import random
import sys
import threading

from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server


class Handler(WSGIRequestHandler):
    disable_nagle_algorithm = True
    protocol_version = "HTTP/1.1"


logging.getLogger("werkzeug").setLevel(logging.ERROR)
backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
backend.create_bucket("bucket", "us-east-1")
chance = random.Random(1)
for number in range(int(sys.argv[1])):
    key, content = f"small/{number:06}.txt", chance.randbytes(chance.randint(1000, 4000))
    backend.put_object("bucket", key, content)
    if len(sys.argv) > 2:
        file = pathlib.Path(sys.argv[2], "bucket", key)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
server = make_server(
    "127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True,
    request_handler=Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
sys.stdin.read()
