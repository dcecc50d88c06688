#!/usr/bin/env python3
"""What the pageviews pipeline must publish, computed without any of Sluice's code.

    oracle_pageviews.py [--blocked FILE] [--ties rank|dense_rank|row_number] [--top N]
                        [--exact] [--out FILE] [--summary] DUMP...

Reads hourly dumps (plain or gzip), adds them up, and writes the CSV that an export must equal byte
for byte. Only the standard library of Python 3.9+ is used, so that any machine can run it.

The definition:
- Lines end in LF or CRLF; a last line without one counts. A line that is wholly empty is no line.
- A line is well-formed when single spaces split it into exactly four fields, the first two are
  UTF-8, and the last two are 64-bit integers or empty, which is null. Other lines are malformed and
  left out; `--summary` counts them.
- Quotes mean nothing in the dumps. An empty title is a title.
- A page whose counts are all null has none: it could not be published, so that is an error here.
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
    """The 64-bit integer a field spells, or None where it is empty; ValueError where it is neither."""
    if not field:
        return None
    value = int(field) if INTEGER.match(field) else 2**63
    if not -(2**63) <= value < 2**63:
        raise ValueError(field)
    return value


def row(line):
    """(domain, page, views or None) of a well-formed line; None of another."""
    fields = line.split(b" ")
    try:
        if len(fields) == 4 and is_utf8(fields[0]) and is_utf8(fields[1]):
            number, _ = integer(fields[2]), integer(fields[3])
            return fields[0], fields[1], number
    except ValueError:
        pass
    return None


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
    """The lines of a file, plain or gzip by its first bytes, without their ends."""
    with open(path, "rb") as file:
        magic = file.read(2)
    opened = gzip.open(path, "rb") if magic == b"\x1f\x8b" else open(path, "rb")
    with opened as file:
        for line in file:
            if line.endswith(b"\n"):
                line = line[:-2] if line.endswith(b"\r\n") else line[:-1]
            if line:
                yield line


def count(paths):
    """Views per (domain, page) over all files, and what was read."""
    views, nulls = defaultdict(int), set()
    read = {"lines": 0, "malformed": 0}
    for path in paths:
        for line in lines(path):
            read["lines"] += 1
            found = row(line)
            if found is None:
                read["malformed"] += 1
            elif found[2] is None:
                nulls.add(found[:2])
            else:
                views[found[:2]] += found[2]
    if nulls - views.keys():
        sys.exit(f"oracle: pages without a count: {sorted(nulls - views.keys())[:3]}")
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
