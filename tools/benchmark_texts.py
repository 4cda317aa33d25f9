"""Measures what a token costs a State-Flow Machine after texts of rising length: read in pieces, and written one by one.

python tools/benchmark_texts.py sfm/small_stdlib --lengths 512 2048 8192 32768
The weights are fresh; the text is Python's standard library, one file after the other. Of reading, the time between two lengths
counts; of writing, that of single tokens right after a length, the model alone and with the code graph that grows beside it.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from sfm_ms.recipe import load
from sfm_ms.train import runtime

runtime.start()

from sfm_ms.data.growing_reading import GrowingReading
from sfm_ms.data.input_shape import input_shape
from sfm_ms.data.text_batches import files
from sfm_ms.data.tokenizer import TextTokenizer
from sfm_ms.generate import Generator
from sfm_ms.models import build

NODES_A_TOKEN = 8  # at least so many tokens a statement


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe")
    parser.add_argument("overrides", nargs="*", metavar="a.b=c")
    parser.add_argument("--lengths", type=int, nargs="+", default=[512, 1024, 2048, 4096, 8192, 16384, 32768])
    parser.add_argument("--tokens", type=int, default=200, help="that are written at each length")
    options = parser.parse_args()
    most_nodes = max(options.lengths) // NODES_A_TOKEN
    recipe = load(options.recipe, [*options.overrides, f"model.max_nodes={most_nodes}"])
    texts = [file.text for file in files(recipe.task, "valid")]
    tokenizer = TextTokenizer.train(texts, recipe.task.vocabulary)
    generator = Generator(build(recipe, input_shape(recipe)), tokenizer, recipe.task)
    tokens = tokenizer.encode("\n".join(texts)).tolist()
    print("tokens before  ms a token read  ms a token written  with its graph")
    for length, *figures in measured(generator, GrowingReading(tokenizer, recipe.task.edges_per_statement), tokens, options):
        print(
            f"{length:>13,}"
            + "".join(f"  {1e3 * seconds:>{width}.2f}" for seconds, width in zip(figures, (15, 18, 14), strict=True))
        )


def measured(generator: Generator, reading: GrowingReading, tokens: list[int], options: argparse.Namespace):
    """(length, seconds of a token that is read, that is written, that is written with the graph's part)."""
    state, done = generator.model.begin(1), 0
    for compile_first in (512, 1):  # both graphs
        generator.read(tokens[:compile_first], [None] * compile_first, state)
    for length in sorted(options.lengths):
        statements = [reading.append(token) for token in tokens[done:length]]
        began = time.perf_counter()
        state = generator.read(tokens[done:length], statements, state).state
        of_reading = (time.perf_counter() - began) / (length - done)
        done = length + options.tokens
        seconds = np.zeros((options.tokens, 2))
        for n, token in enumerate(tokens[length:done]):
            began = time.perf_counter()
            statement = reading.append(token)
            between = time.perf_counter()
            state = generator.read([token], [statement], state).state
            seconds[n] = between - began, time.perf_counter() - between
        graph, model = seconds.mean(0)
        yield length, of_reading, model, graph + model


if __name__ == "__main__":
    main()
