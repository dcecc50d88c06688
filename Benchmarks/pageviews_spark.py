"""The hourly job in PySpark: pageviews_spark.py DUMP BLOCKED OUT-FOLDER, on local[2]."""

import re
import sys

from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql.types import StringType

ENCODED = re.compile(rb"%([0-9A-Fa-f]{2})")


def comparable(page):
    """A page as block lists compare it; only those with a percent sign come here."""
    decoded = ENCODED.sub(lambda match: bytes([int(match[1], 16)]), page.encode())
    try:
        return decoded.decode()
    except UnicodeDecodeError:
        return page


def main(dumps, blocked, out):
    spark = (
        SparkSession.builder.master("local[2]").appName("pageviews")
        .config("spark.driver.memory", "4g").config("spark.sql.shuffle.partitions", "2")
        .config("spark.ui.enabled", "false").config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.ansi.enabled", "false").getOrCreate())
    spark.sparkContext.setLogLevel("ERROR")
    decode = F.udf(comparable, StringType())

    def fields(path, count):
        # Read as text and split: Spark's CSV reader cannot do without quotes. A replacement
        # character marks lines that are not UTF-8.
        lines = spark.read.text(path, lineSep="\n")
        parts = F.split("value", " ", -1)
        return lines.select("value", parts.alias("f")).where(
            (F.size("f") == count) & ~F.contains("value", F.lit("\ufffd")))

    views, number = F.col("f")[2].try_cast("bigint"), F.col("f")[3].try_cast("bigint")
    lines = fields(dumps, 4).where(views.isNotNull() & number.isNotNull()).select(
        F.col("f")[0].alias("domain"), F.col("f")[1].alias("page"), views.alias("views"))
    key = F.when(F.contains("page", F.lit("%")), decode("page")).otherwise(F.col("page"))
    listed = fields(blocked, 2).select(
        F.col("f")[0].alias("domain"), F.col("f")[1].alias("page")
    ).select("domain", key.alias("key"))
    counted = lines.groupBy("domain", "page").agg(F.sum("views").alias("views"))
    kept = counted.withColumn("key", key).join(F.broadcast(listed), ["domain", "key"], "left_anti")
    window = Window.partitionBy("domain").orderBy(F.desc("views"))
    rows = (
        kept.select("domain", "page", "views", F.rank().over(window).alias("rank"))
        .where("rank <= 25").coalesce(1).sortWithinPartitions("domain", "rank", "page"))
    rows.write.csv(out, header=True, compression="gzip", escape='"', quote='"', mode="overwrite",
                   emptyValue="", ignoreLeadingWhiteSpace=False, ignoreTrailingWhiteSpace=False)
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
