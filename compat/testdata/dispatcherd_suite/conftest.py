"""Fixtures that take the place of those in dispatcherd's source archive: its own integration
tests run against the service that SENDOFF_BIN is, over the database that SENDOFF_DSN names."""

import asyncio
import contextlib
import os
import queue
import time

import pytest
import pytest_asyncio
from service import Service

import dispatcherd.testing.asyncio
import dispatcherd.testing.subprocess
from dispatcherd.brokers.pg_notify import Broker, acreate_connection
from dispatcherd.config import DispatcherSettings
from dispatcherd.factories import get_control_from_settings

CHANNELS = ["test_channel", "test_channel2", "test_channel3"]
DSN = os.environ["SENDOFF_DSN"]
CONNECTION_STRING = DSN + ("&" if "?" in DSN else "?") + "application_name=apg_test_server"
BASIC_CONFIG = {
    "version": 2,
    "brokers": {
        "pg_notify": {
            "channels": CHANNELS,
            "config": {"conninfo": CONNECTION_STRING},
            "sync_connection_factory": "dispatcherd.brokers.pg_notify.connection_saver",
            "default_publish_channel": "test_channel",
        }
    },
    "producers": {"ControlProducer": {}},
}


@contextlib.asynccontextmanager
async def adispatcher_service(config):
    service = Service(config)
    try:
        await service.start()
        yield service
    finally:
        service.stop()


class Comms:
    """What a test gets of a service that it runs beside itself: the event that work is done."""

    def __init__(self, service):
        self.service, self.q_out = service, self

    def get(self, timeout):
        done = self.service.pool.events.work_cleared
        end = time.monotonic() + timeout
        while not done.is_set():
            if time.monotonic() > end:
                raise queue.Empty
            time.sleep(0.01)
        done.clear()
        return "work_cleared"


@contextlib.contextmanager
def dispatcher_service(config, main_events=(), pool_events=()):
    assert set(pool_events) <= {"work_cleared"} and not main_events
    service = Service(config)
    try:
        asyncio.run(service.start())
        yield Comms(service)
    finally:
        service.stop()


dispatcherd.testing.asyncio.adispatcher_service = adispatcher_service
dispatcherd.testing.subprocess.dispatcher_service = dispatcher_service


@pytest.fixture
def conn_config():
    return {"conninfo": CONNECTION_STRING}


@pytest.fixture
def test_settings():
    return DispatcherSettings(BASIC_CONFIG)


@pytest_asyncio.fixture
async def apg_dispatcher():
    async with adispatcher_service(BASIC_CONFIG) as service:
        yield service


@pytest_asyncio.fixture
async def pg_control(test_settings):
    return get_control_from_settings(settings=test_settings)


@pytest_asyncio.fixture
async def pg_message():
    conn = await acreate_connection(conninfo=CONNECTION_STRING.replace("apg_test_server", "apg_client"), autocommit=True)

    async def publish(message, channel=None):
        broker = Broker(async_connection=conn, default_publish_channel="test_channel", sync_connection_factory="tests.data.methods.something")
        await broker.apublish_message(channel=channel, message=message)

    yield publish
    await conn.close()


@pytest.fixture
def get_worker_data():
    def only(replies):
        (reply,) = replies
        (entry,) = [value for key, value in reply.items() if key != "node_id"]
        return entry

    return only


def pytest_collection_modifyitems(config, items):
    """Leaves those out that left_out.txt names, each of which has to be there."""
    with open(os.path.join(os.path.dirname(__file__), "left_out.txt")) as f:
        named = [line.split(" | ")[0] for line in f.read().splitlines() if line and not line.startswith("#")]
    out = [item for item in items if any(item.nodeid == n or item.nodeid.startswith(n + "[") or item.nodeid.startswith(n + "::") for n in named)]
    for n in named:
        # Of those that failed last only some are collected.
        assert config.getoption("lf") or any(item.nodeid.startswith(n) for item in items), "left_out.txt names %s, and there is no such test" % n
    config.hook.pytest_deselected(items=out)
    items[:] = [item for item in items if item not in out]
