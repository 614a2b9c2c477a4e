"""A stand-in for Kaggle's site, which the real client reaches through its own settings: nothing of it is replaced."""

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class Site:
    """What the site has and what it was asked.

    Args:
        archive: the bytes of the competition's zip file.
        files: sizes of the files in it, as the site lists them, two a page.
    """

    def __init__(self, archive, files):
        self.archive = archive
        self.files = files
        self.asked = []
        self.authorisations = set()
        self.refusal = None
        """(status, message) of all answers, if any."""
        self.stop_after = None
        """Bytes after which a download stalls."""

    def page(self, token):
        first = int(token or 0)
        names = list(self.files)[first : first + 2]
        more = {"nextPageToken": str(first + 2)} if first + 2 < len(self.files) else {}
        return {"files": [{"name": name, "totalBytes": self.files[name]} for name in names]} | more


def _handler(site):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_POST(self):
            name = urlsplit(self.path).path.rpartition("/")[2]
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or "{}")
            site.asked.append((name, asked))
            site.authorisations.add(self.headers["Authorization"])
            if site.refusal:
                status, message = site.refusal
                return self.answer({"code": status, "message": message.format(self.headers["Authorization"])}, status)
            if name == "IntrospectToken":
                return self.answer({"active": asked["token"].startswith("good"), "username": "somebody"})
            if name == "ListDataFiles":
                return self.answer(site.page(asked.get("pageToken")))
            self.send_response(302)
            self.send_header("Location", "http://localhost/storage/archive.zip?Signature=signed-for-an-hour")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self):
            first = int((self.headers["Range"] or "bytes=0-").removeprefix("bytes=").rstrip("-"))
            site.asked.append(("archive", first))
            self.send_response(206 if first else 200)
            self.send_header("Content-Length", str(len(site.archive) - first))
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("ETag", '"one"')
            self.send_header("Last-Modified", "Mon, 02 Oct 2023 10:00:00 GMT")
            self.end_headers()
            if site.stop_after is not None:
                self.wfile.write(site.archive[first : site.stop_after])
                self.wfile.flush()
                time.sleep(60)
            self.wfile.write(site.archive[first:])

        def answer(self, document, status=200):
            content = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return Handler


@contextmanager
def running(site):
    """Serve; gives the variables that lead the client here: its "local" site, and this server as the proxy to it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(site))
    server.daemon_threads = True
    server.block_on_close = False
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield {
            "KAGGLE_API_ENVIRONMENT": "LOCALHOST",
            "http_proxy": f"http://127.0.0.1:{server.server_port}",
            "no_proxy": "",
        }
    finally:
        server.shutdown()
        server.server_close()
