"""Tasks for the processes of a server: sendoff serve --process-allow jobs"""

import time


def thumbnail(path, width=100):
    print("making", path, "smaller")
    return {"path": path, "width": width}


class NoSuchImage(Exception):
    permanent = True  # do not try again


def find(path):
    raise NoSuchImage(path)


def report(days):
    time.sleep(days)
