"""The FastAPI app of the README, with asyncio."""

import urllib.parse
import urllib.request

from dispatch.asyncio.fastapi import Dispatch
from fastapi import FastAPI

app = FastAPI()
dispatch = Dispatch(app)


@dispatch.function
def publish(url, payload):
    data = urllib.parse.urlencode(payload).encode()
    with urllib.request.urlopen(url, data=data) as answer:
        return answer.status


@app.get("/")
async def root(url: str):
    await publish.dispatch(url, {"hello": "world"})
    return {"answer": 42}
