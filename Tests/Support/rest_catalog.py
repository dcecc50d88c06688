"""An Iceberg REST catalog for tests, on a free port of 127.0.0.1.

    rest_catalog.py WORK_DIR nobody|bearer|oauth|sigv4 [S3_ENDPOINT KEYS_FILE]

pyiceberg's SQL catalog keeps the tables and applies updates; this program only speaks the protocol,
asks who is there, and does what it is told to do wrong. Prints its port, and ends when its standard
input does. Lines there are faults for the commits to come, in order: `ok`, `lost` (committed, no
answer), `error` (500, not committed), `late` (500, committed), `conflict` (409, not committed).
Of registrations: `register:refused` (400, not done), `register:late` (500, done); and
`overwrite` makes the server one that registers tables over others.

With S3 it lends new keys with every table that is loaded or made, and writes them into KEYS_FILE,
from which `moto_server.py` knows whom to let in.
"""

import http.server
import json
import os
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
registrations = []
overwrites = False
lent = {}
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
        if method == "POST" and parts[2:] == ["register"]:
            return self.register(parts[1], json.loads(raw))
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
        return self.commit(table, raw) if method == "POST" else (200, self.lending(table))

    def register(self, namespace, request):
        fault = registrations.pop(0) if registrations else "ok"
        if fault == "refused":
            raise Refused(400, "BadRequest", "not a place for tables")
        name = (namespace, request["name"])
        # Before anything is dropped.
        catalog._load_file_io(location=request["metadata-location"]).new_input(
            request["metadata-location"]).open().close()
        if overwrites and request.get("overwrite") and catalog.table_exists(name):
            catalog.drop_table(name)
        if fault == "late":
            catalog.register_table(name, request["metadata-location"])
            raise Refused(500, "InternalServerError", "done, but not well")
        try:
            table = catalog.register_table(name, request["metadata-location"])
        except TableAlreadyExistsError as error:
            raise Refused(409, "AlreadyExistsException", str(error))
        return 200, self.lending(table)

    def create(self, namespace, request):
        try:
            table = catalog.create_table(
                (namespace, request.name), request.table_schema, location=request.location,
                partition_spec=request.partition_spec or UNPARTITIONED_PARTITION_SPEC,
                sort_order=request.write_order or UNSORTED_SORT_ORDER,
                properties=request.properties)
        except TableAlreadyExistsError as error:
            raise Refused(409, "AlreadyExistsException", str(error))
        return 200, self.lending(table)

    def lending(self, table):
        answer = shown(table)
        if endpoint and self.headers.get("X-Iceberg-Access-Delegation") == "vended-credentials":
            key = f"LENT{len(lent) + 1}"
            lent[key] = table.location() + "/"
            with open(keys_file + ".new", "w") as file:
                json.dump(lent, file)
            os.replace(keys_file + ".new", keys_file)
            answer["storage-credentials"] = [{"prefix": lent[key], "config": {
                "s3.access-key-id": key, "s3.secret-access-key": f"secret-Jm2-{key}",
                "s3.session-token": f"token-Xs8-{key}", "client.region": "us-east-1",
                "s3.endpoint": endpoint, "s3.path-style-access": "true"}}]
        return answer

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


# moto would take the checksum that else follows a body for the body.
os.environ["AWS_REQUEST_CHECKSUM_CALCULATION"] = "when_required"
work, mode = sys.argv[1:3]
endpoint, keys_file = sys.argv[3:] or (None, None)
own = {
    "s3.endpoint": endpoint, "s3.access-key-id": "catalog", "s3.secret-access-key": "catalog",
    "s3.region": "us-east-1"} if endpoint else {}
catalog = SqlCatalog(
    "back", uri=f"sqlite:///{work}/rest.db?check_same_thread=false", warehouse=f"file://{work}/wh",
    **own)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
for line in map(str.strip, sys.stdin):
    if line == "overwrite":
        overwrites = True
    elif line.startswith("register:"):
        registrations.append(line.removeprefix("register:"))
    else:
        faults.append(line)
    print("set", flush=True)
