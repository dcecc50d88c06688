#!/usr/bin/env python3
"""The pageviews job: Sluice against DuckDB's command, Polars and PySpark, whole processes.

    BENCH_LINES=5000000 BENCH_RUNS=3 BENCH_ONLY=sluice,twin,duckdb,polars,spark make bench-rank
    BENCH_HOURS=24 BENCH_RUNS=1 BENCH_ONLY=sluice,duckdb,polars make bench-rank

One generated hour, or that many hours of a day as one, and a block list of 1,000 pages. `sluice` runs
the native operator, `twin` its SQL; BENCH_MEMORY=256MB limits both. The contestants take turns; each run is a
new process that starts with nothing: Sluice with a fresh lake. Medians, and ratios to Sluice.
Memory is the peak of the process and its children together, looked at every 100 ms, or the kernel's
own peak of the largest process where that is more. (Every 10 ms costs a run of half a second some
milliseconds.) Processor time is that of all of them, too: of
children that nobody waits for, such as Spark's Java, what they had used when last looked at. The
answers must agree row for row.
"""

import csv
import glob
import gzip
import os
import platform
import shutil
import statistics
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WORK = os.path.join(ROOT, ".bench")
BIN = os.path.join(ROOT, ".build", "release")
VENV = os.path.join(ROOT, ".deps", "venv-bench", "bin")
LINES = int(os.environ.get("BENCH_LINES", "5000000"))
HOURS = int(os.environ.get("BENCH_HOURS", "1"))
MEMORY = os.environ.get("BENCH_MEMORY")
RUNS = int(os.environ.get("BENCH_RUNS", "3"))
if HOURS == 1:
    HOUR, START, END = "2024-01-01T05", "2024-01-01 05:00:00", "2024-01-01 06:00:00"
else:
    HOUR, START, END = "2024-01-01T00", "2024-01-01 00:00:00", "2024-01-02 00:00:00"
NAMES = {"sluice": "Sluice", "twin": "Sluice --twin", "duckdb": "DuckDB command", "polars": "Polars",
         "spark": "PySpark local[2]"}


def path(*parts):
    return os.path.join(WORK, *parts)


