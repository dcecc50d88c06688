"""Reads an Iceberg table with pyiceberg and with DuckDB and prints what each of them sees.

    read_iceberg.py TABLE_DIR [pyiceberg|duckdb]

One JSON object on standard output: for each reader its columns, its rows (values as canonical
text, rows sorted), and what the manifests say of the files. The two know nothing of Sluice.
"""

import datetime
import decimal
import json
import math
import pathlib
import sys
import uuid


def canonical(value):
    """A value as JSON that is the same whichever reader it came through."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, datetime.datetime):
        if value.tzinfo:
            return value.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f+00")
        return value.strftime("%Y-%m-%dT%H:%M:%S.%f")
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, datetime.time):
        return value.strftime("%H:%M:%S.%f")
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, dict):
        return {str(key): canonical(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [canonical(item) for item in value]
    raise TypeError(f"{type(value)}: {value!r}")


def in_order(rows):
    return sorted(rows, key=lambda row: json.dumps(row, sort_keys=True))


def newest_metadata(table):
    folder = table / "metadata"
    version = int((folder / "version-hint.text").read_text())
    while (folder / f"v{version + 1}.metadata.json").exists():
        version += 1
    return folder / f"v{version}.metadata.json"


def with_pyiceberg(table):
    from pyiceberg.conversions import from_bytes
    from pyiceberg.table import StaticTable
    from pyiceberg.types import ListType, MapType, PrimitiveType, StructType, UUIDType

    static = StaticTable.from_metadata(str(newest_metadata(table)))
    schema = static.schema()
    spec = static.spec()

    def plain(value, kind):
        """Maps as objects, and UUIDs that came as bytes as UUIDs."""
        if value is None:
            return None
        if isinstance(kind, UUIDType) and isinstance(value, bytes):
            return uuid.UUID(bytes=value)
        if isinstance(kind, StructType):
            return {field.name: plain(value[field.name], field.field_type) for field in kind.fields}
        if isinstance(kind, ListType):
            return [plain(item, kind.element_type) for item in value]
        if isinstance(kind, MapType):
            return {key: plain(item, kind.value_type) for key, item in dict(value).items()}
        return value

    def row(item):
        return {
            field.name: canonical(plain(item[field.name], field.field_type))
            for field in schema.fields}

    def bounds(stored):
        found = {}
        for field_id, raw in (stored or {}).items():
            try:
                kind = schema.find_type(field_id)
            except ValueError:
                continue
            if isinstance(kind, PrimitiveType):
                found[schema.find_column_name(field_id)] = canonical(from_bytes(kind, raw))
        return found

    def counts(stored):
        found = {}
        for field_id, number in (stored or {}).items():
            try:
                found[schema.find_column_name(field_id)] = number
            except ValueError:
                continue
        return found

    files = []
    snapshot = static.current_snapshot()
    for manifest in snapshot.manifests(static.io) if snapshot else []:
        for entry in manifest.fetch_manifest_entry(static.io, discard_deleted=True):
            data = entry.data_file
            own = static.specs()[manifest.partition_spec_id]
            files.append(
                {
                    "path": data.file_path,
                    "records": data.record_count,
                    "bytes": data.file_size_in_bytes,
                    "sequence": entry.sequence_number,
                    "partition": {
                        field.name: canonical(as_type(data.partition[index], field, schema))
                        for index, field in enumerate(own.fields)
                    },
                    "values": counts(data.value_counts),
                    "nulls": counts(data.null_value_counts),
                    "nans": counts(data.nan_value_counts),
                    "lower": bounds(data.lower_bounds),
                    "upper": bounds(data.upper_bounds),
                }
            )
    return {
        "columns": [
            {
                "id": field.field_id,
                "name": field.name,
                "type": str(field.field_type),
                "required": field.required,
            }
            for field in schema.fields
        ],
        "partition_by": [[field.name, str(field.transform)] for field in spec.fields],
        "sort": [
            [schema.find_column_name(field.source_id), field.direction.value]
            for field in static.sort_order().fields
        ],
        "snapshots": [
            {
                "id": item.snapshot_id,
                "operation": item.summary.operation.value,
                **item.summary.additional_properties,
            }
            for item in static.snapshots()
        ],
        "name_mapping": len(static.name_mapping() or []),
        "rows": in_order([row(item) for item in static.scan().to_arrow().to_pylist()]),
        "files": sorted(files, key=lambda item: item["path"]),
    }


def as_type(value, field, schema):
    """Manifests hold dates and times of partitions as numbers."""
    if value is None or not isinstance(value, int) or isinstance(value, bool):
        return value
    kind = str(schema.find_type(field.source_id))
    epoch = datetime.datetime(1970, 1, 1)
    if kind == "date":
        return (epoch + datetime.timedelta(days=value)).date()
    if kind == "time":
        return (epoch + datetime.timedelta(microseconds=value)).time()
    if kind == "timestamp":
        return epoch + datetime.timedelta(microseconds=value)
    if kind == "timestamptz":
        utc = epoch.replace(tzinfo=datetime.timezone.utc)
        return utc + datetime.timedelta(microseconds=value)
    return value


def with_duckdb(table):
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for name in ("avro", "iceberg"):
        package = __import__(f"duckdb_extension_{name}")
        found = sorted(pathlib.Path(package.__file__).parent.rglob("*.duckdb_extension"))
        connection.execute(f"LOAD '{found[-1]}'")
    result = connection.execute(f"SELECT * FROM iceberg_scan('{table}')")
    names = [column[0] for column in result.description]
    types = [str(column[1]) for column in result.description]
    rows = [dict(zip(names, map(canonical, row))) for row in result.fetchall()]
    files = connection.execute(
        f"""SELECT file_path, record_count, status, manifest_sequence_number
            FROM iceberg_metadata('{table}') WHERE status <> 'DELETED' ORDER BY file_path"""
    ).fetchall()
    snapshots = connection.execute(
        f"SELECT snapshot_id FROM iceberg_snapshots('{table}')").fetchall()
    return {
        "columns": [{"name": name, "type": kind} for name, kind in zip(names, types)],
        "rows": in_order(rows),
        "files": [{"path": row[0], "records": row[1], "status": row[2]} for row in files],
        "snapshots": len(snapshots),
    }


def main():
    table = pathlib.Path(sys.argv[1]).resolve()
    readers = {"pyiceberg": with_pyiceberg, "duckdb": with_duckdb}
    wanted = sys.argv[2:] or readers
    print(json.dumps({name: readers[name](table) for name in wanted}))


if __name__ == "__main__":
    main()
