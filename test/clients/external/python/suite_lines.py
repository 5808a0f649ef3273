"""Runs cases and prints one line of JSON for each, as the suites of this folder expect it."""

import contextlib
import json
import subprocess
import sys
import time
import traceback


def run(cases):
    for name, case in cases:
        start = time.monotonic()
        failure = None
        try:
            case()
        except BaseException as error:  # an assertion of a client library is a result too
            line = traceback.extract_tb(sys.exc_info()[2])[-1].lineno
            failure = "%s: %s (line %s)" % (type(error).__name__, error, line)
        ms = round((time.monotonic() - start) * 1000)
        print(json.dumps({"case": name, "failure": failure, "ms": ms}), flush=True)


def same(expected, actual):
    if expected != actual:
        raise AssertionError("expected %r, was %r" % (expected, actual))


def numbered(start, end):
    return ["value %d" % i for i in range(start, end)]


@contextlib.contextmanager
def member_process(suite, servers, name):
    """The suite's member of a group in a process of its own, once it has its partitions; it is ended in any case."""
    process = subprocess.Popen([sys.executable, suite, servers, name], stdout=subprocess.PIPE, text=True)
    try:
        same("assigned\n", process.stdout.readline())
        yield process
    finally:
        process.kill()
        process.wait()
