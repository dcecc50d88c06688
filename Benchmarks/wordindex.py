#!/usr/bin/env python3
"""The word index: Sluice against tantivy, Polars, DuckDB and PySpark on the same files.

    BENCH_FILES=100000 BENCH_RUNS=3 BENCH_ONLY=index,tantivy,sluice,update,unchanged make bench-wordindex

index     the index alone, by `wordindex-kernels`: what tantivy makes, with frequencies, names, sizes
bounded   the same with 256 MB
sluice    the whole run into a fresh lake: the index, its manifest, and the three tables
update    another whole run, after one file in 100 was changed: got a word more, or lost it again, so
          that the files stay as large as they are
unchanged a run that lists the files, compares them with the log, and finds nothing to do
others    the rivals' programs of wordindex_rivals.py: tantivy an index, the others three tables

The contestants take turns; each run is a new process, and begins once what was written before it, by
others or by who changed the files, is on the disk; medians. What an update takes beyond a run that
finds nothing is the difference of two larger times: each turn has six pairs of them, whose updates
change other files. Before `sluice` and `unchanged`, as many files are changed that nobody looks at, so
that these begin as cold as an update. All pairs of a word and a document must be the same in everybody's
tables, and the answers to 10,000 searches for two words in both indexes.
"""

import glob
import os
import pathlib
import random
import re
import shutil
import statistics
import subprocess
import sys

from bench import BIN, ROOT, VENV, environment, machine, measure
from place import place

WORK = os.path.join(ROOT, ".bench", "wordindex")
FILES = int(os.environ.get("BENCH_FILES", "100000"))
RUNS = int(os.environ.get("BENCH_RUNS", "3"))
NAMES = os.environ.get("BENCH_ONLY", "index,bounded,tantivy,sluice,update,unchanged,duckdb,polars,spark"
                       ).split(",")
KERNELS = os.path.join(BIN, "wordindex-kernels")
PYTHON = os.environ.get("BENCH_PYTHON", os.path.join(VENV, "python"))
# Pairs of an update and an unchanged run in each turn: with the eighth, small segments would be merged.
PARTS = range(6)
LAKE = os.path.join(WORK, "lake")
LAKES = pathlib.Path(WORK) / "lakes"
RIVALS = os.path.join(ROOT, "Benchmarks", "wordindex_rivals.py")


def prepare():
    folder = os.path.join(WORK, f"files-{FILES}")
    if not os.path.exists(folder + ".generated"):
        subprocess.run([KERNELS, "generate", folder, str(FILES)], check=True)
        open(folder + ".generated", "w").close()
    queries = os.path.join(WORK, f"queries-{FILES}")
    size, words = 0, re.compile(r"\w+")
    pick, pairs = random.Random(1), []
    shutil.rmtree(aside(folder), ignore_errors=True)
    os.makedirs(aside(folder))
    for part in PARTS:
        for number in changing(part):
            shutil.copy(f"{folder}/{number}.txt", aside(folder))
    for name in glob.glob(f"{folder}/*.txt"):  # into the page cache, for everyone alike
        with open(name, "rb") as file:
            size += len(file.read())
    if not os.path.exists(queries):
        vocabulary = set()
        while len(pairs) < 10000:
            with open(f"{folder}/{pick.randrange(FILES) + 1}.txt", encoding="utf-8") as file:
                found = sorted(set(words.findall(file.read().lower())))
            vocabulary.update(found)
            pairs.append(pick.sample(found, 2))
        # Half of them of one file, as they come; half of any two words.
        known = sorted(vocabulary)
        pairs = [pair if place % 2 else pick.sample(known, 2) for place, pair in enumerate(pairs)]
        with open(queries, "w", encoding="utf-8") as file:
            file.writelines(f"{a} {b}\n" for a, b in pairs)
    return folder, queries, size


def aside(folder):
    """Where the files are that are changed before a run that is to find nothing."""
    return folder + ".aside"


def changing(part):
    """The numbers of the files that an update changes, one in 100."""
    return range(1 + 16 * part, FILES + 1, 100)


