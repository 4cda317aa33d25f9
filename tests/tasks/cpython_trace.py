"""Runs programs in this interpreter and writes down what CPython did: `python cpython_trace.py < programs.json > runs.json`.

In: a JSON list of sources. Out: for each {"variables", "trace", "error", "output"} as sfm_ms.tasks.interpreter defines them, the
values as texts. Alone in its file, so that it runs in a process of its own without the library: its rules are written again.
"""

import ast
import contextlib
import io
import json
import sys

DATA = (bool, int, float, str, type(None), list, tuple, dict, set, frozenset, range)
COMPOUND = (ast.If, ast.While, ast.Try, ast.ExceptHandler, ast.Raise)  # the last never ends, and has no event when it raises anew


def text(value):
    if isinstance(value, (set, frozenset)):
        return "{" + ", ".join(sorted(map(text, value))) + "}"
    if isinstance(value, (list, tuple)):
        return type(value).__name__ + "(" + ", ".join(map(text, value)) + ")"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{text(key)}: {text(each)}" for key, each in value.items()) + "}"
    return repr(value)


def is_data(value):
    if isinstance(value, dict):
        return all(is_data(each) for each in (*value.keys(), *value.values()))
    if isinstance(value, (list, tuple, set, frozenset)):
        return all(map(is_data, value))
    return isinstance(value, DATA)


def texts(variables, names=None):
    shown = {name: value for name, value in variables.items() if is_data(value) and not name.startswith("__")}
    return {name: text(value) for name, value in shown.items() if names is None or name in names}


class Tracer:
    """Of the line events of CPython: an entry for each that ends a simple statement, or gives a `for` its next item."""

    def __init__(self, source):
        self.entries = []
        self.pending = {}  # frame -> line that runs
        self.returning = {}  # frame -> entry of its `return`, of which the value is known when the frame ends
        self.bodies, self.headers, self.returns = {}, set(), set()
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.For):
                self.bodies[node.lineno] = range(node.body[0].lineno, node.body[-1].end_lineno + 1)
            elif isinstance(node, COMPOUND):
                self.headers.add(node.lineno)
            elif isinstance(node, ast.Return):
                self.returns.add(node.lineno)

    def __call__(self, frame, event, argument):
        code = frame.f_code
        if code.co_filename != "<program>" or (code.co_name.startswith("<") and code.co_name != "<module>"):
            return None
        if event == "exception":
            self.pending.pop(frame, None)
        elif event == "line":
            self.finish(frame, frame.f_lineno)
            self.pending[frame] = frame.f_lineno
        elif event == "return":
            self.finish(frame, 0)
            variables = self.returning.pop(frame, None)
            if variables is not None and is_data(argument):
                variables["return"] = text(argument)
        return self

    def finish(self, frame, following):
        line = self.pending.pop(frame, None)
        if line is None or line in self.headers or (line in self.bodies and following not in self.bodies[line]):
            return
        own = None if frame.f_code.co_name == "<module>" else frame.f_code.co_varnames + frame.f_code.co_cellvars
        variables = texts(frame.f_locals, own)
        if line in self.returns:
            self.returning[frame] = variables
        self.entries.append([line, variables])


def run(source):
    variables, error, output = {"__name__": "__program__"}, None, io.StringIO()
    code, tracer = compile(source, "<program>", "exec"), Tracer(source)
    with contextlib.redirect_stdout(output):
        sys.settrace(tracer)
        try:
            exec(code, variables)
        except Exception as caught:
            error = f"{type(caught).__name__}: {caught}".removesuffix(": ")
        finally:
            sys.settrace(None)
    return {"variables": texts(variables), "trace": tracer.entries, "error": error, "output": output.getvalue()}


if __name__ == "__main__":
    json.dump([run(source) for source in json.load(sys.stdin)], sys.stdout)
