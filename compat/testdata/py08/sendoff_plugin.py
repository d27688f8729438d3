"""Lets the tests of dispatch-py 0.8.0 run against a server of Dispatch outside.

They start a scheduler of their own in the event loop of each test. Here it is a
name for the address in DISPATCH_API_URL.
"""

import asyncio
import os

import dispatch.test

OwnServer = dispatch.test.Server


class Service:
    """Takes the place of the scheduler."""

    ticker = None

    async def tick(self):
        # Results are set by the thread that serves the functions, which does not
        # wake the loop of the test.
        while True:
            await asyncio.sleep(0.02)

    async def close(self):
        if self.ticker is not None:
            self.ticker.cancel()


class Outside:
    """Takes the place of the server that carries the scheduler."""

    url = os.environ["DISPATCH_API_URL"]

    def __init__(self, service):
        self.service = service

    async def start(self):
        self.service.ticker = asyncio.get_running_loop().create_task(self.service.tick())

    async def __aenter__(self):
        await self.start()
        return self

    async def __aexit__(self, *_):
        await self.service.close()


def server(app):
    return Outside(app) if isinstance(app, Service) else OwnServer(app)


dispatch.test.Service = Service
dispatch.test.Server = server
