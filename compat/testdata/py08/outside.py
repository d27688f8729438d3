"""Dispatches calls from outside of the app: a command a line on stdin."""

import asyncio
import json
import sys

import app
import dispatch


def call(name, args):
    func = getattr(app, name, None)
    if hasattr(func, "build_call"):
        return func.build_call(*args)
    endpoint = dispatch.default_registry().endpoint
    return dispatch.Call(function=name, endpoint=endpoint, input=args[0] if args else None)


async def run(calls):
    if len(calls) == 1 and hasattr(getattr(app, calls[0][0], None), "dispatch"):
        return [await getattr(app, calls[0][0]).dispatch(*calls[0][1])]
    batch = dispatch.batch()
    for name, args in calls:
        batch.add_call(call(name, args))
    return await batch.dispatch()


async def main():
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        try:
            answer = {"ids": await run(json.loads(line)["calls"])}
        except Exception as e:
            answer = {"error": type(e).__name__, "message": str(e)}
        print(json.dumps(answer), flush=True)


asyncio.run(main())
