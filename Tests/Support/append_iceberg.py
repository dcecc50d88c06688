"""Lets pyiceberg append one row to a table of Sluice's, as a foreign program would.

    append_iceberg.py TABLE_DIR WORK_DIR

The table is registered in pyiceberg's own SQL catalog; the metadata that it writes is then put
where the storage catalog looks for the next version. Every column of the new row is null, but for
those of the partition, which are those of the first file.
"""

import pathlib
import shutil
import sys

import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.io.pyarrow import schema_to_pyarrow

from read_iceberg import newest_metadata


def main():
    table_dir, work = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
    newest = newest_metadata(table_dir)
    catalog = SqlCatalog(
        "test", uri=f"sqlite:///{work}/catalog.db", warehouse=f"file://{work}/warehouse")
    catalog.create_namespace("n")
    table = catalog.register_table("n.t", str(newest))
    rows = table.scan(limit=1).to_arrow()
    kept = {field.name for field in table.spec().fields}
    schema = schema_to_pyarrow(table.schema())
    row = {name: [rows[name][0].as_py() if name in kept else None] for name in schema.names}
    table.append(pa.Table.from_pydict(row, schema=schema))
    version = int(newest.name[1:].split(".")[0])
    location = table.metadata_location.removeprefix("file://")
    shutil.copy(location, newest.with_name(f"v{version + 1}.metadata.json"))
    print("{}")


if __name__ == "__main__":
    main()
