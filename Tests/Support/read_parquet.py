"""Reads a Parquet file with pyarrow and prints it as JSON: columns with types, rows in file order.

    read_parquet.py FILE
"""

import json
import sys

import pyarrow.parquet as pq

from read_iceberg import canonical


def main():
    table = pq.read_table(sys.argv[1])
    print(json.dumps({
        "columns": [{"name": field.name, "type": str(field.type)} for field in table.schema],
        "rows": [[canonical(value) for value in row.values()] for row in table.to_pylist()]}))


if __name__ == "__main__":
    main()
