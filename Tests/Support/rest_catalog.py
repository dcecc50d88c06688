"""An Iceberg REST catalog for tests, on a free port of 127.0.0.1.

    rest_catalog.py WORK_DIR nobody|bearer|oauth|sigv4

pyiceberg's SQL catalog keeps the tables and applies updates; this program only speaks the protocol,
asks who is there, and does what it is told to do wrong. Prints its port, and ends when its standard
input does. Lines there are faults for the commits to come, in order: `ok`, `lost` (committed, no
answer), `error` (500, not committed), `late` (500, committed), `conflict` (409, not committed).
"""

import http.server
import json
import sys
import threading
import urllib.parse

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from pyiceberg.catalog.rest import CreateTableRequest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import (
    CommitFailedException, NamespaceAlreadyExistsError, NoSuchNamespaceError, NoSuchTableError,
    TableAlreadyExistsError)
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC
from pyiceberg.table import CommitTableRequest
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER

PREFIX = "pre/fix"
KEYS = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
faults = []
lock = threading.Lock()
tokens = {"issued": 0, "good": set()}


class Refused(Exception):
    def __init__(self, status, kind, message):
        super().__init__(message)
        self.status, self.kind = status, kind


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def do_GET(self):
        self.handle_request("GET")

    def do_POST(self):
        self.handle_request("POST")

    def do_DELETE(self):
        self.handle_request("DELETE")

    def handle_request(self, method):
        raw = self.body()
        try:
            with lock:
                status, answer = self.route(method, raw)
        except Refused as error:
            status, answer = error.status, {"error": {
                "message": str(error), "type": error.kind, "code": error.status}}
        except Exception as error:
            status, answer = 400, {"error": {
                "message": f"{type(error).__name__}: {error}", "type": "BadRequest", "code": 400}}
        if status is None:
            self.close_connection = True
            self.connection.close()
            return
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def route(self, method, raw):
        url = urllib.parse.urlsplit(self.path)
        if url.path == "/v1/oauth/tokens":
            form = dict(urllib.parse.parse_qsl(raw.decode()))
            if (form.get("client_id"), form.get("client_secret")) != ("me", "s:cret&-Hd5"):
                raise Refused(401, "invalid_client", "who are you?")
            tokens["issued"] += 1
            # The first one does not last: the client has to notice, and ask for another.
            token = f"issued-Gw4-{tokens['issued']}"
            if tokens["issued"] > 1:
                tokens["good"].add(token)
            return 200, {"access_token": token, "token_type": "bearer", "expires_in": 3600}
        self.check(method, raw)
        if url.path == "/v1/config":
            query = dict(urllib.parse.parse_qsl(url.query))
            if query.get("warehouse") != "the warehouse":
                raise Refused(400, "BadRequest", "no such warehouse")
            return 200, {"defaults": {}, "overrides": {"prefix": PREFIX}}
        start = f"/v1/{PREFIX}/"
        if not url.path.startswith(start):
            raise Refused(404, "NotFound", f"not below the prefix: {url.path}")
        parts = [urllib.parse.unquote(part) for part in url.path[len(start):].split("/")]
        if method == "POST" and parts == ["namespaces"]:
            try:
                catalog.create_namespace(tuple(json.loads(raw)["namespace"]))
            except NamespaceAlreadyExistsError as error:
                raise Refused(409, "AlreadyExistsException", str(error))
            return 200, {"namespace": json.loads(raw)["namespace"], "properties": {}}
        if parts[2:3] != ["tables"]:
            raise Refused(404, "NotFound", "no such thing")
        if len(parts) == 3 and method == "POST":
            return self.create(parts[1], CreateTableRequest.model_validate_json(raw))
        name = (parts[1], parts[3])
        try:
            table = catalog.load_table(name)
        except (NoSuchTableError, NoSuchNamespaceError) as error:
            raise Refused(404, "NoSuchTableException", str(error))
        if method == "DELETE":
            catalog.drop_table(name)
            return 200, {}
        return self.commit(table, raw) if method == "POST" else (200, shown(table))

    def create(self, namespace, request):
        try:
            table = catalog.create_table(
                (namespace, request.name), request.table_schema, location=request.location,
                partition_spec=request.partition_spec or UNPARTITIONED_PARTITION_SPEC,
                sort_order=request.write_order or UNSORTED_SORT_ORDER,
                properties=request.properties)
        except TableAlreadyExistsError as error:
            raise Refused(409, "AlreadyExistsException", str(error))
        return 200, shown(table)

    def commit(self, table, raw):
        fault = faults.pop(0) if faults else "ok"
        if fault == "conflict":
            raise Refused(409, "CommitFailedException", "somebody else came first")
        if fault == "error":
            raise Refused(500, "InternalServerError", "out of luck")
        request = CommitTableRequest.model_validate_json(raw)
        try:
            catalog.commit_table(table, request.requirements, request.updates)
        except CommitFailedException as error:
            raise Refused(409, "CommitFailedException", str(error))
        if fault == "lost":
            return None, None
        if fault == "late":
            raise Refused(500, "InternalServerError", "done, but not well")
        return 200, shown(catalog.load_table(table.name()))

    def check(self, method, raw):
        header = self.headers.get("Authorization", "")
        if mode == "bearer" and header != "Bearer bearer-Vq8LtX2m":
            raise Refused(401, "NotAuthorizedException", "a token, please")
        if mode == "oauth" and header.removeprefix("Bearer ") not in tokens["good"]:
            raise Refused(401, "NotAuthorizedException", "the token has expired")
        if mode == "sigv4":
            self.check_signature(method, raw, header)

    def check_signature(self, method, raw, header):
        if not header.startswith("AWS4-HMAC-SHA256 "):
            raise Refused(403, "ForbiddenException", "a signature, please")
        signed = header.split("SignedHeaders=")[-1].split(",")[0].split(";")
        request = AWSRequest(
            method=method, url=f"http://{self.headers['Host']}{self.path}", data=raw,
            headers={name: self.headers[name] for name in signed if name != "host"})
        request.context["timestamp"] = self.headers["X-Amz-Date"]
        signer = SigV4Auth(Credentials(*KEYS), "glue", "eu-west-1")
        text = signer.string_to_sign(request, signer.canonical_request(request))
        wanted = signer.signature(text, request)
        if not header.endswith(f"Signature={wanted}"):
            raise Refused(403, "ForbiddenException", "the signature does not match")


def shown(table):
    return {
        "metadata-location": table.metadata_location,
        "metadata": json.loads(table.metadata.model_dump_json()),
        "config": {},
    }


work, mode = sys.argv[1:]
catalog = SqlCatalog(
    "back", uri=f"sqlite:///{work}/rest.db?check_same_thread=false", warehouse=f"file://{work}/wh")
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
for line in sys.stdin:
    faults.append(line.strip())
    print("set", flush=True)
