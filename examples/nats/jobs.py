"""Tasks that are published over NATS."""

import os


def greet(name):
    print("hello", name)
    with open(os.environ.get("GREETED", os.devnull), "a") as f:
        f.write(name + "\n")
