"""Applies pyiceberg's partition transforms, the oracle for Sluice's own.

    transforms.py < request.json

The request is a list of {transform, type, values}; numbers, dates and times are as Iceberg stores
them, decimals unscaled, binary and UUIDs in hexadecimal, all as text. Prints a list of lists.
"""

import decimal
import json
import sys
import uuid

from pyiceberg import types as t
from pyiceberg.transforms import parse_transform

TYPES = {
    "int": t.IntegerType(), "long": t.LongType(), "date": t.DateType(), "time": t.TimeType(),
    "timestamp": t.TimestampType(), "timestamptz": t.TimestamptzType(), "string": t.StringType(),
    "binary": t.BinaryType(), "uuid": t.UUIDType(), "decimal": t.DecimalType(38, 4),
    "fixed": t.FixedType(3),
}


def parsed(text, kind):
    if kind in ("binary", "fixed"):
        return bytes.fromhex(text)
    if kind == "uuid":
        return uuid.UUID(hex=text)
    if kind == "decimal":
        return decimal.Decimal(text).scaleb(-4, decimal.Context(prec=40))
    return text if kind == "string" else int(text)


def shown(value):
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, decimal.Decimal):
        return str(int(value.scaleb(4, decimal.Context(prec=40))))
    return str(value)


def main():
    answers = []
    for request in json.load(sys.stdin):
        kind = request["type"]
        apply = parse_transform(request["transform"]).transform(TYPES[kind])
        answers.append([shown(apply(parsed(text, kind))) for text in request["values"]])
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
