"""A task and its publisher, as users of dispatcherd write them: python3 hello.py"""

from dispatcherd.publish import task


@task(queue="test_channel")
def print_hello():
    print("hello world!!")


if __name__ == "__main__":
    import hello  # its name is not __main__ for the worker
    from dispatcherd.config import setup

    setup(file_path="dispatcher.yml")
    hello.print_hello.delay()
