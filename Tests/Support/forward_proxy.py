#!/usr/bin/env python3
"""A forward proxy on a free port of 127.0.0.1, whose number it prints.

    forward_proxy.py --log FILE

Passes requests on as they come and logs them as `METHOD URL` lines; of what is encrypted it sees
`CONNECT HOST:PORT` alone. It ends with its parent.
"""

import argparse
import http.client
import os
import select
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

HOP = {"connection", "proxy-connection", "keep-alive", "transfer-encoding", "te", "upgrade"}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def forward(self):
        with self.server.lock:
            print(self.command, self.path, file=self.server.log, flush=True)
        url = urlsplit(self.path)
        target = self.path[len(f"{url.scheme}://{url.netloc}"):] or "/"
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        origin = http.client.HTTPConnection(url.netloc, timeout=600)
        try:
            origin.putrequest(self.command, target, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in HOP and name.lower() != "expect":
                    origin.putheader(name, value)
            origin.endheaders(body)
            answer = origin.getresponse()
            content = b"" if self.command == "HEAD" else answer.read()
        finally:
            origin.close()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in HOP and (name.lower() != "content-length" or self.command == "HEAD"):
                self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = forward

    def do_CONNECT(self):
        with self.server.lock:
            print("CONNECT", self.path, file=self.server.log, flush=True)
        host, port = self.path.rsplit(":", 1)
        self.close_connection = True
        with socket.create_connection((host, int(port)), timeout=600) as origin:
            self.send_response_only(200)
            self.end_headers()
            others = {origin: self.connection, self.connection: origin}
            while True:
                for end in select.select(list(others), [], [])[0]:
                    piece = end.recv(1 << 16)
                    if not piece:
                        return
                    others[end].sendall(piece)

    def log_message(self, *arguments):
        pass


def end_with_parent(parent):
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--log", required=True)
    options = parser.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.log = open(options.log, "a", encoding="utf-8")
    server.lock = threading.Lock()
    threading.Thread(target=end_with_parent, args=[os.getppid()], daemon=True).start()
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
