"""Gives a table of Sluice's a tag and a branch through pyiceberg, and reads what they name.

    tag_iceberg.py storage TABLE_DIR WORK_DIR set|read
    tag_iceberg.py rest URI NAMESPACE.TABLE set|read

`set` makes the tag `kept` and the branch `side` of the current snapshot, and appends a row of nulls
to the branch. A table of the storage catalog is registered in pyiceberg's SQL catalog for that, and
the metadata put back as the next version. Both print the rows that each reference names.
"""

import json
import pathlib
import shutil
import sys

from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.catalog.sql import SqlCatalog
import pyarrow as pa
from pyiceberg.io.pyarrow import schema_to_pyarrow

from read_iceberg import canonical, in_order, newest_metadata


def registered(folder, work):
    pathlib.Path(work).mkdir(parents=True, exist_ok=True)
    catalog = SqlCatalog("tags", uri=f"sqlite:///{work}/tags.db", warehouse=f"file://{work}")
    catalog.create_namespace_if_not_exists("n")
    if catalog.table_exists("n.t"):
        catalog.drop_table("n.t")
    return catalog, catalog.register_table("n.t", str(newest_metadata(folder)))


def main():
    kind, place, name, what = sys.argv[1:]
    if kind == "rest":
        catalog = RestCatalog("test", uri=place, warehouse="the warehouse")
        identifier = name
        table = catalog.load_table(name)
    else:
        identifier = "n.t"
        catalog, table = registered(pathlib.Path(place), name)
    if what == "set":
        snapshot = table.current_snapshot().snapshot_id
        table.manage_snapshots().create_tag(snapshot, "kept").commit()
        table = catalog.load_table(identifier)
        table.manage_snapshots().create_branch(snapshot, "side").commit()
        table = catalog.load_table(identifier)
        arrow = schema_to_pyarrow(table.schema())
        table.append(pa.Table.from_pylist([dict.fromkeys(arrow.names)], schema=arrow), branch="side")
        table = catalog.load_table(identifier)
        if kind == "storage":
            newest = newest_metadata(pathlib.Path(place))
            version = int(newest.name[1:].split(".")[0]) + 1
            shutil.copy(
                table.metadata_location.removeprefix("file://"),
                newest.parent / f"v{version}.metadata.json")
    print(json.dumps({
        reference: in_order([
            {key: canonical(value) for key, value in row.items()}
            for row in table.scan(snapshot_id=named.snapshot_id).to_arrow().to_pylist()])
        for reference, named in table.metadata.refs.items()}))


if __name__ == "__main__":
    main()
