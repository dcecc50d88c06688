"""Accounts for every file of a lake, with pyiceberg, pyarrow and the standard library only.

    audit_lake.py LAKE[=ADDRESS]…

A lake is a folder, or one copied to a folder from an address, such as s3://bucket/lake. One JSON object a line, a lake each:
  tables       rows of each table as text, sorted; its snapshots, versions and live data files
  exports      the folders with a `_SUCCESS`: the files that it names, with their digests found
  referenced   keys that something refers to, or that are what docs/formats says they are
  unreferenced all other keys: what `sluice state` has to explain
  problems     what is broken: files that are named but not there, digests that differ, gaps
"""

import hashlib
import json
import pathlib
import re
import sys

import pyarrow as pa
import pyarrow.parquet as pq

from read_iceberg import canonical, in_order, newest_metadata

RUN = re.compile(r"\d{8}T\d{9}-[0-9a-f]{12}")


class Lake:
    def __init__(self, root, address=""):
        self.root = pathlib.Path(root).resolve()
        self.address = address
        self.keys = {
            str(path.relative_to(self.root))
            for path in self.root.rglob("*") if path.is_file() or path.is_symlink()}
        self.referenced, self.problems = set(), []
        self.tables, self.exports = {}, {}

    def refer(self, key, by):
        self.referenced.add(key)
        if key not in self.keys:
            self.problems.append(f"{by} names {key}, which is not there")

    def key(self, address):
        if self.address and address.startswith(self.address + "/"):
            return address[len(self.address) + 1:]
        path = pathlib.Path(address.removeprefix("file://"))
        return str(path.relative_to(self.root))

    def static_table(self, metadata):
        from pyiceberg.table import StaticTable

        if not self.address:
            return StaticTable.from_metadata(str(metadata))
        return StaticTable.from_metadata(str(metadata), {
            "py-io-impl": "copied_lake.CopiedLake", "copied.from": self.address,
            "copied.to": str(self.root)})

    def report(self):
        for folder in sorted(self.root.glob("tables/*/*")):
            if (folder / "metadata" / "version-hint.text").exists():
                self.table(folder)
            elif (folder / "metadata" / "v1.metadata.json").exists():
                self.problems.append(f"{folder.name} has metadata and no version hint")
        for marker in sorted(self.root.glob("exports/**/_SUCCESS")):
            self.export(marker)
        for log in sorted(self.root.glob("sources/*/*")):
            self.log(log)
        for index in sorted(self.root.glob("indexes/*/*")):
            self.index(index)
        for key in self.keys:
            if key == "lake.json" or re.fullmatch(rf"runs/date=[-\d]{{10}}/{RUN.pattern}\.json", key):
                self.referenced.add(key)
        return {
            "lake": str(self.root), "tables": self.tables, "exports": self.exports,
            "referenced": sorted(self.referenced & self.keys),
            "unreferenced": sorted(self.keys - self.referenced), "problems": self.problems}

    def table(self, folder):
        name = str(folder.relative_to(self.root / "tables"))
        newest = newest_metadata(folder)
        metadata = json.loads(newest.read_text())
        self.refer(self.key(str(newest)), name)
        self.refer(self.key(str(folder / "metadata" / "version-hint.text")), name)
        for entry in metadata.get("metadata-log", []):
            self.refer(self.key(entry["metadata-file"]), name)
        named = [metadata.get("properties", {})]
        named += [snapshot["summary"] for snapshot in metadata.get("snapshots", [])]
        for summary in named:
            if "sluice.consumption" in summary:
                self.refer(f"state/{name}/{summary['sluice.consumption']}.json.zst", name)
                if summary.get("sluice.deletions", "0") != "0":
                    self.deletions(name, summary["sluice.consumption"])
            if summary.get("sluice.changes", "full") != "full":
                self.refer(f"state/{name}/{summary['sluice.changes']}.changes.json.zst", name)
        static = self.static_table(newest)
        live = []
        for snapshot in static.snapshots():
            self.refer(self.key(snapshot.manifest_list), name)
            for manifest in snapshot.manifests(static.io):
                self.refer(self.key(manifest.manifest_path), name)
                for entry in manifest.fetch_manifest_entry(static.io, discard_deleted=True):
                    self.refer(self.key(entry.data_file.file_path), name)
                    if snapshot.snapshot_id == metadata.get("current-snapshot-id"):
                        live.append(self.key(entry.data_file.file_path))
        if len(live) != len(set(live)):
            self.problems.append(f"{name} names a data file twice")
        rows = static.scan().to_arrow().to_pylist()
        self.tables[name] = {
            "rows": in_order([{k: canonical(v) for k, v in row.items()} for row in rows]),
            "snapshots": len(metadata.get("snapshots", [])),
            "version": int(newest.name[1:].split(".")[0]), "files": len(live)}

    def deletions(self, name, consumption):
        path = self.root / f"state/{name}/{consumption}.json.zst"
        with pa.input_stream(str(path), compression="zstd") as stream:
            content = json.loads(stream.read())
        for file, rows, size in content["deletions"]:
            key = f"state/{name}/{file}"
            self.refer(key, name)
            found = self.root / key
            if found.exists() and (
                    found.stat().st_size, pq.read_metadata(found).num_rows) != (size, rows):
                self.problems.append(f"{key} is not what the consumption file says")

    def index(self, folder):
        name = str(folder.relative_to(self.root))
        versions = sorted(
            int(path.name[1:].removesuffix(".json")) for path in folder.glob("manifest/v*.json"))
        parent = None
        for version in versions:
            key = f"{name}/manifest/v{version}.json"
            self.refer(key, name)
            manifest = json.loads((self.root / key).read_text())
            if manifest["version"] != version or (parent and manifest["parent"] != parent):
                self.problems.append(f"{key} does not follow the version before")
            parent = manifest["nonce"]
            for segment in manifest["segments"]:
                for file in filter(None, (segment[part] for part in ("file", "word_ids", "dead"))):
                    key = f"{name}/segments/{file['name']}"
                    self.refer(key, name)
                    path = self.root / key
                    if path.exists() and path.stat().st_size != file["bytes"]:
                        self.problems.append(f"{key} has another size than its manifest says")

    def export(self, marker):
        folder = marker.parent
        name = str(folder.relative_to(self.root / "exports"))
        self.refer(self.key(str(marker)), name)
        content = json.loads(marker.read_text())
        digests = {}
        for file in content["files"]:
            self.refer(self.key(str(folder / file["name"])), name)
            path = folder / file["name"]
            if not path.exists():
                continue
            digests[file["name"]] = hashlib.sha256(path.read_bytes()).hexdigest()
            if digests[file["name"]] != file["sha256"]:
                self.problems.append(f"{name}/{file['name']} is not what its marker says")
        self.exports[name] = {"files": digests, "rows": content["rows"]}

    def log(self, folder):
        name = str(folder.relative_to(self.root))
        numbers = []
        for path in folder.iterdir():
            entry = re.fullmatch(r"(checkpoint-)?(\d{8,})\.jsonl\.zst", path.name)
            if entry:
                self.referenced.add(f"{name}/{path.name}")
                if not entry[1]:
                    numbers.append(int(entry[2]))
        if sorted(numbers) != list(range(1, len(numbers) + 1)):
            self.problems.append(f"{name} has entries {sorted(numbers)}")


if __name__ == "__main__":
    for lake in sys.argv[1:]:
        print(json.dumps(Lake(*lake.split("=", 1)).report()))
