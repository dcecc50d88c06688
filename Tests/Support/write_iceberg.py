"""Lets pyiceberg write a table of one kind, as a foreign program would, where Sluice finds it.

    write_iceberg.py KIND TABLE_DIR WORK_DIR

The table is made through pyiceberg's own SQL catalog, with its files below TABLE_DIR; its last
metadata is then put where the storage catalog looks.
"""

import datetime
import decimal
import json
import os
import pathlib
import shutil
import sys
import uuid

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg import types as t
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.manifest import (
    DataFile, DataFileContent, FileFormat, ManifestContent, ManifestEntry, ManifestEntryStatus,
    ManifestWriterV2, write_manifest_list)
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table.snapshots import Operation, Snapshot, Summary
from pyiceberg.table.update import AddSnapshotUpdate, SetSnapshotRefUpdate
from pyiceberg.transforms import (
    BucketTransform, DayTransform, IdentityTransform, TruncateTransform)
from pyiceberg.typedef import Record


def field(number, name, kind):
    return t.NestedField(number, name, kind, required=False)


def append(table, rows):
    arrow = schema_to_pyarrow(table.schema())
    columns = [array([row.get(part.name) for row in rows], part.type) for part in arrow]
    table.append(pa.Table.from_arrays(columns, schema=arrow))
    table.refresh()


def array(values, kind):
    """pyarrow makes arrays of everything from Python's values but of UUIDs inside something."""
    gone = pa.array([value is None for value in values], pa.bool_())
    if isinstance(kind, pa.ExtensionType):
        return pa.ExtensionArray.from_storage(kind, pa.array(values, kind.storage_type))
    if pa.types.is_struct(kind):
        parts = [
            array([value and value.get(part.name) for value in values], part.type) for part in kind]
        return pa.StructArray.from_arrays(parts, fields=list(kind), mask=gone)
    if pa.types.is_large_list(kind) or pa.types.is_list(kind) or pa.types.is_map(kind):
        ends = [0]
        for value in values:
            ends.append(ends[-1] + len(value or []))
        flat = [item for value in values for item in value or []]
        if pa.types.is_map(kind):
            offsets = pa.array([
                None if value is None else end for value, end in zip(values + [()], ends)],
                pa.int32())
            return pa.MapArray.from_arrays(
                offsets, array([key for key, _ in flat], kind.key_type),
                array([value for _, value in flat], kind.item_type), type=kind)
        large = pa.types.is_large_list(kind)
        return (pa.LargeListArray if large else pa.ListArray).from_arrays(
            pa.array(ends, pa.int64() if large else pa.int32()), array(flat, kind.value_type),
            type=kind, mask=gone)
    return pa.array(values, kind)


def append_partitioned(table, rows):
    """pyiceberg's own way of splitting rows needs a part of it that is not installed."""
    schema, spec = table.schema(), table.spec()
    groups = {}
    for row in rows:
        key = tuple(
            part.transform.transform(schema.find_type(part.source_id))(
                to_stored(row[schema.find_column_name(part.source_id)]))
            for part in spec.fields)
        groups.setdefault(key, []).append(row)
    with table.transaction() as transaction:
        with transaction.update_snapshot().fast_append() as update:
            for key, members in groups.items():
                path = f"{table.location()}/data/{uuid.uuid4()}.parquet"
                os.makedirs(os.path.dirname(path), exist_ok=True)
                pq.write_table(
                    pa.Table.from_pylist(members, schema=schema_to_pyarrow(schema)), path)
                data = DataFile.from_args(
                    content=DataFileContent.DATA, file_path=path, file_format=FileFormat.PARQUET,
                    partition=Record(*key), record_count=len(members),
                    file_size_in_bytes=os.path.getsize(path))
                data.spec_id = spec.spec_id
                update.append_data_file(data)
    table.refresh()


def to_stored(value):
    epoch = datetime.datetime(1970, 1, 1)
    if isinstance(value, datetime.datetime):
        return (value - epoch) // datetime.timedelta(microseconds=1)
    if isinstance(value, datetime.date):
        return (value - epoch.date()).days
    return value