def change(folder, part):
    """Gives files a word more, or takes it away again."""
    more = " changed"
    for number in changing(part):
        with open(f"{folder}/{number}.txt", encoding="utf-8") as file:
            text = file.read()
        with open(f"{folder}/{number}.txt", "w", encoding="utf-8") as file:
            file.write(text.removesuffix(more) if text.endswith(more) else text + more)


def new_lake():
    """Each turn has a lake of its own, where no removed files are in the way: see place.py."""
    if os.path.islink(LAKE):
        os.remove(LAKE)
    elif os.path.exists(LAKE):
        shutil.rmtree(LAKE)
    os.symlink(place(LAKES)[0] / "lake", LAKE)


def remove_old_lakes():
    """All but the last one, at which somebody may want to look."""
    for folder in LAKES.glob("*"):
        if folder.resolve() not in pathlib.Path(LAKE).resolve().parents:
            shutil.rmtree(folder)


def contestant(name, folder, out, part=0):
    settings = environment()
    if name in ("index", "bounded"):
        limit = 256 << 20 if name == "bounded" else 4 << 30
        return [KERNELS, "build", folder, out, f"--memory={limit}"], settings
    if name in ("sluice", "update", "unchanged"):
        if name == "sluice":
            new_lake()
        change(folder if name == "update" else aside(folder), part)
        settings.update(SLUICE_LAKE=os.path.realpath(LAKE), WORDINDEX_FILES=f"{folder}/*.txt")
        return [f"{BIN}/sluice", "run", "wordindex", "--project", ROOT], settings
    return [PYTHON, RIVALS, name, folder, out], settings


def digest(name, out, settings):
    """The number of pairs in somebody's tables, and the sum of their hashes."""
    tables = {"words": f"read_parquet('{out}/words.parquet{'/*.parquet' if name == 'spark' else ''}')"}
    tables["postings"] = tables["words"].replace("words.parquet", "postings.parquet")
    if name == "sluice":
        tables = {table: f"wordindex.{table}" for table in tables}
    sql = ("SELECT count(*) AS pairs, sum(CAST(hash(word, CAST(doc_id AS BIGINT)) % 4294967296 AS BIGINT))"
           f" AS hashes FROM (SELECT word_id, unnest(doc_ids) AS doc_id FROM {tables['postings']}) AS p"
           f" JOIN {tables['words']} AS w ON w.word_id = p.word_id")
    if name == "sluice":
        command = [f"{BIN}/sluice", "query", "--format", "csv", "--project", ROOT, sql]
    else:
        # In a process of its own, whose memory nobody who is measured begins with.
        command = [PYTHON, "-c", "import duckdb, sys; print(*duckdb.sql(sys.argv[1]).fetchone(), sep=',')", sql]
    lines = subprocess.run(command, env=settings, check=True, capture_output=True, text=True).stdout
    return tuple(int(number) for number in lines.split()[-1].split(","))


def size_of(path):
    if os.path.isfile(path):
        return os.path.getsize(path)
    return sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(path) for name in names)


def answers(queries, index, tantivy):
    """Counts and nanoseconds of both, query by query."""
    found = {}
    for name, command in {
        "Sluice": [KERNELS, "query", index, queries, os.path.join(WORK, "answers")],
        "tantivy": [PYTHON, RIVALS, "tantivy-queries", tantivy, queries, os.path.join(WORK, "answers")],
    }.items():
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        with open(os.path.join(WORK, "answers")) as file:
            found[name] = [tuple(map(int, line.split())) for line in file]
    counts = {name: [count for count, _ in all] for name, all in found.items()}
    for place, (a, b) in enumerate(zip(counts["Sluice"], counts["tantivy"])):
        if a != b:
            sys.exit(f"bench: query {place} has {a} documents in Sluice and {b} in tantivy")
    print(f"\n{len(counts['Sluice']):,} searches for two words, answers equal; "
          f"{sum(counts['Sluice']) / len(counts['Sluice']):,.0f} documents each on average")
    for name, all in found.items():
        times = sorted(taken / 1000 for _, taken in all)
        print(f"{name:10} median {statistics.median(times):8.1f} µs   "
              f"p99 {times[len(times) * 99 // 100]:8.1f} µs   most {times[-1]:8.1f} µs")


