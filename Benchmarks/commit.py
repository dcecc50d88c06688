"""Times pyiceberg's append of one file to a copy of a table that Sluice made.

    commit.py TABLE_DIR WORK_DIR TIMES

Only the commit is timed: the data file is described, not written. Prints the seconds of each.
"""

import json
import pathlib
import sys
import time

from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.typedef import Record


def main():
    table_dir, work, times = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    folder = table_dir / "metadata"
    newest = max(folder.glob("v*.metadata.json"), key=lambda path: int(path.name[1:].split(".")[0]))
    pathlib.Path(work).mkdir(parents=True, exist_ok=True)
    catalog = SqlCatalog("bench", uri=f"sqlite:///{work}/catalog.db", warehouse=f"file://{work}")
    catalog.create_namespace("n")
    catalog.register_table("n.t", str(newest))
    seconds = []
    for number in range(times):
        start = time.perf_counter()
        # As a program that appends does: look the table up, and commit.
        table = catalog.load_table("n.t")
        data = DataFile.from_args(
            content=DataFileContent.DATA, file_path=f"{table_dir}/data/theirs-{number}.parquet",
            file_format=FileFormat.PARQUET, partition=Record(), record_count=10,
            file_size_in_bytes=1000)
        data.spec_id = table.spec().spec_id
        with table.transaction() as transaction:
            with transaction.update_snapshot().fast_append() as update:
                update.append_data_file(data)
        seconds.append(time.perf_counter() - start)
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
