"""A pipeline of durable functions with the Python SDK of Dispatch, unmodified.

    pip install -r examples/python/requirements.txt
    sendoff run -- python3 examples/python/pipeline.py

Each awaited call is a step that survives a crash of this program: stop it, start
it again, and the pipeline goes on where it was.
"""

import random
import sys

import dispatch


@dispatch.function
def fetch(page: int) -> list[int]:
    """A step that fails now and then, and is tried again."""
    if random.random() < 0.3:
        raise ConnectionError(f"page {page} did not answer")
    return [page * 10 + n for n in range(5)]


@dispatch.function
def double(n: int) -> int:
    return n * 2


@dispatch.function
async def sum_of_page(page: int) -> int:
    numbers = await fetch(page)
    doubled = await dispatch.gather(*[double(n) for n in numbers])
    return sum(doubled)


@dispatch.function
async def pipeline(pages: int) -> int:
    sums = await dispatch.gather(*[sum_of_page(page) for page in range(pages)])
    return sum(sums)


async def main(pages: int) -> None:
    print("the pipeline returned", await pipeline(pages))


if __name__ == "__main__":
    dispatch.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 3))