def main():
    os.makedirs(WORK, exist_ok=True)
    print(f"machine  {machine()}")
    folder, queries, size = prepare()
    print(f"data     {FILES:,} generated files, {size / 1e6:.0f} MB", flush=True)
    results = {name: [] for name in NAMES}
    outs = {name: os.path.join(WORK, name) for name in NAMES}
    pair = [name for name in ("update", "unchanged") if name in NAMES]
    turn = [(name, 0) for name in NAMES if name not in pair]
    # At its end, as the files are others then.
    turn += [(name, part) for part in PARTS for name in pair]
    digests = {}
    for number in range(RUNS):
        for name, part in turn:
            shutil.rmtree(outs[name], ignore_errors=True)
            if os.path.exists(outs[name]):
                os.remove(outs[name])
            command, settings = contestant(name, folder, outs[name], part)
            os.sync()
            results[name].append(measure(command, settings, os.path.join(WORK, f"{name}.log")))
            print(f"         {name} {results[name][-1][0]:.2f} s", file=sys.stderr, flush=True)
            if number == 0 and name in ("sluice", "duckdb", "polars", "spark"):
                digests[name] = digest(name, outs[name], settings)
    if len(set(digests.values())) > 1:
        sys.exit(f"bench: the tables differ (pairs, sum of hashes): {digests}")
    median = {n: [statistics.median(run[i] for run in results[n]) for i in (0, 1, 2)] for n in NAMES}
    print(f"\n{'':10}{'time':>10}{'processor':>12}{'MB/s':>8}{'peak memory':>14}{'on disk':>12}")
    for name in NAMES:
        seconds, peak, processor = median[name]
        disk = f"{size_of(outs[name]) / 1e6:9.1f} MB" if os.path.exists(outs[name]) else ""
        print(f"{name:10}{seconds:8.2f} s{processor:10.2f} s{size / seconds / 1e6:8.0f}"
              f"{peak / 1e6:11,.0f} MB{disk:>12}")
    for fast, slow, goal in [("index", "tantivy", 2.5), ("sluice", "tantivy", 1.5), ("sluice", "duckdb", 4),
                             ("sluice", "spark", 40), ("index", "bounded", 0.5)]:
        if fast in median and slow in median:
            ratio = median[slow][0] / median[fast][0]
            met = ratio <= 1 / goal if goal < 1 else ratio >= goal
            print(f"{slow} / {fast}: {ratio:.2f}× in time, {median[slow][2] / median[fast][2]:.2f}× in processor"
                  f" time; goal {goal if goal >= 1 else 1 / goal:g}×: {'met' if met else 'MISSED'}")
    if all(name in median for name in ("sluice", "update", "unchanged")):
        # What finding the changes takes, an update of any kind has to pay.
        # Of each turn, as the machine is faster in some minutes than in others.
        def less_unchanged(name, i):
            every = len(results["unchanged"]) // len(results[name])
            return statistics.median(
                run[i] - same[i] for run, same in zip(results[name], results["unchanged"][::every]))

        ratios = [less_unchanged("sluice", i) / max(1e-9, less_unchanged("update", i)) for i in (0, 2)]
        print(f"sluice / update, each less unchanged: {ratios[0]:.2f}× in time, {ratios[1]:.2f}× in processor time; "
              f"goal 20×: {'met' if ratios[0] >= 20 else 'MISSED'} (with it: "
              f"{median['sluice'][0] / median['update'][0]:.2f}×)")
    if len(digests) > 1:
        print(f"{next(iter(digests.values()))[0]:,} pairs of a word and a document, the same in all tables")
    if "index" in NAMES and "tantivy" in NAMES:
        answers(queries, outs["index"], outs["tantivy"])
    subprocess.run([KERNELS, "parts", folder], check=True)


if __name__ == "__main__":
    try:
        main()
    finally:
        remove_old_lakes()
