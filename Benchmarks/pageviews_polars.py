"""The page-view job in Polars: pageviews_polars.py DUMPS BLOCKED OUT.csv.gz; DUMPS may be a glob."""

import gzip
import re
import sys

import polars as pl

ENCODED = re.compile(rb"%([0-9A-Fa-f]{2})")


def comparable(page):
    """A page as block lists compare it."""
    decoded = ENCODED.sub(lambda match: bytes([int(match[1], 16)]), page.encode())
    try:
        return decoded.decode()
    except UnicodeDecodeError:
        return page


def with_key(frame):
    """Adds the page as it is compared; few have a percent sign."""
    encoded = pl.col("page").str.contains("%", literal=True)
    plain = frame.filter(~encoded).with_columns(pl.col("page").alias("key"))
    some = frame.filter(encoded)
    keys = pl.Series("key", [comparable(page) for page in some["page"]], dtype=pl.String)
    return pl.concat([plain, some.with_columns(keys)])


def main(dumps, blocked, out):
    names = {"domain": pl.String, "page": pl.String, "views": pl.Int64, "bytes": pl.Int64}
    settings = dict(
        separator=" ", has_header=False, quote_char=None, empty_string_is_null=False,
        ignore_errors=True, extra_columns="ignore", missing_columns="insert", encoding="utf8-lossy")
    lines = pl.scan_csv(dumps, schema=names, **settings).filter(
        pl.col("views").is_not_null() & pl.col("bytes").is_not_null()
        & ~pl.col("page").str.contains("\ufffd", literal=True))
    counted = lines.group_by("domain", "page").agg(pl.col("views").sum()).collect()
    listed = pl.read_csv(
        blocked, schema={"domain": pl.String, "page": pl.String}, **settings)
    kept = with_key(counted).join(with_key(listed), on=["domain", "key"], how="anti")
    rows = (
        kept.with_columns(
            pl.col("views").rank("min", descending=True).over("domain").alias("rank"))
        .filter(pl.col("rank") <= 25).select("domain", "page", "views", "rank")
        .sort("domain", "rank", "page"))
    with gzip.open(out, "wb", compresslevel=6) as file:
        rows.write_csv(file)


if __name__ == "__main__":
    main(*sys.argv[1:])
