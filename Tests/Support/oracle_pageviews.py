#!/usr/bin/env python3
"""What the pageviews pipeline must publish, computed without any of Sluice's code.

    oracle_pageviews.py [--blocked FILE] [--ties rank|dense_rank|row_number] [--top N]
                        [--exact] [--out FILE] [--summary] DUMP...

Reads hourly dumps (plain or gzip), adds them up, and writes the CSV that an export must equal byte
for byte. Only the standard library of Python 3.9+ is used, so that any machine can run it.

The definition:
- Lines end in LF; a last line without one counts. A line that is wholly empty is no line.
- A line is well-formed when it is UTF-8, single spaces split it into exactly four fields, and the
  last two are 64-bit integers. Other lines are malformed and left out; `--summary` counts them.
- Quotes mean nothing in the dumps.
- A block list's line is `domain page`, split the same way; malformed ones are left out. A page is
  compared percent-decoded on both sides when that yields UTF-8, and as it stands when not. `+` is
  no space, and a `%` that is not followed by two hexadecimal digits stands for itself.
- Pages are counted per (domain, page) as written, then ranked within their domain by views,
  descending. `row_number` breaks ties by page in byte order.
- CSV: header `domain,page,views,rank`, RFC 4180 with quotes only where needed, LF, ordered by domain,
  rank, page in byte order.
"""

import argparse
import gzip
import json
import re
import sys
from collections import defaultdict

INTEGER = re.compile(rb"[+-]?[0-9]+\Z")
ENCODED = re.compile(rb"%([0-9A-Fa-f]{2})")
NEEDS_QUOTES = re.compile(rb'[",\r\n]')


def integer(field):
    """The 64-bit integer a field spells, or None."""
    if not INTEGER.match(field):
        return None
    value = int(field)
    return value if -(2**63) <= value < 2**63 else None


def is_utf8(data):
    try:
        data.decode("utf-8")
        return True
    except UnicodeDecodeError:
        return False


def comparable(page):
    """A page as block lists compare it."""
    if b"%" not in page:
        return page
    decoded = ENCODED.sub(lambda match: bytes([int(match[1], 16)]), page)
    return decoded if is_utf8(decoded) else page


def lines(path):
    """The lines of a file, plain or gzip by its first bytes, without their LF."""
    with open(path, "rb") as file:
        magic = file.read(2)
    opened = gzip.open(path, "rb") if magic == b"\x1f\x8b" else open(path, "rb")
    with opened as file:
        for line in file:
            line = line[:-1] if line.endswith(b"\n") else line
            if line:
                yield line


def count(paths):
    """Views per (domain, page) over all files, and what was read."""
    views = defaultdict(int)
    read = {"lines": 0, "malformed": 0}
    for path in paths:
        for line in lines(path):
            read["lines"] += 1
            fields = line.split(b" ")
            number = integer(fields[2]) if len(fields) == 4 else None
            if number is None or integer(fields[3]) is None or not is_utf8(line):
                read["malformed"] += 1
                continue
            views[fields[0], fields[1]] += number
    return views, read


def block_list(path, compare=comparable):
    blocked = set()
    for line in lines(path) if path else ():
        fields = line.split(b" ")
        if len(fields) == 2 and is_utf8(line):
            blocked.add((fields[0], compare(fields[1])))
    return blocked


def ranked(views, ties, top):
    """Rows (domain, page, views, rank) with rank <= top, in the order of the export."""
    by_domain = defaultdict(list)
    for (domain, page), number in views.items():
        by_domain[domain].append((-number, page))
    rows = []
    for domain in sorted(by_domain):
        rank = distinct = 0
        previous = None
        kept = []
        for position, (negative, page) in enumerate(sorted(by_domain[domain]), start=1):
            if negative != previous:
                previous, rank, distinct = negative, position, distinct + 1
            place = {"rank": rank, "dense_rank": distinct, "row_number": position}[ties]
            if place > top:
                break
            kept.append((domain, page, -negative, place))
        rows += sorted(kept, key=lambda row: (row[3], row[1]))
    return rows


def quoted(field):
    if NEEDS_QUOTES.search(field):
        return b'"' + field.replace(b'"', b'""') + b'"'
    return field


def csv(rows):
    parts = [b"domain,page,views,rank\n"]
    for domain, page, number, rank in rows:
        parts.append(b"%s,%s,%d,%d\n" % (quoted(domain), quoted(page), number, rank))
    return b"".join(parts)


def compute(paths, blocked=None, ties="rank", top=25, compare=comparable):
    """The rows and a summary of what was read and made."""
    views, summary = count(paths)
    blocked = block_list(blocked, compare)
    kept = {key: n for key, n in views.items() if (key[0], compare(key[1])) not in blocked}
    rows = ranked(kept, ties, top)
    summary.update(
        pages=len(views), kept_pages=len(kept), kept_views=sum(kept.values()),
        rows=len(rows), views=sum(row[2] for row in rows),
        domains=len({row[0] for row in rows}))
    return rows, summary


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dumps", nargs="+", metavar="DUMP")
    parser.add_argument("--blocked", metavar="FILE")
    parser.add_argument("--ties", choices=["rank", "dense_rank", "row_number"], default="rank")
    parser.add_argument("--top", type=int, default=25)
    parser.add_argument("--exact", action="store_true", help="compare block list pages as written")
    parser.add_argument("--out", metavar="FILE", help="where the CSV goes (default: standard output)")
    parser.add_argument("--summary", action="store_true", help="print counts as JSON instead")
    options = parser.parse_args()
    rows, summary = compute(
        options.dumps, options.blocked, options.ties, options.top,
        bytes if options.exact else comparable)
    if options.summary:
        print(json.dumps(summary))
    if options.out:
        with open(options.out, "wb") as file:
            file.write(csv(rows))
    elif not options.summary:
        sys.stdout.buffer.write(csv(rows))


if __name__ == "__main__":
    main()
