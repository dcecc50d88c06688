#!/usr/bin/env python3
"""How `rank` scales: over files, cores, memory, one giant domain, one giant file.

    SCALE_ONLY=files,cores,floor,memory,domain,plain,gzip SCALE_RUNS=3 make bench-rank-scale

Works on the files of `bench.py`'s day (BENCH_LINES lines an hour, BENCH_HOURS hours), which it has made where they are
not there. Measured is `rank-kernels --rank-only`, the operator without the lake around it, each run a process of its
own; of SCALE_RUNS runs that take turns the least time counts, as whatever else the machine does only adds; only
one core and two are compared turn by turn. The giant
files hold each line of the first hour many times, its title followed by a number, so that they ascend as it does.
"""

import glob
import gzip
import os
import random
import re
import shutil
import statistics
import subprocess
import sys

import bench

RUNS = int(os.environ.get("SCALE_RUNS", "3"))
GIANT = float(os.environ.get("SCALE_GIANT", "5e9"))
KERNELS = f"{bench.BIN}/rank-kernels"
NAMES = ["files", "cores", "floor", "memory", "domain", "plain", "gzip"]


class Run:
    """The least wall and processor seconds of a command's runs, its rows and peak bytes."""

    def __init__(self):
        self.walls = []
        self.wall = self.processor = float("inf")
        self.rows = self.peak = self.spilled = 0

    def add(self, files, *options):
        self.note(start(files, *options))

    def note(self, process):
        out = process.communicate()[0]
        if process.returncode:
            sys.exit(f"rank_scale: {KERNELS} failed")
        times = re.search(r"([\d.]+) s .* ([\d.]+) s wall", out)
        facts = re.search(r"(\d+) rows, (\d+) bytes spilled, peak (\d+) MB", out)
        self.processor = min(self.processor, float(times[1]))
        self.walls.append(float(times[2]))
        self.wall = min(self.walls)
        self.rows, self.spilled = int(facts[1]), int(facts[2])
        self.peak = max(self.peak, int(facts[3]))

    def __str__(self):
        spilled = f", {self.spilled / 1e6:,.0f} MB written aside" if self.spilled else ""
        return (f"{self.wall:7.2f} s {self.processor:7.2f} s of processor "
                f"{self.wall / self.rows * 1e9:6.1f} ns/line, peak {self.peak:,} MB{spilled}")


def start(files, *options):
    return subprocess.Popen(
        [KERNELS, "--rank-only", "--once", *options, *files], text=True, stdout=subprocess.PIPE)


def turns(cases):
    """Runs cases (name, files, options) in turn."""
    runs = {name: Run() for name, _, _ in cases}
    for _ in range(RUNS):
        for name, files, options in cases:
            runs[name].add(files, *options)
    for name, _, _ in cases:
        print(f"  {name:28}{runs[name]}", flush=True)
    return runs


def cores(files):
    """One thread and two, and beside them two processes of one thread each: what the machine's second core gives to
    programs that have nothing to do with each other, which is less than twice where the cores share a clock or
    caches.

    Compared are runs that followed each other: a machine clocks one busy core higher at one time than at another,
    and the least of all single runs would be compared with that."""
    one, two, apart = Run(), Run(), Run()
    for _ in range(RUNS):
        one.add(files, "--threads=1")
        two.add(files, "--threads=2")
        pair = [start(files, "--threads=1") for _ in range(2)]
        both = Run()
        for process in pair:
            both.note(process)
        apart.walls.append(max(both.walls) / 2)
    names = [f"{len(files)} files, 1 thread", f"{len(files)} files, 2 threads"]
    for name, run in zip(names, (one, two)):
        print(f"  {name:28}{run}", flush=True)
    gain = [statistics.median(a / b for a, b in zip(one.walls, run.walls)) for run in (two, apart)]
    print(f"  two processes at once give {gain[1]:.2f} times as much as one")
    ratio("speed-up, median of the turns", gain[0], 1.8, over=False)


def ratio(what, value, limit, over=True):
    mark = "" if (value <= limit if over else value >= limit) else "   MISSED"
    print(f"  {what}: {value:.2f}, wanted {'at most' if over else 'at least'} {limit}{mark}\n", flush=True)


def made(path, make):
    if not os.path.exists(path):
        make(path + ".part")
        os.rename(path + ".part", path)
    return path


def shuffled(files):
    """The same hours, their lines in no order."""
    folder = bench.path(f"shuffled-{bench.LINES}-{bench.HOURS}")
    os.makedirs(folder, exist_ok=True)

    def shuffle(source):
        def make(path):
            with gzip.open(source, "rb") as lines:
                all_lines = lines.readlines()
            random.Random(source).shuffle(all_lines)
            with gzip.open(path, "wb", 1) as out:
                out.writelines(all_lines)
        return make

    return [made(os.path.join(folder, os.path.basename(name)), shuffle(name)) for name in files]


