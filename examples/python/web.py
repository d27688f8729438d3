"""A web app with durable functions: FastAPI and the SDK of Dispatch, unmodified.

    pip install -r examples/python/requirements.txt fastapi uvicorn
    sendoff run -- uvicorn --app-dir examples/python web:app --port 8000
    curl -X POST 'http://127.0.0.1:8000/greet?name=ada'

uvicorn listens on a port of its own, which sendoff reads off the command.
"""

from dispatch.asyncio.fastapi import Dispatch
from fastapi import FastAPI

app = FastAPI()
dispatch = Dispatch(app)


@dispatch.function
async def greet(name: str) -> str:
    """Calls another function, and survives a crash while it waits."""
    return await polite("hello " + name)


@dispatch.function
def polite(text: str) -> str:
    """A step of its own."""
    return text + ", how do you do?"


@app.post("/greet")
async def post_greet(name: str):
    """Starts the call, and does not wait for it."""
    return {"call": str(await greet.dispatch(name))}
