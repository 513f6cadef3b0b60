"""A small instance metadata service, version 2: answers only with a token, as the real one does."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "token-1"


@contextmanager
def metadata_service(documents: dict[str, str]):
    """Yields its address. `documents` are those under meta-data/ and may change while it runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self):
            has_lifetime = self.headers["X-aws-ec2-metadata-token-ttl-seconds"]
            is_token = self.path == "/latest/api/token" and has_lifetime
            self._answer(200 if is_token else 400, TOKEN)

        def do_GET(self):
            if self.headers["X-aws-ec2-metadata-token"] != TOKEN:
                self._answer(401)
            elif self.path.removeprefix("/latest/meta-data/") in documents:
                self._answer(200, documents[self.path.removeprefix("/latest/meta-data/")])
            else:
                self._answer(404)

        def _answer(self, status, text=""):
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
