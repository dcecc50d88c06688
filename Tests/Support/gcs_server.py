#!/usr/bin/env python3
"""A server that stands for Google Cloud Storage's JSON API, and for the servers of its tokens.

    gcs_server.py BUCKET...

Serves on a free port of 127.0.0.1, prints the port on standard output, and ends when its standard
input does. Objects are kept in memory. Generations are numbers given under one lock; conditions are
checked under the same lock, so that of concurrent conditional writes one succeeds.

What it does: head, get (ranges, ifGenerationMatch), list (pages, prefix), delete, rewrite in
several calls, uploads of the types media, multipart and resumable (308, status queries, checksums
stated beforehand), bearer tokens, an OAuth token endpoint at /token, a metadata server.

`POST /_control` with a JSON object sets things up:
  token       the bearer token that every request must carry; null for none
  page        objects a page of a listing, at most
  rewrite     bytes that one rewrite call copies
  date        what the Date header says
  faults      [{"method", "match", "kind", "skip", "times", …}], see Faults
  chaos       {"seed", "period"}: about one request in `period` goes wrong, which ones the seed says
`GET /_log` gives the requests so far as lines `METHOD TARGET STATUS`, `GET /_headers` their headers,
`GET /_forms` the forms that were sent to the token endpoint.
"""

import base64
import email.utils
import hashlib
import json
import re
import socket
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

TABLE = []
for n in range(256):
    for _ in range(8):
        n = (n >> 1) ^ (0x82F63B78 if n & 1 else 0)
    TABLE.append(n)


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value = TABLE[(value ^ byte) & 0xFF] ^ (value >> 8)
    return base64.b64encode(struct.pack(">I", value ^ 0xFFFFFFFF)).decode()


class Refused(Exception):
    """An answer that is an error."""

    def __init__(self, status, reason, message):
        self.status, self.reason, self.message = status, reason, message


