#!/usr/bin/env python3
"""What fetching costs: Sluice against curl, and against Debian's awscli.

    BENCH_RUNS=5 BENCH_MEGABYTES=1024 BENCH_OBJECTS=10000 BENCH_ONLY=large,small,put make bench-stores

large  one object from nginx on loopback. Compared is the time of whole processes; and Sluice's peak
       memory with that for an object of 16 MiB: it must not grow with the object.
small  many objects of 1 to 4 KB. moto's S3 server lists them, and nginx gives them out, with the
       ETags that S3 has: moto closes every connection, which no object store does. As moto is far
       slower than either client, what is compared is the CPU time of the clients, per object.
put    one file of half the megabytes to moto's S3 server, in parts, as landing and exports put theirs:
       its peak memory, with that for a file of 32 MiB.

Sluice's side is `bench-fetch`, which does what the fetch step of a run does: list, fetch, verify, file
in the cache. Nobody waits for the disk: in a run, large objects are brought there while others are
fetched and tables computed; bench-fetch ends before that. The contestants take turns, each run is a new
process with an empty folder; medians. The bytes must be equal.
"""

import filecmp
import hashlib
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import time

from bench import ROOT, machine
from place import place

HOME = pathlib.Path(ROOT, ".bench", "stores")
WORK = HOME  # a folder in it, chosen when a run starts
FETCH = os.path.join(ROOT, ".build", "release", "bench-fetch")
PYTHON = os.path.join(ROOT, ".deps", "venv", "bin", "python")
RUNS = int(os.environ.get("BENCH_RUNS", "5"))
MEGABYTES = int(os.environ.get("BENCH_MEGABYTES", "1024"))
OBJECTS = int(os.environ.get("BENCH_OBJECTS", "10000"))


def command(name, *others):
    """A command of the system's own packages, whatever else is first on PATH."""
    for place in (f"/usr/bin/{name}", f"/usr/sbin/{name}", shutil.which(name), *others):
        if place and os.access(place, os.X_OK):
            return place
    sys.exit(f"bench: {name} is missing; `scripts/setup stores` installs it")


