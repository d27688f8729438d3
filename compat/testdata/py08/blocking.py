"""The FastAPI app of the README, with dispatch-py 0.8.0."""

import urllib.parse
import urllib.request

from dispatch.fastapi import Dispatch
from fastapi import FastAPI

app = FastAPI()
dispatch = Dispatch(app)


@dispatch.function
def publish(url, payload):
    data = urllib.parse.urlencode(payload).encode()
    with urllib.request.urlopen(url, data=data) as answer:
        return answer.status


@app.get("/")
def root(url: str):
    publish.dispatch(url, {"hello": "world"})
    return {"answer": 42}
