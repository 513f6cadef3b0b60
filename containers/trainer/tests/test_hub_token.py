"""The token of the Hugging Face Hub: sent to the Hub, and said to nobody else."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

TOKEN = "hf_thisIsNoRealToken0123456789"


@pytest.fixture
def hub(monkeypatch):
    """A Hub that knows no model. Yields what it was asked for, and with which `Authorization`."""
    sent: list[tuple[str, str | None]] = []

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self):
            sent.append((self.path, self.headers["Authorization"]))
            self.send_response(401)
            self.send_header("X-Error-Message", "Invalid username or password.")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    yield sent
    server.shutdown()
    server.server_close()


def test_the_hub_is_asked_with_the_token_and_the_log_does_not_have_it(make_run, hub, capfd):
    run = make_run()
    run.content["baseModel"].update(source="hf://owner/gated", revision="a" * 40)
    run.write()
    assert run.step("prepare") == 11
    asked = [authorization for path, authorization in hub if path.startswith("/api/models/")]
    assert asked == [f"Bearer {TOKEN}"], hub
    output = capfd.readouterr()
    error = run.json("error.json")
    assert error["code"] == "MODEL_UNREADABLE" and "owner/gated" in error["message"]
    for said in (output.out, output.err, str(error)):
        assert TOKEN not in said
