"""What the server signs after Standard Webhooks, verified by others' code."""

from __future__ import annotations

import base64
import queue
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

import sendoff
from sendoff.testing import Server
from sendoff.verify import Refused, Verifier

pytest.importorskip("cryptography")
webhooks = pytest.importorskip("standardwebhooks")

# The example of the specification, and what the tests of Svix's server sign it with.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PRIVATE = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
PUBLIC = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
EXAMPLE = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= "
    "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==",
}
BODY = b'{"test": 2432232314}'


class App:
    """An app that keeps what it is pushed."""

    def __init__(self) -> None:
        got: queue.Queue[tuple[dict[str, str], bytes]] = queue.Queue()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                got.put(({k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.got, self.server = got, HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"


@pytest.fixture
def app() -> Iterator[App]:
    app = App()
    thread = threading.Thread(target=app.server.serve_forever)
    thread.start()
    yield app
    app.server.shutdown()
    thread.join()
    app.server.server_close()


def pushed(server: Server, app: App, queue: str) -> tuple[dict[str, str], bytes]:
    """A push of the server, as its app gets it."""
    with server.client() as client:
        client.submit(sendoff.NewTask(url=app.url, queue=queue, payload={"pay": "\u00e4"}), wait=20)
    return app.got.get(timeout=20)


def standard(secret: str, headers: dict[str, str], body: bytes) -> None:
    """As the package of the specification verifies it."""
    webhooks.Webhook(secret).verify(body, headers)


def refused(secret: str, push: tuple[dict[str, str], bytes]) -> None:
    with pytest.raises(webhooks.WebhookVerificationError):
        standard(secret, *push)


def test_the_example_is_verified_by_either_key() -> None:
    at = datetime.fromtimestamp(1614265330, timezone.utc).timestamp()
    for secret in (SECRET, PUBLIC):
        verifier = Verifier(webhook_secrets=[secret], clock=lambda: at)
        verifier.verify("POST", "http://127.0.0.1/", EXAMPLE, BODY)
        with pytest.raises(Refused, match="not that of the body"):
            verifier.verify("POST", "http://127.0.0.1/", EXAMPLE, BODY + b" ")
        for broken in ("v1,!", "v1a,!", "v1a,AAAA", "v2,AAAA"):
            with pytest.raises(Refused):
                verifier.verify("POST", "http://127.0.0.1/", {**EXAMPLE, "webhook-signature": broken}, BODY)
    assert (
        webhooks.Webhook(SECRET).sign(EXAMPLE["webhook-id"], datetime.fromtimestamp(at, timezone.utc), BODY.decode())
        in EXAMPLE["webhook-signature"].split()
    )


def test_pushes_are_verified_by_the_package_of_the_specification(tmp_path: Path, app: App) -> None:
    other = "whsec_" + base64.b64encode(b"another secret of a queue, kept").decode()
    with Server(tmp_path, args=["--webhook-v1a"]) as server:
        push = pushed(server, app, "default")
        standard(server.webhook_secret, *push)
        refused(other, push)
        with server.client() as client:
            key = client.signing_keys.list()[0]
            Verifier(webhook_secrets=[key.webhook_key]).verify("POST", app.url, *push)

            billing = client.queues.set("billing", sendoff.QueueSettings(webhook_secrets=[other]))
            names = billing.settings.webhook_secrets
            assert names and other not in names
            push = pushed(server, app, "billing")
            standard(other, *push)
            refused(server.webhook_secret, push)

            both = [SECRET, *names, PRIVATE]
            billing = client.queues.set("billing", sendoff.QueueSettings(webhook_secrets=both))
            assert PUBLIC in (billing.settings.webhook_secrets or [])
            push = pushed(server, app, "billing")
            for secret in (SECRET, other):
                standard(secret, *push)
            Verifier(webhook_secrets=[PUBLIC]).verify("POST", app.url, *push)
            assert len(push[0]["webhook-signature"].split()) == 3


def test_keys_are_rotated_without_a_restart(tmp_path: Path, app: App) -> None:
    with Server(tmp_path) as server, server.client() as client:
        before, secret = client.signing_keys.list(), server.webhook_secret
        made = client.signing_keys.rotate(grace=timedelta(), keep=timedelta(hours=1), webhook=True)
        assert (made.state, before[0].state) == ("signs", "signs")
        assert [k.state for k in client.signing_keys.list()] == ["signs", "verifies"]
        push = pushed(server, app, "default")
        for each in (secret, server.webhook_secret):
            standard(each, *push)
        assert secret != server.webhook_secret
        assert made.id in push[0]["signature-input"]