def widened(source, byte_count, open_out):
    """Writes each line of an hour so often that `byte_count` bytes come together, still in order."""
    def make(path):
        with gzip.open(source, "rb") as lines:
            text = lines.read()
        times = max(1, round(byte_count / len(text)))
        tails = [b"\x01%04d " % number for number in range(times)]
        with open_out(path) as out:
            last = None
            for line in text.splitlines():
                fields = line.split(b" ")
                # A page's second line would begin its numbers anew.
                if len(fields) == 4 and fields[:2] != last and min(fields[1], default=0) > 1:
                    last = fields[:2]
                    head, tail = fields[0] + b" " + fields[1], fields[2] + b" " + fields[3] + b"\n"
                    out.write(b"".join([head + number + tail for number in tails]))
    return make


def one_domain(source):
    """Puts nine of ten lines under one domain."""
    def make(path):
        with gzip.open(source, "rb") as lines:
            rows = [line.rstrip(b"\n").split(b" ") for line in lines]
        rows = sorted(b" ".join([b"en" if number % 10 else row[0]] + row[1:])
                      for number, row in enumerate(rows))
        with gzip.open(path, "wb", 1) as out:
            out.write(b"\n".join(rows) + b"\n")
    return make


def main():
    if bench.HOURS == 1:
        sys.exit("rank_scale: BENCH_HOURS=24 make bench-rank-scale")
    wanted = os.environ.get("SCALE_ONLY", ",".join(NAMES)).split(",")
    folder, pattern, _ = bench.prepare()
    day = sorted(glob.glob(pattern))
    print(f"machine  {bench.machine()}")
    print(f"data     {len(day)} generated hours, {bench.LINES:,} lines each; least of {RUNS} runs\n", flush=True)
    if "files" in wanted:
        print("time per line over files; beyond the day's they come twice")
        links = bench.path("twice")  # hard links
        shutil.rmtree(links, ignore_errors=True)
        os.makedirs(links)
        for name in day:
            os.link(name, os.path.join(links, os.path.basename(name)))
        both = (day + [os.path.join(links, os.path.basename(name)) for name in day])
        counts = [n for n in (1, 4, 12, 24, 48) if n <= len(both)]
        runs = turns([(f"{n} files", both[:n], ["--threads=2"]) for n in counts])
        per_line = [run.wall / run.rows for run in runs.values()]
        ratio("most over least", max(per_line) / min(per_line), 1.5)
    if "cores" in wanted:
        print("one thread and two")
        for n in (1, len(day)):
            cores(day[:n])
    if "floor" in wanted:
        print("ranking and inflating alone, on two threads")
        best = float("inf")
        for _ in range(RUNS):
            out = subprocess.run([KERNELS, "--inflate", "--threads=2", *day], check=True, text=True,
                                 stdout=subprocess.PIPE).stdout
            best = min(best, float(re.search(r"([\d.]+) s wall", out)[1]))
        print(f"  {'inflating':28}{best:7.2f} s")
        run = turns([("ranking", day, ["--threads=2"])])["ranking"]
        ratio("ranking over inflating", run.wall / best, 4)
    if "memory" in wanted:
        print("a day in no order, with 4 GB and with 256 MB")
        files = shuffled(day)
        runs = turns([(f"{n} MB", files, [f"--memory={n << 20}", "--threads=2"]) for n in (4096, 256)])
        ratio("with 256 MB over with 4 GB", runs["256 MB"].wall / runs["4096 MB"].wall, 2)
    hour = turns([("an hour as it is", day[:1], ["--threads=2"])])["an hour as it is"]

    def per_line(name, path):
        run = turns([(name, [path], ["--threads=2"])])[name]
        ratio("time per line over the hour's", (run.wall / run.rows) / (hour.wall / hour.rows), 1.5)

    if "domain" in wanted:
        per_line("90 % of lines in a domain", made(bench.path(f"domain-{bench.LINES}.gz"), one_domain(day[0])))
    if "plain" in wanted:
        per_line("one plain file", made(
            bench.path(f"plain-{GIANT:.0e}"), widened(day[0], GIANT, lambda p: open(p, "wb"))))
    if "gzip" in wanted:
        # Titles with numbers pack better than others.
        per_line("one gzip file", made(
            bench.path(f"gzip-{GIANT:.0e}.gz"),
            widened(day[0], 3 * GIANT, lambda p: gzip.open(p, "wb", 1))))


if __name__ == "__main__":
    main()
