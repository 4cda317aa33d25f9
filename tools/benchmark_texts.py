"""Measures what a token costs a State-Flow Machine after texts of rising length: read with a window of others, and alone.

python tools/benchmark_texts.py sfm/small_stdlib --lengths 512 2048 8192 32768
The weights are fresh; the text is Python's standard library, one file after the other. A host's clock may change with time, so
lengths take turns, and medians count. The code graph that grows beside a text is timed apart.
"""

from __future__ import annotations

import argparse
import time
from typing import NamedTuple

import numpy as np

from sfm_ms.recipe import load
from sfm_ms.recipe.schema import PythonCodeTask
from sfm_ms.train import runtime

runtime.start()

from sfm_ms.data.growing_reading import GrowingReading, ReadToken
from sfm_ms.data.input_shape import input_shape
from sfm_ms.data.text_batches import files
from sfm_ms.data.tokenizer import TextTokenizer
from sfm_ms.generate import Generator
from sfm_ms.models import build

TOKENS_A_STATEMENT = 8  # of the standard library, at least


class Place(NamedTuple):
    """In the text, after `length` tokens."""

    length: int
    state: tuple
    window: list[ReadToken]  # that follow, and pass through the graph at once
    graph_seconds: float  # of one of them


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe")
    parser.add_argument("overrides", nargs="*", metavar="a.b=c")
    parser.add_argument("--lengths", type=int, nargs="+", default=[512, 1024, 2048, 4096, 8192, 16384, 32768])
    parser.add_argument("--rounds", type=int, default=100, help="in which each length has its turn")
    options = parser.parse_args()
    most_nodes = max(options.lengths) // TOKENS_A_STATEMENT
    recipe = load(options.recipe, [*options.overrides, f"model.max_nodes={most_nodes}"])
    texts = [file.text for file in files(recipe.task, "valid")]
    tokenizer = TextTokenizer.train(texts, recipe.task.vocabulary)
    generator = Generator(build(recipe, input_shape(recipe)), tokenizer, recipe.task)
    found = places(generator, recipe.task, tokenizer, tokenizer.encode("\n".join(texts)).tolist(), sorted(options.lengths))
    print("tokens before  ms a token read  ms a token written  of its graph")
    for place, of_reading, of_writing in zip(found, *seconds(generator, found, options.rounds), strict=True):
        columns = (of_reading / recipe.task.window_tokens, 15), (of_writing, 18), (place.graph_seconds, 12)
        print(f"{place.length:>13,}" + "".join(f"  {1e3 * figure:>{width}.3f}" for figure, width in columns))


def places(
    generator: Generator, task: PythonCodeTask, tokenizer: TextTokenizer, tokens: list[int], lengths: list[int]
) -> list[Place]:
    """The text read up to each length."""
    reading, state, done, found = GrowingReading(tokenizer, task.edges_per_statement), generator.model.begin(1), 0, []
    for length in lengths:
        state = generator.read([reading.append(token) for token in tokens[done:length]], state).state
        done = length + task.window_tokens
        began = time.perf_counter()
        following = [reading.append(token) for token in tokens[length:done]]
        graph_seconds = (time.perf_counter() - began) / len(following)
        num_complete = np.cumsum([token.completes is not None for token in following])
        window = following[: np.searchsorted(num_complete, task.window_statements, "right")]
        found.append(Place(length, state, window, graph_seconds))
        state = generator.read(following, state).state
    return found


def seconds(generator: Generator, found: list[Place], num_rounds: int) -> np.ndarray:
    """Medians over the rounds, (2, places): of a window that is read, of one token alone."""
    taken = np.zeros((1 + num_rounds, 2, len(found)))
    for of_round in taken:
        for number, place in enumerate(found):
            for kind, tokens in enumerate((place.window, place.window[:1])):
                began = time.perf_counter()
                generator.read(tokens, place.state)
                of_round[kind, number] = time.perf_counter() - began
    return np.median(taken[1:], 0)  # the first round compiles


if __name__ == "__main__":
    main()
