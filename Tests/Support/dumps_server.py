#!/usr/bin/env python3
"""A local web server that stands for the public dumps.

    dumps_server.py FOLDER [--missing N] [--busy N] [--cut N] [--replace-after N]
                    [--hang N] [--plain] [--login USER:PASSWORD] [--tls FOLDER]
                    [--log FILE]

Serves FOLDER on a free port of 127.0.0.1 and prints the port on standard output. GET and HEAD,
with ETag, Last-Modified, Range, If-Match, If-None-Match and keep-alive, as a file server does.
It ends with its parent.

Faults, counted for each path apart, so that concurrent requests do not change what happens:
  --missing N   the first N requests of a path are answered 404
  --busy N      the next N are answered 503 with `Retry-After: 0`
  --cut N       the next N GETs break off in the middle of the body
  --hang N      the next N GETs stop in the middle of the body and go no further
  --replace-after N   once a path has been answered N times, PATH.next takes its place, if it is there
With --plain, answers say nothing of versions: no ETag, no Last-Modified, and nothing is conditional.
With --login, requests without it are answered 401. With --tls it speaks HTTPS for 127.0.0.1, by a
certificate that nobody vouches for: FOLDER/certificate.pem, which openssl makes, and under the name
by which a folder of authorities is searched.
Requests are logged as `METHOD PATH STATUS RANGE` lines.
"""

import argparse
import base64
import email.utils
import os
import re
import ssl
import subprocess
import sys
import threading
import time
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

BLOCK = 1 << 18


class Faults:
    """Which answer a request of a path gets: `missing`, `busy`, `cut`, `hang`, or None for the file."""

    def __init__(self, missing, busy, cut, hang):
        self.plan = (
            ["missing"] * missing + ["busy"] * busy + ["cut"] * cut + ["hang"] * hang)
        self.seen = defaultdict(int)
        self.lock = threading.Lock()

    def next(self, path, method):
        with self.lock:
            place = self.seen[path]
            fault = self.plan[place] if place < len(self.plan) else None
            if fault in ("cut", "hang") and method == "HEAD":
                return None  # a HEAD has no body to cut, so it does not use up a cut
            self.seen[path] += 1
            return fault


class Replacements:
    """Publishes files again in the middle of their being read."""

    def __init__(self, after):
        self.after = after
        self.seen = defaultdict(int)
        self.lock = threading.Lock()

    def answered(self, local):
        with self.lock:
            self.seen[local] += 1
            if self.seen[local] == self.after and os.path.exists(local + ".next"):
                os.replace(local + ".next", local)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "dumps"

    def do_GET(self):
        self.answer(with_body=True)

    def do_HEAD(self):
        self.answer(with_body=False)

    def answer(self, with_body):
        if self.server.login and self.headers.get("Authorization") != self.server.login:
            return self.refuse(401, {"WWW-Authenticate": "Basic"})
        path = unquote(urlsplit(self.path).path)
        fault = self.server.faults.next(path, self.command)
        if fault == "busy":
            return self.refuse(503, {"Retry-After": "0"})
        local = os.path.realpath(os.path.join(self.server.folder, path.lstrip("/")))
        inside = os.path.commonpath([local, self.server.folder]) == self.server.folder
        if fault == "missing" or not inside or not os.path.isfile(local):
            return self.refuse(404)
        with open(local, "rb") as file:
            self.send_file(file, with_body, fault)
        self.server.replacements.answered(local)

    def send_file(self, file, with_body, fault):
        status = os.fstat(file.fileno())
        tag = '"%x-%x"' % (status.st_mtime_ns, status.st_size)
        headers = {
            "ETag": tag, "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream",
            "Last-Modified": email.utils.formatdate(status.st_mtime, usegmt=True)}
        if self.server.plain:
            headers, tag = {"Content-Type": "application/octet-stream"}, "*"
        if not self.matches("If-Match", tag, absent=True):
            return self.refuse(412, headers)
        if self.matches("If-None-Match", tag, absent=False):
            return self.refuse(304, headers)
        code, start, end = 200, 0, status.st_size
        # A range of an older version is answered with the whole of this one.
        if self.matches("If-Range", tag, absent=True):
            asked = re.match(r"bytes=(\d*)-(\d*)$", self.headers.get("Range", ""))
            if asked and asked[1]:
                code, start = 206, int(asked[1])
                end = min(int(asked[2]) + 1 if asked[2] else status.st_size, status.st_size)
            elif asked and asked[2]:
                code, start = 206, max(0, status.st_size - int(asked[2]))
            if code == 206 and start >= end:
                headers["Content-Range"] = "bytes */%d" % status.st_size
                return self.refuse(416, headers)
        if code == 206:
            headers["Content-Range"] = "bytes %d-%d/%d" % (start, end - 1, status.st_size)
        headers["Content-Length"] = str(end - start)
        self.begin(code, headers)
        if not with_body:
            return
        if fault:
            end = start + (end - start) // 2
            self.close_connection = True
        file.seek(start)
        while start < end:
            block = file.read(min(BLOCK, end - start))
            if not block:
                break
            self.wfile.write(block)
            start += len(block)
        if fault == "hang":
            self.wfile.flush()
            # Until the client hangs up.
            self.connection.recv(1)

    def matches(self, header, tag, absent):
        value = self.headers.get(header)
        if value is None:
            return absent
        return value.strip() == "*" or tag in [part.strip() for part in value.split(",")]

    def refuse(self, code, headers=()):
        self.begin(code, {**dict(headers), "Content-Length": "0"})

    def begin(self, code, headers):
        # Before the answer: who has it may look at the log.
        if self.server.log:
            with self.server.log_lock:
                asked = self.headers.get("Range", "-")
                print(self.command, self.path, code, asked, file=self.server.log, flush=True)
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *arguments):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        # A client that hangs up in the middle is part of the tests.
        if not isinstance(sys.exc_info()[1], (ConnectionError, ssl.SSLError)):
            super().handle_error(request, client_address)


def make_certificate(folder):
    certificate, key = (os.path.join(folder, name) for name in ("certificate.pem", "key.pem"))
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out",
         certificate], check=True, stderr=subprocess.DEVNULL)
    name = subprocess.run(
        ["openssl", "x509", "-noout", "-hash", "-in", certificate], check=True,
        capture_output=True, text=True).stdout.strip()
    os.symlink("certificate.pem", os.path.join(folder, name + ".0"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def end_with_parent(parent):
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--missing", type=int, default=0)
    parser.add_argument("--busy", type=int, default=0)
    parser.add_argument("--cut", type=int, default=0)
    parser.add_argument("--hang", type=int, default=0)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--replace-after", type=int, default=0)
    parser.add_argument("--login")
    parser.add_argument("--tls", metavar="FOLDER")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", metavar="FILE")
    options = parser.parse_args()
    server = Server(("127.0.0.1", options.port), Handler)
    if options.tls:
        # Without a handshake on accept, a client that refuses the certificate ends its thread alone.
        server.socket = make_certificate(options.tls).wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False)
    server.folder = os.path.realpath(options.folder)
    server.faults = Faults(options.missing, options.busy, options.cut, options.hang)
    server.plain = options.plain
    server.replacements = Replacements(options.replace_after)
    server.login = options.login and "Basic " + base64.b64encode(options.login.encode()).decode()
    server.log = open(options.log, "a", encoding="utf-8") if options.log else None
    server.log_lock = threading.Lock()
    threading.Thread(target=end_with_parent, args=[os.getppid()], daemon=True).start()
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
