#!/usr/bin/env python3
"""The rivals of the word index, one a process:

    wordindex_rivals.py tantivy FOLDER OUT        an index with frequencies, files' names and sizes
    wordindex_rivals.py tantivy-queries OUT QUERIES ANSWERS
    wordindex_rivals.py duckdb|polars|spark FOLDER OUT    words, documents and postings as Parquet

Words are runs of letters, digits and `_`, in lower case, as Sluice has them.
"""

import glob
import json
import os
import re
import sys
import time

WORD = re.compile(r"\w+")


def files(folder):
    names = sorted(glob.glob(f"{folder}/*.txt"), key=lambda name: int(os.path.basename(name)[:-4]))
    return [(int(os.path.basename(name)[:-4]), name) for name in names]


def build_tantivy(folder, out):
    import tantivy

    schema = tantivy.SchemaBuilder()
    schema.add_text_field("body", stored=False, tokenizer_name="default", index_option="freq")
    schema.add_text_field("file", stored=True, tokenizer_name="raw", index_option="basic")
    schema.add_unsigned_field("id", stored=True, fast=True, indexed=True)
    schema.add_unsigned_field("size", stored=True)
    schema = schema.build()
    os.makedirs(out)
    index = tantivy.Index(schema, path=out)
    writer = index.writer(heap_size=int(os.environ.get("TANTIVY_HEAP", "1000000000")), num_threads=2)
    for number, name in files(folder):
        with open(name, encoding="utf-8") as file:
            body = file.read()
        document = tantivy.Document()
        document.add_text("body", body)
        document.add_text("file", os.path.basename(name))
        document.add_unsigned("id", number)
        document.add_unsigned("size", os.path.getsize(name))
        writer.add_document(document)
    writer.commit()
    writer.wait_merging_threads()


def query_tantivy(out, queries, answers):
    import tantivy

    index = tantivy.Index.open(out)
    searcher = index.searcher()
    with open(queries, encoding="utf-8") as file:
        pairs = [line.split() for line in file]
    made = [
        tantivy.Query.const_score_query(
            tantivy.Query.boolean_query([
                (tantivy.Occur.Must, tantivy.Query.term_query(index.schema, "body", word, "basic"))
                for word in pair]), 1.0)
        for pair in pairs]
    for query in made[:1000]:
        searcher.search(query, limit=1)
    times, counts = [], []
    for query in made:
        start = time.perf_counter_ns()
        counts.append(searcher.search(query, limit=1, count=True).count)
        times.append(time.perf_counter_ns() - start)
    with open(answers, "w") as file:
        file.writelines(f"{count} {taken}\n" for count, taken in zip(counts, times))
    print(json.dumps({"segments": searcher.num_segments, "documents": searcher.num_docs}))


SQL = """
SET threads = 2; SET preserve_insertion_order = false;
CREATE TEMP TABLE tokens AS
  SELECT CAST(regexp_extract(filename, '([0-9]+)\\.txt$', 1) AS BIGINT) AS doc_id, filename, size,
         regexp_extract_all(lower(content), '[\\p{{L}}\\p{{M}}\\p{{N}}_]+') AS words
  FROM read_text('{folder}/*.txt');
COPY (SELECT doc_id, parse_filename(filename) AS file, size, len(words) AS tokens FROM tokens
      ORDER BY doc_id) TO '{out}/documents.parquet' (COMPRESSION zstd);
CREATE TEMP TABLE pairs AS
  SELECT DISTINCT word, doc_id FROM (SELECT unnest(words) AS word, doc_id FROM tokens);
CREATE TEMP TABLE words AS
  SELECT row_number() OVER (ORDER BY word) AS word_id, word FROM (SELECT DISTINCT word FROM pairs);
COPY (SELECT * FROM words ORDER BY word_id) TO '{out}/words.parquet' (COMPRESSION zstd);
COPY (SELECT word_id, list(doc_id ORDER BY doc_id) AS doc_ids FROM pairs JOIN words USING (word)
      GROUP BY word_id ORDER BY word_id) TO '{out}/postings.parquet' (COMPRESSION zstd);
"""


def build_duckdb(folder, out):
    import duckdb

    os.makedirs(out)
    duckdb.connect().execute(SQL.format(folder=folder, out=out))


def build_polars(folder, out):
    import polars

    os.makedirs(out)
    numbers, names, bodies = [], [], []
    for number, name in files(folder):
        with open(name, encoding="utf-8") as file:
            bodies.append(file.read())
        numbers.append(number)
        names.append(os.path.basename(name))
    frame = polars.DataFrame({"doc_id": numbers, "file": names, "body": bodies}).with_columns(
        size=polars.col("body").str.len_bytes(),
        words=polars.col("body").str.to_lowercase().str.extract_all(r"[\p{L}\p{M}\p{N}_]+"))
    frame.select("doc_id", "file", "size", tokens=polars.col("words").list.len()).write_parquet(
        f"{out}/documents.parquet")
    pairs = frame.select("doc_id", word="words").explode("word").drop_nulls().unique()
    words = pairs.select("word").unique().sort("word").with_row_index("word_id", offset=1)
    words.write_parquet(f"{out}/words.parquet")
    (pairs.join(words, on="word").sort("word_id", "doc_id").group_by("word_id", maintain_order=True)
     .agg(doc_ids="doc_id").write_parquet(f"{out}/postings.parquet"))


def build_spark(folder, out):
    from pyspark.sql import SparkSession, Window, functions as f

    spark = (SparkSession.builder.master("local[2]").config("spark.driver.memory", "4g")
             .config("spark.ui.enabled", "false").config("spark.sql.shuffle.partitions", "8")
             .getOrCreate())
    tokens = (spark.read.text(f"{folder}/*.txt", wholetext=True)
              .withColumn("path", f.input_file_name())
              .withColumn("doc_id", f.regexp_extract("path", r"([0-9]+)\.txt$", 1).cast("long"))
              .withColumn("words", f.expr(
                  r"regexp_extract_all(lower(value), '([\\p{L}\\p{M}\\p{N}_]+)', 1)")).cache())
    tokens.select("doc_id", f.element_at(f.split("path", "/"), -1).alias("file"),
                  f.octet_length("value").alias("size"), f.size("words").alias("tokens")
                  ).write.parquet(f"{out}/documents.parquet")
    pairs = tokens.select("doc_id", f.explode("words").alias("word")).distinct().cache()
    words = pairs.select("word").distinct().withColumn(
        "word_id", f.row_number().over(Window.orderBy("word"))).cache()
    words.write.parquet(f"{out}/words.parquet")
    (pairs.join(words, "word").groupBy("word_id")
     .agg(f.sort_array(f.collect_list("doc_id")).alias("doc_ids"))
     .write.parquet(f"{out}/postings.parquet"))


if __name__ == "__main__":
    {"tantivy": build_tantivy, "tantivy-queries": query_tantivy, "duckdb": build_duckdb,
     "polars": build_polars, "spark": build_spark}[sys.argv[1]](*sys.argv[2:])
