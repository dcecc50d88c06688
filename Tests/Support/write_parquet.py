"""Writes Parquet files with Iceberg's field IDs, for tests that need data files.

    write_parquet.py < request.json

The request is a list of {path, columns: [{id, name, type}], rows: [[value, …], …]}, with values as
`read_iceberg.py` prints them. Types are Iceberg's names; nested ones are JSON as in table metadata.
Prints a list of {path, bytes}.
"""

import datetime
import decimal
import json
import os
import sys
import uuid

import pyarrow as pa
import pyarrow.parquet as pq

SIMPLE = {
    "boolean": pa.bool_(), "int": pa.int32(), "long": pa.int64(), "float": pa.float32(),
    "double": pa.float64(), "date": pa.date32(), "time": pa.time64("us"),
    "timestamp": pa.timestamp("us"), "timestamptz": pa.timestamp("us", tz="UTC"),
    "string": pa.string(), "binary": pa.binary(), "uuid": pa.uuid(),
}


def field(name, identifier, kind):
    return pa.field(name, arrow(kind), metadata={"PARQUET:field_id": str(identifier)})


def arrow(kind):
    if isinstance(kind, str):
        if kind.startswith("decimal"):
            return pa.decimal128(*map(int, kind[8:-1].split(",")))
        return SIMPLE[kind]
    if kind["type"] == "list":
        return pa.list_(field("element", kind["element-id"], kind["element"]))
    if kind["type"] == "map":
        return pa.map_(
            pa.field("key", arrow(kind["key"]), nullable=False,
                     metadata={"PARQUET:field_id": str(kind["key-id"])}),
            field("value", kind["value-id"], kind["value"]))
    return pa.struct([field(item["name"], item["id"], item["type"]) for item in kind["fields"]])


def value(item, kind):
    if item is None:
        return None
    if not isinstance(kind, str):
        if kind["type"] == "list":
            return [value(part, kind["element"]) for part in item]
        if kind["type"] == "map":
            return [(key, value(part, kind["value"])) for key, part in item.items()]
        return {part["name"]: value(item[part["name"]], part["type"]) for part in kind["fields"]}
    if kind.startswith("decimal"):
        return decimal.Decimal(item)
    if kind in ("float", "double"):
        return float(item)
    if kind == "date":
        return datetime.date.fromisoformat(item)
    if kind == "time":
        return datetime.time.fromisoformat(item)
    if kind == "timestamp":
        return datetime.datetime.fromisoformat(item)
    if kind == "timestamptz":
        return datetime.datetime.strptime(item[:-3], "%Y-%m-%dT%H:%M:%S.%f").replace(
            tzinfo=datetime.timezone.utc)
    if kind == "binary":
        return bytes.fromhex(item)
    if kind == "uuid":
        return uuid.UUID(item).bytes
    return item


def main():
    written = []
    for request in json.load(sys.stdin):
        columns = request["columns"]
        schema = pa.schema([field(item["name"], item["id"], item["type"]) for item in columns])
        arrays = []
        for index, item in enumerate(columns):
            values = [value(row[index], item["type"]) for row in request["rows"]]
            arrays.append(pa.array(values, type=schema.field(index).type))
        os.makedirs(os.path.dirname(request["path"]), exist_ok=True)
        pq.write_table(
            pa.Table.from_arrays(arrays, schema=schema), request["path"], compression="zstd")
        written.append({"path": request["path"], "bytes": os.path.getsize(request["path"])})
    print(json.dumps(written))


if __name__ == "__main__":
    main()
