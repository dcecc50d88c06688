#!/usr/bin/env python3
"""Uploads an object in parts with boto3, as programs other than Sluice do.

    upload_parts.py ENDPOINT BUCKET KEY [ALGORITHM]

The object has 11 MiB, byte i being i modulo 251, in parts of 5, 5 and 1 MiB; ALGORITHM is one of S3's
checksums, or empty for none. Prints the number of parts.
"""

import sys

import boto3
from botocore.config import Config

MIB = 1 << 20
endpoint, bucket, key = sys.argv[1:4]
algorithm = sys.argv[4] if len(sys.argv) > 4 else ""
client = boto3.client(
    "s3",
    endpoint_url=endpoint,
    region_name="us-east-1",
    aws_access_key_id="test",
    aws_secret_access_key="test",
    config=Config(request_checksum_calculation="when_required"),
)
content = bytes(i % 251 for i in range(11 * MIB))
options = {"ChecksumAlgorithm": algorithm} if algorithm else {}
place = {"Bucket": bucket, "Key": key}
upload = client.create_multipart_upload(**place, **options)
parts = []
for start in range(0, len(content), 5 * MIB):
    number = len(parts) + 1
    part = client.upload_part(
        **place, **options, UploadId=upload["UploadId"], PartNumber=number,
        Body=content[start:start + 5 * MIB])
    checksums = {name: value for name, value in part.items() if name.startswith("Checksum")}
    parts.append({"PartNumber": number, "ETag": part["ETag"], **checksums})
client.complete_multipart_upload(
    **place, UploadId=upload["UploadId"], MultipartUpload={"Parts": parts})
print(len(parts), flush=True)
