#!/usr/bin/env python3
"""moto's S3 server with a bucket of small objects: objects_server.py COUNT

Prints its port on standard output, and ends when its standard input does.
"""

import logging
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
    backend.put_object("bucket", f"small/{number:06}.txt", chance.randbytes(chance.randint(1000, 4000)))
server = make_server(
    "127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True,
    request_handler=Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
sys.stdin.read()