class Faults:
    """What goes wrong. Each fault applies to requests of its method whose target its pattern is found
    in, after `skip` of them and `times` times. Kinds:
      status     the answer is `status`, with `headers` and `message`; nothing has happened
      reset      the connection is reset; nothing has happened
      lost       it has happened, but the connection is reset instead of an answer
      cut        the connection is reset after `bytes` bytes of the answer's body
      short      the connection is closed in good order after `bytes` bytes of the body
      corrupt    a byte of the answer's body is another one
      damage     a byte of the request's body is another one
      half       half of an upload's part is kept, and the connection is reset
      expire     the upload's session is forgotten, and the answer is 410
    """

    def __init__(self):
        self.lock = threading.Lock()
        self.all = []
        self.chaos = None
        self.seen = {}

    def set(self, faults):
        with self.lock:
            self.all = [dict(fault, seen=0) for fault in faults]

    def set_chaos(self, chaos):
        with self.lock:
            self.chaos, self.seen = chaos, {}

    def random(self, method, target):
        """By method, path and attempt, so that threads in another order meet the same faults."""
        path = urlsplit(target).path + ("?upload_id" if "upload_id" in target else "")
        attempt = self.seen[method, path] = self.seen.get((method, path), 0) + 1
        text = f"{self.chaos['seed']} {method} {path} {attempt}"
        number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
        if number % self.chaos["period"]:
            return None
        number //= self.chaos["period"]
        kinds = [
            {"kind": "status", "status": 503}, {"kind": "status", "status": 429}, {"kind": "reset"},
            {"kind": "lost"}, {"kind": "cut", "bytes": number // 8 % 100_000},
            {"kind": "short", "bytes": number // 8 % 100},
        ]
        if method == "PUT":
            kinds += [{"kind": "half"}, {"kind": "expire"}, {"kind": "damage"}]
        return kinds[number % len(kinds)]

    def next(self, method, target):
        with self.lock:
            if self.chaos is not None:
                return self.random(method, target)
            for fault in self.all:
                if fault["method"] not in (method, "*"):
                    continue
                if not re.search(fault.get("match", ""), target):
                    continue
                fault["seen"] += 1
                skip = fault.get("skip", 0)
                if skip < fault["seen"] <= skip + fault.get("times", 1):
                    return fault
            return None


class State:
    def __init__(self, buckets):
        self.lock = threading.RLock()
        self.buckets = {name: {} for name in buckets}
        self.generation = time.time_ns() // 1000
        self.sessions = {}
        self.rewrites = {}
        self.faults = Faults()
        self.settings = {"token": None, "page": 1000, "rewrite": 1 << 30, "date": None}
        self.log, self.headers, self.forms = [], [], []
        self.tokens = 0

    def bucket(self, name):
        if name not in self.buckets:
            raise Refused(404, "notFound", "The specified bucket does not exist.")
        return self.buckets[name]

    def check(self, bucket, name, query, parameter="ifGenerationMatch"):
        """Conditions on the object that is there; the caller holds the lock."""
        if parameter not in query:
            return
        found = bucket.get(name)
        if int(query[parameter]) != (int(found["generation"]) if found else 0):
            raise Refused(
                412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")

    def find(self, bucket_name, name):
        found = self.bucket(bucket_name).get(name)
        if found is None:
            raise Refused(404, "notFound", f"No such object: {bucket_name}/{name}")
        return found

    def insert(self, bucket_name, name, data, metadata, query):
        checksum = crc32c(data)
        with self.lock:
            bucket = self.bucket(bucket_name)
            stated = metadata.get("crc32c", checksum)
            if stated != checksum:
                raise Refused(
                    400, "invalid",
                    f'Provided CRC32C "{stated}" doesn\'t match calculated CRC32C "{checksum}".')
            if not 0 < len(name.encode()) <= 1024 or "\n" in name or "\r" in name:
                raise Refused(400, "invalid", "Invalid object name.")
            self.check(bucket, name, query)
            self.generation += 1
            now = time.time()
            item = {
                "kind": "storage#object", "bucket": bucket_name, "name": name,
                "size": str(len(data)), "generation": str(self.generation), "metageneration": "1",
                "crc32c": checksum, "md5Hash": base64.b64encode(hashlib.md5(data).digest()).decode(),
                "updated": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
                + ".%03dZ" % (now % 1 * 1000),
                "contentType": metadata.get("contentType", "application/octet-stream"),
            }
            for field in ("metadata", "contentEncoding"):
                if field in metadata:
                    item[field] = metadata[field]
            if "kmsKeyName" in query:
                item["kmsKeyName"] = query["kmsKeyName"] + "/cryptoKeyVersions/1"
            bucket[name] = dict(item, data=data, time=now)
            return item


def public(item):
    return {key: value for key, value in item.items() if key not in ("data", "time")}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "gcs"
    # Head and body are two writes: the second would wait for the first's acknowledgement.
    disable_nagle_algorithm = True

    def log_message(self, *arguments):
        pass

    def handle(self):
        try:
            super().handle()
        except (ConnectionError, ValueError):
            pass

    def date_time_string(self, timestamp=None):
        return self.server.state.settings["date"] or super().date_time_string(timestamp)

    def do_GET(self):
        self.serve()

    do_POST = do_PUT = do_DELETE = do_GET

    def serve(self):
        state = self.server.state
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        query = {key: values[-1] for key, values in parse_qs(parts.query, True).items()}
        if parts.path.startswith("/_"):
            return self.control(parts.path, body)
        self.fault = state.faults.next(self.command, self.path) or {"kind": None}
        kind = self.fault["kind"]
        with state.lock:
            state.headers.append(dict(self.headers.items()))
        if kind == "reset":
            return self.reset()
        if kind == "damage" and body:
            middle = len(body) // 2
            body = body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1:]
        try:
            if kind == "status":
                raise Refused(
                    self.fault["status"], self.fault.get("reason", "backendError"),
                    self.fault.get("message", "Injected."))
            status, headers, answer = self.answer(parts.path, query, body)
        except Refused as refused:
            error = {
                "error": {
                    "code": refused.status, "message": refused.message,
                    "errors": [{"reason": refused.reason, "message": refused.message}],
                }
            }
            status, answer = refused.status, json.dumps(error).encode()
            headers = dict({"Content-Type": "application/json"}, **self.fault.get("headers", {}))
        if status is None or kind == "lost":
            return self.reset()
        self.send(status, headers, answer)

    def send(self, status, headers, answer):
        with self.server.state.lock:
            self.server.state.log.append(f"{self.command} {self.path} {status}")
        kind = self.fault["kind"]
        if kind == "corrupt" and answer:
            middle = len(answer) // 2
            answer = answer[:middle] + bytes([answer[middle] ^ 1]) + answer[middle + 1:]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        if kind in ("cut", "short"):
            self.wfile.write(answer[: self.fault["bytes"]])
            self.wfile.flush()
            if kind == "cut":
                time.sleep(0.05)  # what is on its way would be thrown away with the reset
                return self.reset(is_logged=True)
            self.close_connection = True
            return
        self.wfile.write(answer)

    def reset(self, is_logged=False):
        if not is_logged:
            with self.server.state.lock:
                self.server.state.log.append(f"{self.command} {self.path} reset")
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # The handler's own streams would keep the descriptor open.
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RD)

    def control(self, path, body):
        state = self.server.state
        self.fault = {"kind": None}
        with state.lock:
            if path == "/_control":
                settings = json.loads(body)
                if "faults" in settings:
                    state.faults.set(settings.pop("faults"))
                if "chaos" in settings:
                    state.faults.set_chaos(settings.pop("chaos"))
                state.settings.update(settings)
                answer = b""
            elif path == "/_log":
                answer = "\n".join(state.log).encode()
            else:
                kept = state.headers if path == "/_headers" else state.forms
                answer = json.dumps(kept).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def answer(self, path, query, body):
        state = self.server.state
        if path == "/token":
            return self.give_token(body)
        if path.startswith("/computeMetadata/"):
            return self.metadata_server(path)
        token = state.settings["token"]
        if token is not None and self.headers.get("Authorization") != f"Bearer {token}":
            raise Refused(401, "authError", "Invalid Credentials")
        segments = [unquote(segment) for segment in path.split("/")[1:]]
        if segments[:3] == ["upload", "storage", "v1"]:
            return self.upload(segments[4], query, body)
        if segments[:3] != ["storage", "v1", "b"][:3] or len(segments) < 5:
            raise Refused(404, "notFound", "Not Found")
        bucket, rest = segments[3], segments[5:]
        if not rest:
            return self.list(bucket, query)
        if len(rest) == 6 and rest[1] == "rewriteTo":
            return self.rewrite(bucket, rest[0], rest[3], rest[5], query, body)
        if len(rest) != 1:
            raise Refused(404, "notFound", "Not Found")
        if self.command == "DELETE":
            with state.lock:
                state.find(bucket, rest[0])
                state.check(state.bucket(bucket), rest[0], query)
                del state.bucket(bucket)[rest[0]]
            return 204, {}, b""
        with state.lock:
            found = state.find(bucket, rest[0])
            state.check(state.bucket(bucket), rest[0], query)
        if query.get("alt") == "media":
            return self.media(found)
        return self.json(public(found))

    def json(self, value, status=200):
        return status, {"Content-Type": "application/json; charset=UTF-8"}, json.dumps(value).encode()

    def media(self, found):
        data = found["data"]
        headers = {
            "Content-Type": found["contentType"],
            "X-Goog-Generation": found["generation"],
            "X-Goog-Hash": f"crc32c={found['crc32c']},md5={found['md5Hash']}",
            "X-Goog-Stored-Content-Length": str(len(data)),
            "X-Goog-Stored-Content-Encoding": found.get("contentEncoding", "identity"),
            "Last-Modified": email.utils.formatdate(found["time"], usegmt=True),
        }
        if found.get("contentEncoding") == "gzip":
            if "gzip" in self.headers.get("Accept-Encoding", ""):
                headers["Content-Encoding"] = "gzip"
            else:
                raise Refused(500, "test", "would be decompressed on the way")
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not match:
            return 200, headers, data
        first, last = int(match[1]), min(int(match[2] or len(data)), len(data) - 1)
        if first >= len(data):
            raise Refused(416, "requestedRangeNotSatisfiable", "Request range not satisfiable")
        headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
        return 206, headers, data[first : last + 1]

    def list(self, bucket, query):
        state = self.server.state
        with state.lock:
            # In byte order of UTF-8, which is also that of code points.
            names = sorted(name for name in state.bucket(bucket) if name.startswith(query.get("prefix", "")))
            names = [name for name in names if name >= query.get("startOffset", "")]
            token = query.get("pageToken")
            if token is not None:
                after = base64.urlsafe_b64decode(token).decode()
                names = [name for name in names if name > after]
            size = min(int(query.get("maxResults", 1000)), state.settings["page"])
            answer = {"kind": "storage#objects"}
            if names[:size]:
                answer["items"] = [public(state.buckets[bucket][name]) for name in names[:size]]
            if len(names) > size:
                last = names[size - 1] if size else (token and after or "")
                answer["nextPageToken"] = base64.urlsafe_b64encode(last.encode()).decode()
        return self.json(answer)

    def rewrite(self, bucket, name, to_bucket, to_name, query, body):
        state = self.server.state
        with state.lock:
            found = state.find(bucket, name)
            state.check(state.bucket(bucket), name, query, "ifSourceGenerationMatch")
            state.check(state.bucket(to_bucket), to_name, query)
            token = query.get("rewriteToken")
            if token is not None and token not in state.rewrites:
                raise Refused(400, "invalid", "Invalid rewrite token.")
            done = state.rewrites.get(token, 0) + state.settings["rewrite"]
            if done < len(found["data"]):
                token = f"rewrite {len(state.rewrites)}+/="
                state.rewrites[token] = done
                return self.json({"done": False, "rewriteToken": token})
            metadata = json.loads(body) if body else public(found)
            if "destinationKmsKeyName" in query:
                query["kmsKeyName"] = query["destinationKmsKeyName"]
            return self.json(
                {"done": True, "resource": state.insert(to_bucket, to_name, found["data"], metadata, query)})

    def upload(self, bucket, query, body):
        state = self.server.state
        if self.command == "PUT":
            return self.upload_part(query, body)
        kind = query.get("uploadType")
        if kind == "media":
            return self.json(state.insert(bucket, query["name"], body, {}, query))
        if kind == "multipart":
            metadata, data = self.parts(body)
            return self.json(state.insert(bucket, query["name"], data, metadata, query))
        metadata = json.loads(body) if body else {}
        with state.lock:
            state.check(state.bucket(bucket), query["name"], query)
            upload = f"session-{len(state.sessions)}-{state.generation}"
            state.sessions[upload] = {
                "bucket": bucket, "query": query, "metadata": metadata, "data": b"", "done": None}
        place = f"http://{self.headers['Host']}/upload/storage/v1/b/{bucket}/o?uploadType=resumable&upload_id={upload}"
        return 200, {"Location": place}, b""

    def parts(self, body):
        boundary = re.search(r"boundary=(\S+)", self.headers["Content-Type"])[1].strip('"').encode()
        pieces = body.split(b"--" + boundary)
        if len(pieces) != 4 or pieces[3].strip() != b"--":
            raise Refused(400, "parseError", "Malformed multipart body.")
        contents = [piece[2:-2].split(b"\r\n\r\n", 1)[1] for piece in pieces[1:3]]
        return json.loads(contents[0]), contents[1]

    def upload_part(self, query, body):
        state = self.server.state
        with state.lock:
            session = state.sessions.get(query["upload_id"])
            if session is None:
                raise Refused(404, "notFound", "Not Found")
            if self.fault["kind"] == "expire":
                del state.sessions[query["upload_id"]]
                raise Refused(410, "gone", "Gone")
            if session["done"]:
                return self.json(session["done"])
            match = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+)", self.headers["Content-Range"])
            total = int(match[3])
            if match[1] is not None:
                first, last = int(match[1]), int(match[2])
                if first != len(session["data"]) or last - first + 1 != len(body):
                    raise Refused(400, "invalid", "Invalid Content-Range.")
                if last + 1 < total and len(body) % (256 << 10):
                    raise Refused(400, "invalid", "Parts must be multiples of 256 KiB.")
                if self.fault["kind"] == "half":
                    session["data"] += body[: len(body) // 2 >> 18 << 18]
                    return None, {}, b""
                session["data"] += body
            if len(session["data"]) == total:
                session["done"] = state.insert(
                    session["bucket"], session["query"]["name"], session["data"],
                    session["metadata"], session["query"])
                return self.json(session["done"])
            headers = {}
            if session["data"]:
                headers["Range"] = f"bytes=0-{len(session['data']) - 1}"
            return 308, headers, b""

    def give_token(self, body):
        state = self.server.state
        form = {key: values[-1] for key, values in parse_qs(body.decode(), True).items()}
        with state.lock:
            state.forms.append(form)
            state.tokens += 1
            return self.json(
                {"access_token": f"token-{state.tokens}", "expires_in": 3599, "token_type": "Bearer"})

    def metadata_server(self, path):
        if self.headers.get("Metadata-Flavor") != "Google":
            raise Refused(403, "forbidden", "Missing Metadata-Flavor")
        if not path.endswith("/token"):
            return 200, {"Metadata-Flavor": "Google"}, b"instance/\n"
        state = self.server.state
        with state.lock:
            state.tokens += 1
            status, headers, answer = self.json(
                {"access_token": f"token-{state.tokens}", "expires_in": 3599, "token_type": "Bearer"})
        return status, dict(headers, **{"Metadata-Flavor": "Google"}), answer


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def main():
    server = Server(("127.0.0.1", 0), Handler)
    server.state = State(sys.argv[1:])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