def all_types(catalog, location):
    """Every primitive type by itself, in a list, in a map and in a struct."""
    utc = datetime.timezone.utc
    kinds = {
        "b": (t.BooleanType(), True), "i": (t.IntegerType(), -7), "l": (t.LongType(), 1 << 60),
        "f": (t.FloatType(), 1.5), "d": (t.DoubleType(), -2.25),
        "n": (t.DecimalType(20, 3), decimal.Decimal("-1.250")),
        "day": (t.DateType(), datetime.date(1969, 12, 31)),
        "at": (t.TimeType(), datetime.time(23, 59, 59, 999999)),
        "ts": (t.TimestampType(), datetime.datetime(2024, 1, 1, 5, 0, 0, 1)),
        "tz": (t.TimestamptzType(), datetime.datetime(2024, 1, 1, 5, tzinfo=utc)),
        "s": (t.StringType(), "Straße"), "x": (t.BinaryType(), b"\x00\xff"),
        "u": (t.UUIDType(), uuid.UUID("f79c3e09-677c-4bbd-a479-3f349cb785e7").bytes),
        "fx": (t.FixedType(3), b"abc")}
    # Any will do: the catalog numbers them itself.
    number = iter(range(1, 1000))
    fields, full, thin = [], {}, {}
    for name, (kind, value) in kinds.items():
        fields += [
            field(next(number), name, kind),
            field(next(number), f"{name}_items", t.ListType(next(number), kind, False)),
            field(next(number), f"{name}_by", t.MapType(
                next(number), t.StringType(), next(number), kind, False))]
        full |= {name: value, f"{name}_items": [value, None], f"{name}_by": [("k", value), ("n", None)]}
        thin |= {name: None, f"{name}_items": [], f"{name}_by": []}
    inner = [field(next(number), name, kind) for name, (kind, _) in kinds.items()]
    fields.append(field(next(number), "all", t.StructType(*inner)))
    fields.append(field(next(number), "more", t.ListType(
        next(number), t.StructType(field(next(number), "z", t.FixedType(2))), False)))
    full |= {"all": {name: value for name, (_, value) in kinds.items()}, "more": [{"z": b"yz"}, None]}
    thin |= {"all": dict.fromkeys(kinds), "more": [{"z": None}]}
    schema = Schema(*fields)
    table = catalog.create_table("n.t", schema, location=location)
    append(table, [full, thin])
    append(table, [{name: None for name in schema_to_pyarrow(schema).names}])
    return table


def first_version(catalog, location):
    schema = Schema(field(1, "i", t.LongType()), field(2, "day", t.DateType()))
    spec = PartitionSpec(PartitionField(2, 1000, DayTransform(), "day_day"))
    table = catalog.create_table(
        "n.t", schema, location=location, partition_spec=spec, properties={"format-version": "1"})
    append_partitioned(table, [{"i": 1, "day": datetime.date(2024, 1, 1)}])
    append_partitioned(table, [{"i": 2, "day": datetime.date(2024, 1, 2)}, {"i": 3, "day": None}])
    assert table.metadata.format_version == 1
    return table


def evolved(catalog, location):
    point = t.StructType(
        field(5, "x", t.IntegerType()), field(6, "gone", t.StringType()),
        field(7, "deep", t.ListType(8, t.StructType(field(9, "k", t.IntegerType())), False)))
    schema = Schema(
        field(1, "i", t.IntegerType()), field(2, "a", t.StringType()),
        field(3, "dropped", t.LongType()), field(4, "point", point),
        field(10, "by", t.MapType(
            11, t.StringType(), 12, t.StructType(field(13, "v", t.IntegerType())), False)))
    table = catalog.create_table("n.t", schema, location=location)
    append(table, [
        {"i": 1, "a": "old", "dropped": 9, "by": [("m", {"v": 4})],
         "point": {"x": 1, "gone": "g", "deep": [{"k": 1}, None]}},
        {"i": 2, "a": None, "dropped": None, "point": None, "by": None}])
    with table.update_schema() as update:
        update.update_column("i", t.LongType())
        update.rename_column("a", "b")
        update.delete_column("dropped")
        update.update_column(("point", "x"), t.LongType())
        update.rename_column(("point", "x"), "xx")
        update.delete_column(("point", "gone"))
        update.add_column(("point", "new"), t.StringType())
        update.add_column(("point", "deep", "element", "also"), t.DateType())
        update.rename_column(("by", "value", "v"), "w")
    with table.update_schema() as update:
        update.add_column("a", t.LongType())
        update.add_column("dropped", t.StringType())
        update.move_first("dropped")
    table.refresh()
    append(table, [
        {"i": 1 << 40, "b": "new", "a": 5, "dropped": "back", "by": [("m", {"w": 6})],
         "point": {"xx": 1 << 40, "new": "n", "deep": [{"k": 2, "also": None}]}}])
    return table


def partitioned(catalog, location):
    schema = Schema(
        field(1, "id", t.LongType()), field(2, "name", t.StringType()),
        field(3, "ts", t.TimestampType()))
    table = catalog.create_table("n.t", schema, location=location)
    rows = [{"id": n, "name": f"name{n % 3}", "ts": datetime.datetime(2024, 1, 1 + n % 5, n % 24)}
            for n in range(40)]
    append_partitioned(table, rows[:10])
    with table.update_spec() as update:
        update.add_field("id", BucketTransform(4), "id_bucket")
        update.add_field("ts", DayTransform(), "ts_day")
    append_partitioned(table, rows[10:25])
    with table.update_spec() as update:
        update.remove_field("id_bucket")
        update.add_field("name", TruncateTransform(3), "name_trunc")
        update.add_field("name", IdentityTransform(), "name_id")
    append_partitioned(table, rows[25:])
    return table