def prepare():
    """The hour and its block list; kept between calls, one for each size."""
    folder = path(f"dumps-{LINES}" if HOURS == 1 else f"dumps-{LINES}-{HOURS}")
    month = os.path.join(folder, "2024/2024-01")
    dump = os.path.join(month, f"pageviews-20240101-{HOUR[-2:]}0000.gz")
    if not os.path.exists(os.path.join(folder, "complete")):
        subprocess.run(
            [f"{BIN}/sluice-sample", "pageviews", "--out", folder, "--from", HOUR,
             "--hours", str(HOURS), "--lines", str(LINES)], check=True, stdout=subprocess.DEVNULL)
        open(os.path.join(folder, "complete"), "w").close()
    blocked = os.path.join(folder, "blocked.txt")
    if not os.path.exists(blocked):
        chosen = []
        with gzip.open(dump, "rb") as lines:
            for number, line in enumerate(lines):
                fields = line.split(b" ")
                if number % max(1, LINES // 1000) == 0 and len(fields) == 4:
                    # Every other one percent-encoded, as the real list has them.
                    page = fields[1]
                    if len(chosen) % 2:
                        page = b"".join(
                            b"%%%02X" % byte if byte >= 0x80 else bytes([byte]) for byte in page)
                    chosen.append(fields[0] + b" " + page + b"\n")
        with open(blocked, "wb") as file:
            file.writelines(chosen)
    for name in glob.glob(f"{month}/*.gz"):  # into the page cache, for everyone alike
        with open(name, "rb") as file:
            while file.read(1 << 20):
                pass
    return folder, dump if HOURS == 1 else f"{month}/*.gz", blocked


def environment():
    settings = {k: v for k, v in os.environ.items() if not k.startswith(("SLUICE_", "PAGEVIEWS_"))}
    settings["PYSPARK_PYTHON"] = settings["PYSPARK_DRIVER_PYTHON"] = f"{VENV}/python"
    if shutil.which("java") is None or "JAVA_HOME" not in settings:
        for home in sorted(glob.glob("/usr/lib/jvm/java-*-openjdk-*") + [
                "/opt/homebrew/opt/openjdk@17", "/usr/local/opt/openjdk@17"]):
            if os.path.exists(os.path.join(home, "bin/java")):
                settings["JAVA_HOME"] = home
    return settings


def contestant(name, folder, dump, blocked, out):
    """The command, its environment, and the pattern of the CSV it writes."""
    settings = environment()
    if name in ("sluice", "twin"):
        settings.update(
            SLUICE_LAKE=os.path.join(out, "lake"), PAGEVIEWS_URL=folder, PAGEVIEWS_BLOCKED=blocked,
            PAGEVIEWS_OUT=os.path.join(out, "export"))
        command = [f"{BIN}/sluice", "run", "pageviews", "--from", HOUR, "--project", ROOT]
        command += ["--twin"] if name == "twin" else []
        command += ["--memory", MEMORY] if MEMORY else []
        if HOURS == 1:
            hour = "/hour=*"
        else:
            command += ["--set", "interval=day"]
            hour = ""
        return command, settings, f"{out}/export/format=csv/year=2024/month=*/day=*{hour}/*.csv.gz"
    if name == "duckdb":
        with open(os.path.join(ROOT, "pipelines/pageviews/models/top_pages.sql")) as file:
            model = file.read()
        with open(os.path.join(ROOT, "Benchmarks/pageviews.duckdb.sql")) as file:
            script = file.read()
        for key, value in {"dumps": dump, "blocked": blocked, "out": f"{out}/top.csv.gz",
                           "model": model, "start": START, "end": END}.items():
            script = script.replace("{{%s}}" % key, value)
        with open(f"{out}/job.sql", "w") as file:
            file.write(script)
        return [f"{VENV}/duckdb", "-bail", "-f", f"{out}/job.sql"], settings, f"{out}/top.csv.gz"
    if name == "polars":
        settings["POLARS_MAX_THREADS"] = "2"
        command = [f"{VENV}/python", os.path.join(ROOT, "Benchmarks/pageviews_polars.py"),
                   dump, blocked, f"{out}/top.csv.gz"]
        return command, settings, f"{out}/top.csv.gz"
    command = [f"{VENV}/python", os.path.join(ROOT, "Benchmarks/pageviews_spark.py"),
               dump, blocked, f"{out}/top"]
    return command, settings, f"{out}/top/part-*.csv.gz"


def look_at_tree(root, used):
    """Resident bytes of a process and all below it; 0 where there is no /proc. Notes in `used` the
    seconds of processor time that each has used."""
    total, left = 0, [root]
    page, tick = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")
    while left:
        pid = left.pop()
        try:
            with open(f"/proc/{pid}/statm") as file:
                total += int(file.read().split()[1]) * page
            with open(f"/proc/{pid}/stat") as file:
                # Behind the name, which may hold anything: the 14th and 15th of all fields.
                fields = file.read().rsplit(")", 1)[1].split()
                used[pid] = (int(fields[11]) + int(fields[12])) / tick
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/children") as file:
                    left += [int(child) for child in file.read().split()]
        except (OSError, IndexError):
            continue
    return total


def measure(command, settings, log):
    """Seconds, peak bytes and seconds of processor time of one process from start to end."""
    with open(log, "wb") as output:
        begin = time.monotonic()
        process = subprocess.Popen(
            command, env=settings, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=WORK)
        peak, used, done = [0], {}, threading.Event()

        def watch():
            while not done.wait(0.1):
                peak[0] = max(peak[0], look_at_tree(process.pid, used))

        watcher = threading.Thread(target=watch)
        watcher.start()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        done.set()
        watcher.join()
    if process.returncode != 0:
        with open(log, errors="replace") as file:
            sys.exit(f"bench: {command[0]} ended with {process.returncode}:\n{file.read()[-3000:]}")
    unit = 1 if sys.platform == "darwin" else 1024
    processor = max(usage.ru_utime + usage.ru_stime, sum(used.values()))
    return seconds, max(peak[0], usage.ru_maxrss * unit), processor


def answer(pattern):
    """The rows of the CSV, sorted; every field as text."""
    rows = []
    for name in glob.glob(pattern):
        with gzip.open(name, "rt", encoding="utf-8", newline="") as file:
            reader = csv.reader(file)
            if next(reader) != ["domain", "page", "views", "rank"]:
                sys.exit(f"bench: {name} has another header")
            rows += [tuple(row) for row in reader]
    if not rows:
        sys.exit(f"bench: no answer at {pattern}")
    return sorted(rows)


def compare(answers):
    (first, rows), *others = answers.items()
    for name, found in others:
        if found != rows:
            missing, extra = sorted(set(rows) - set(found)), sorted(set(found) - set(rows))
            sys.exit(
                f"bench: {NAMES[first]} and {NAMES[name]} disagree: {len(rows)} rows and "
                f"{len(found)}; only the first has {missing[:3]}, only the other {extra[:3]}")
    return len(rows)


def machine():
    model = platform.processor() or platform.machine()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
            model = names[0] if names else model
    return f"{model}, {os.cpu_count()} cores, {memory / 2**30:.0f} GiB, {platform.platform()}"


def main():
    names = os.environ.get("BENCH_ONLY", "sluice,duckdb,polars,spark").split(",")
    os.makedirs(WORK, exist_ok=True)
    folder, dump, blocked = prepare()
    print(f"machine  {machine()}")
    size = sum(os.path.getsize(name) for name in glob.glob(dump)) / 1e6
    print(f"data     {HOURS} generated hour{'s as a day' if HOURS > 1 else ''}, {LINES:,} lines each, "
          f"{size:.1f} MB gzip; block list of 1,000 pages; top 25, ties rank")
    print(f"runs     {RUNS} each, taking turns, whole processes; medians", flush=True)

    results = {name: [] for name in names}
    answers = {}
    for turn in range(RUNS):
        for name in names:
            out = path("out", name)
            shutil.rmtree(out, ignore_errors=True)
            os.makedirs(out)
            command, settings, pattern = contestant(name, folder, dump, blocked, out)
            results[name].append(measure(command, settings, path(f"{name}.log")))
            answers[name] = answer(pattern)
            if turn == 0:
                compare(answers)
            print(f"         {NAMES[name]} {results[name][-1][0]:.2f} s", file=sys.stderr, flush=True)
    rows = compare(answers)
    print(f"answers  {rows:,} rows, equal everywhere\n")

    median = {n: [statistics.median(run[i] for run in results[n]) for i in (0, 1, 2)] for n in names}
    base = median.get("sluice")
    print(f"{'':18}{'time':>9}{'range':>16}{'processor':>12}{'lines/s':>12}{'peak memory':>14}"
          + (f"{'time':>9}{'processor':>11}{'memory':>9}" if base else ""))
    for name in names:
        seconds, peak, processor = median[name]
        times = sorted(run[0] for run in results[name])
        line = (f"{NAMES[name]:18}{seconds:7.2f} s{times[0]:8.2f}–{times[-1]:.2f} s{processor:10.2f} s"
                f"{LINES * HOURS / seconds:12,.0f}{peak / 1e6:11,.0f} MB")
        if base:
            line += (f"{seconds / base[0]:8.2f}×{processor / base[2]:10.2f}×{peak / base[1]:8.2f}×")
        print(line)
    print("\nratios are to Sluice, for which the input is verified, bad lines are kept, the table is "
          "committed\nand audited, and Parquet is exported beside the CSV; on a busy machine look at "
          "processor time")


if __name__ == "__main__":
    main()
