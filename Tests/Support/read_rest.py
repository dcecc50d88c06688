"""Reads, or appends to, a table through pyiceberg's own REST catalog client.

    read_rest.py URI NAMESPACE.TABLE [append]

Prints {"rows": …, "snapshots": …, "spec": …} as `read_iceberg.py` does.
"""

import json
import sys

from pyiceberg.catalog.rest import RestCatalog

from read_iceberg import canonical, in_order
from write_iceberg import append_partitioned


def main():
    catalog = RestCatalog("test", uri=sys.argv[1], warehouse="the warehouse")
    table = catalog.load_table(sys.argv[2])
    if sys.argv[3:] == ["append"]:
        append_partitioned(table, [{field.name: None for field in table.schema().fields}])
        table = catalog.load_table(sys.argv[2])
    rows = table.scan().to_arrow().to_pylist()
    print(json.dumps({
        "rows": in_order([{key: canonical(value) for key, value in row.items()} for row in rows]),
        "snapshots": len(table.snapshots()),
        "spec": [[field.name, str(field.transform)] for field in table.spec().fields],
    }))


if __name__ == "__main__":
    main()
