#!/usr/bin/env python3
"""An S3 server for tests: moto's, on a free port of 127.0.0.1.

    moto_server.py BUCKET...

Makes the buckets, prints the port on standard output, and ends when its standard input does.
moto accepts any signature, checksum and token, and checks conditions without a lock.
"""

import logging
import sys

import boto3
from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
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
server.stop()