def run(arguments, settings, output):
    """Seconds, CPU seconds and peak bytes of one process, which writes to an empty folder."""
    # Old folders go at the end; see place.py.
    if output.exists():
        output.rename(WORK / "old" / f"{output.name}-{len(os.listdir(WORK / 'old'))}")
    output.mkdir(parents=True)
    begin = time.monotonic()
    process = subprocess.Popen(arguments, env=settings, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"bench: {arguments[0]} ended with {process.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit


def turns(contestants, check_run=lambda name: None, check_turn=lambda: None):
    """Medians by name; the bytes are compared after each run or each turn."""
    results = {name: [] for name in contestants}
    for turn in range(RUNS):
        # Who is second finds other things in the system's caches: they take turns in that, too.
        order = list(contestants) if turn % 2 == 0 else list(reversed(contestants))
        for name in order:
            arguments, settings = contestants[name]
            results[name].append(run(arguments, settings, WORK / name))
            check_run(name)
        check_turn()
        for name in contestants:
            seconds, cpu, peak = results[name][-1]
            print(f"         {name:8}{seconds:8.2f} s{cpu:8.2f} s CPU{peak / 1e6:8.0f} MB",
                  file=sys.stderr, flush=True)
    return {name: [statistics.median(run[i] for run in all) for i in range(3)]
            for name, all in results.items()}


def report(medians, unit, count, index, target):
    """Prints medians and the ratio of Sluice to the other in one of them."""
    print(f"{'':10}{'time':>10}{'CPU':>10}{'CPU / ' + unit:>16}{'peak memory':>14}")
    for name, (seconds, cpu, peak) in medians.items():
        print(f"{name:10}{seconds:8.2f} s{cpu:8.2f} s{cpu / count * 1e6:13,.0f} µs"
              f"{peak / 1e6:11,.0f} MB")
    ours, theirs = [median[index] for median in medians.values()]
    print(f"ratio     {ours / theirs:.3f}× in {('time', 'CPU time')[index]}, target {target}×: "
          f"{'met' if ours / theirs <= target else 'MISSED'}\n", flush=True)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def s3_settings(address):
    """The environment of a client of moto."""
    settings = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    settings.update(
        AWS_ENDPOINT_URL=address, AWS_REGION="us-east-1", AWS_ACCESS_KEY_ID="bench",
        AWS_SECRET_ACCESS_KEY="bench", AWS_CONFIG_FILE="/dev/null",
        AWS_SHARED_CREDENTIALS_FILE="/dev/null", AWS_EC2_METADATA_DISABLED="true")
    return settings


def serve(rules, more=""):
    """nginx, and the port where it answers by these rules."""
    port = free_port()
    settings = WORK / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    settings.write_text(f"""
{user} daemon off; worker_processes 1; pid {WORK}/nginx.pid; error_log {WORK}/nginx.log;
events {{}}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; {more}
  client_body_temp_path {WORK}/t1; proxy_temp_path {WORK}/t2; fastcgi_temp_path {WORK}/t3;
  uwsgi_temp_path {WORK}/t4; scgi_temp_path {WORK}/t5;
  server {{ listen 127.0.0.1:{port}; {rules} }}
}}
""")
    nginx = subprocess.Popen([command("nginx"), "-e", f"{WORK}/nginx.log", "-c", str(settings)])
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return nginx, port
        time.sleep(0.05)
    sys.exit(f"bench: nginx does not answer; see {WORK}/nginx.log")


def large():
    site = HOME / "site"
    big = site / "big.bin"
    site.mkdir(parents=True, exist_ok=True)
    if not big.exists() or big.stat().st_size != MEGABYTES << 20:
        with open(big, "wb") as file:
            for _ in range(MEGABYTES):
                file.write(os.urandom(1 << 20))
    nginx, port = serve(f"root {site};")
    try:
        url = f"http://127.0.0.1:{port}/big.bin"
        with open(big, "rb") as file:  # into the page cache, for both alike
            while file.read(1 << 20):
                pass

        def check(name):
            found = [path for path in (WORK / name).iterdir() if path.is_file()]
            if len(found) != 1:
                sys.exit(f"bench: {WORK / name} holds {found}")
            if not filecmp.cmp(found[0], big, shallow=False):
                sys.exit(f"bench: {found[0]} is not what was served")
            # Or its way to the disk, and the memory that it is in, would be a burden of the next run.
            os.truncate(found[0], 0)

        print(f"one object of {MEGABYTES:,} MiB from nginx, {RUNS} runs each")
        medians = turns({
            "sluice": ([FETCH, str(WORK / "sluice"), url], dict(os.environ)),
            "curl": ([command("curl"), "-sSf", "-o", str(WORK / "curl" / "big.bin"), url],
                     dict(os.environ)),
        }, check)
        report(medians, "MiB", MEGABYTES, 0, 1.2)
        with open(big, "rb") as file, open(site / "less.bin", "wb") as less:
            less.write(file.read(16 << 20))
        (WORK / "old" / "less").mkdir()
        _, _, little = run([FETCH, str(WORK / "old" / "less" / "cache"), url.replace("big", "less")],
                           dict(os.environ), WORK / "old" / "less" / "cache")
        peak = medians["sluice"][2]
        print(f"memory    {peak / 1e6:,.0f} MB at its peak, {little / 1e6:,.0f} MB for 16 MiB, "
              f"target 16 MB more: {'met' if peak - little <= 16e6 else 'MISSED'}\n", flush=True)
    finally:
        nginx.terminate()
        nginx.wait()


def small():
    objects = WORK / "old" / "objects"
    server = subprocess.Popen(
        [PYTHON, os.path.join(ROOT, "Benchmarks/objects_server.py"), str(OBJECTS), str(objects)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    moto = int(server.stdout.readline())
    etags = WORK / "old" / "etags"
    etags.write_text("".join(
        f'/{path.relative_to(objects)} {hashlib.md5(path.read_bytes()).hexdigest()};\n'
        for path in objects.rglob("*.txt")))
    # nginx compares If-Match with its own ETag, which these are not.
    files = free_port()
    nginx, port = serve(
        f"""location / {{
          if ($args) {{ proxy_pass http://127.0.0.1:{moto}; }}
          proxy_set_header If-Match ""; proxy_pass http://127.0.0.1:{files};
          add_header ETag '"$object"';
        }}""",
        f"""map_hash_max_size 65536; map $uri $object {{ include {etags}; }}
        server {{ listen 127.0.0.1:{files}; root {objects}; etag off; }}""")
    try:
        address = f"http://127.0.0.1:{port}"
        settings = s3_settings(address)

        def check():
            copied = list((WORK / "awscli").rglob("*.txt"))
            if len(copied) != OBJECTS:
                sys.exit(f"bench: awscli copied {len(copied)} objects")
            kept = {path.name.split(".")[0]: path for path in (WORK / "sluice").iterdir()}
            for path in copied:
                content = path.read_bytes()
                key = path.relative_to(WORK / "awscli")
                # The cache names files by address and version.
                version = f'"{hashlib.md5(content).hexdigest()}"'
                name = hashlib.sha256(f"s3://bucket/small/{key}\n{version}".encode()).hexdigest()
                # And small ones by the machine's start.
                found = kept.get(name)
                if found is None or found.read_bytes() != content:
                    sys.exit(f"bench: {key} is not the same in both")

        aws = command("aws")
        version = subprocess.run([aws, "--version"], capture_output=True, text=True).stdout.split()
        print(f"{OBJECTS:,} objects of 1 to 4 KB, {RUNS} runs each; {version[0]}")
        medians = turns({
            "sluice": ([FETCH, str(WORK / "sluice"), "s3://bucket/small/*"], settings),
            "awscli": ([aws, "--endpoint-url", address, "s3", "cp", "--recursive", "--only-show-errors",
                        "s3://bucket/small/", str(WORK / "awscli")], settings),
        }, check_turn=check)
        report(medians, "object", OBJECTS, 1, 0.1)
    finally:
        nginx.terminate()
        nginx.wait()
        server.stdin.close()
        server.wait()


def put():
    server = subprocess.Popen(
        [PYTHON, os.path.join(ROOT, "Benchmarks/objects_server.py"), "0"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        settings = s3_settings(f"http://127.0.0.1:{int(server.stdout.readline())}")
        peaks = {}
        # moto holds what it is given in its memory.
        for megabytes in (32, max(64, MEGABYTES // 2)):
            file = WORK / "old" / f"put-{megabytes}"
            with open(file, "wb") as made:
                for _ in range(megabytes):
                    made.write(os.urandom(1 << 20))
            _, _, peaks[megabytes] = run(
                [FETCH, "--put", str(file), f"s3://bucket/{megabytes}"], settings, WORK / "sluice")
            file.unlink()
        (less, few), (more, many) = peaks.items()
        print(f"putting   {many / 1e6:,.0f} MB at its peak for {more:,} MiB, {few / 1e6:,.0f} MB for "
              f"{less} MiB, target 16 MB more: {'met' if many - few <= 16e6 else 'MISSED'}\n",
              flush=True)
    finally:
        server.stdin.close()
        server.wait()


def main():
    global WORK
    WORK, seconds = place(HOME)
    (WORK / "old").mkdir()
    print(f"machine   {machine()}")
    print(f"disk      {seconds * 1e6:.0f} µs of CPU to make an empty file\n")
    for name in os.environ.get("BENCH_ONLY", "large,small,put").split(","):
        {"large": large, "small": small, "put": put}[name]()
    remove()


def remove():
    """What this run left, and runs that were broken off."""
    for folder in HOME.iterdir():
        if folder.name != "site":
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