def without_ids(catalog, location):
    schema = Schema(
        field(1, "i", t.LongType()), field(2, "s", t.StringType()),
        field(3, "p", t.StructType(field(4, "x", t.IntegerType()))))
    table = catalog.create_table("n.t", schema, location=location)
    os.makedirs(f"{location}/data", exist_ok=True)
    pq.write_table(
        pa.table({"s": pa.array(["a", None]), "i": pa.array([1, 2], pa.int64()),
                  "p": pa.array([{"x": 1}, None], pa.struct([("x", pa.int32())]))}),
        f"{location}/data/plain.parquet")
    table.add_files([f"{location}/data/plain.parquet"])
    with table.update_schema() as update:
        update.rename_column("s", "t")
        update.add_column(("p", "y"), t.StringType())
    append(table, [{"i": 3, "t": "c", "p": {"x": 3, "y": "y"}}])
    return table


class DeleteWriter(ManifestWriterV2):
    def content(self):
        return ManifestContent.DELETES

    @property
    def _meta(self):
        return {**super()._meta, "content": "deletes"}


def with_deletes(catalog, location, kinds):
    schema = Schema(
        field(1, "id", t.LongType()), field(2, "name", t.StringType()))
    table = catalog.create_table("n.t", schema, location=location)
    append(table, [{"id": n, "name": None if n % 5 == 0 else f"n{n}"} for n in range(10)])
    append(table, [{"id": n, "name": f"n{n}"} for n in range(10, 20)])
    data = sorted(item.file.file_path for item in table.scan().plan_files())
    for kind in kinds:
        if kind == "positions":
            arrow = pa.table(
                {"file_path": pa.array([data[0], data[0], data[1]]),
                 "pos": pa.array([0, 3, 9], pa.int64())},
                schema=pa.schema([
                    pa.field("file_path", pa.string(), False, {"PARQUET:field_id": "2147483546"}),
                    pa.field("pos", pa.int64(), False, {"PARQUET:field_id": "2147483545"})]))
            table = add_delete(catalog, table, kind, DataFileContent.POSITION_DELETES, arrow)
        else:
            arrow = pa.table(
                {"name": pa.array([None, "n4", "n100"])},
                schema=pa.schema([
                    pa.field("name", pa.string(), True, {"PARQUET:field_id": "2"})]))
            table = add_delete(catalog, table, kind, DataFileContent.EQUALITY_DELETES, arrow, [2])
    # Rows that come after the deletes are not deleted by equality.
    append(table, [{"id": 100, "name": "n4"}, {"id": 101, "name": None}])
    return table


def add_delete(catalog, table, name, content, arrow, equality=None):
    path = f"{table.location()}/data/{name}.parquet"
    pq.write_table(arrow, path)
    metadata, io, parent = table.metadata, table.io, table.current_snapshot()
    number, sequence = parent.snapshot_id + 1, metadata.last_sequence_number + 1
    entry = ManifestEntry.from_args(
        status=ManifestEntryStatus.ADDED, snapshot_id=number, sequence_number=None,
        file_sequence_number=None,
        data_file=DataFile.from_args(
            content=content, file_path=path, file_format=FileFormat.PARQUET, partition=Record(),
            record_count=len(arrow), file_size_in_bytes=os.path.getsize(path),
            equality_ids=equality))
    entry.data_file.spec_id = metadata.default_spec_id
    writer = DeleteWriter(
        table.spec(), table.schema(), io.new_output(f"{table.location()}/metadata/{name}.avro"),
        number, "deflate")
    with writer:
        writer.add_entry(entry)
    listed = f"{table.location()}/metadata/snap-{name}.avro"
    with write_manifest_list(
            2, io.new_output(listed), number, parent.snapshot_id, sequence, "deflate") as lists:
        lists.add_manifests([*parent.manifests(io), writer.to_manifest_file()])
    snapshot = Snapshot(
        snapshot_id=number, parent_snapshot_id=parent.snapshot_id, sequence_number=sequence,
        timestamp_ms=metadata.last_updated_ms + 1, manifest_list=listed,
        summary=Summary(Operation.DELETE), schema_id=metadata.current_schema_id)
    catalog.commit_table(table, (), (
        AddSnapshotUpdate(snapshot=snapshot),
        SetSnapshotRefUpdate(ref_name="main", type="branch", snapshot_id=number)))
    return catalog.load_table("n.t")


KINDS = {
    "types": all_types, "v1": first_version, "evolved": evolved, "partitioned": partitioned,
    "without-ids": without_ids,
    "positions": lambda catalog, at: with_deletes(catalog, at, ["positions"]),
    "equality": lambda catalog, at: with_deletes(catalog, at, ["equality"]),
    "both": lambda catalog, at: with_deletes(catalog, at, ["positions", "equality"]),
}


def main():
    kind, location, work = sys.argv[1:]
    os.makedirs(work, exist_ok=True)
    catalog = SqlCatalog("test", uri=f"sqlite:///{work}/catalog.db", warehouse=f"file://{work}")
    catalog.create_namespace("n")
    table = KINDS[kind](catalog, location)
    metadata = pathlib.Path(location) / "metadata"
    shutil.copy(table.metadata_location.removeprefix("file://"), metadata / "v1.metadata.json")
    (metadata / "version-hint.text").write_text("1")
    print(json.dumps({"snapshot": table.current_snapshot().snapshot_id}))


if __name__ == "__main__":
    main()
