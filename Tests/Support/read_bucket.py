#!/usr/bin/env python3
"""Reads a table in S3 with pyiceberg, as any other program would.

    read_bucket.py METADATA      s3://bucket/…/v3.metadata.json

The server and the credentials come from the AWS_* variables. Prints the rows as JSON lines, ordered.
"""

import json
import os
import sys

from pyiceberg.table import StaticTable

table = StaticTable.from_metadata(
    sys.argv[1],
    properties={
        "s3.endpoint": os.environ["AWS_ENDPOINT_URL"],
        "s3.region": os.environ["AWS_REGION"],
        "s3.access-key-id": os.environ["AWS_ACCESS_KEY_ID"],
        "s3.secret-access-key": os.environ["AWS_SECRET_ACCESS_KEY"],
    },
)
rows = table.scan().to_arrow().to_pylist()
for line in sorted(json.dumps(row, default=str, ensure_ascii=False) for row in rows):
    print(line)
