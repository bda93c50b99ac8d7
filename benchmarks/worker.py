"""How a program in a process of its own answers: a line of JSON in, a line of JSON out. Needs nothing but Python."""

import json
import os
import sys


def answer(build):
    """Answer requests [name, arguments …] until there are no more.

    Args:
        build: called once; returns a dict of request name to function. What a function returns is the answer.
            The first answer, without a request, is their names.
    """
    # Answers go where standard output was; what the program prints goes to standard error.
    pipe = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    functions = build()
    print(json.dumps(list(functions)), file=pipe, flush=True)
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        print(json.dumps(functions[name](*arguments)), file=pipe, flush=True)
