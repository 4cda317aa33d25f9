"""Graph attention and the structure system once more, for one text, with loops over nodes and edges in float64.

Weights are a dict of arrays: those of a Cell's part have names that begin with the part's and a dot.
"""

from __future__ import annotations

import numpy as np

from sfm_ms.nn.norm import EPSILON


def weights_of(cell) -> dict[str, np.ndarray]:
    return {name: parameter.asnumpy().astype(np.float64) for name, parameter in cell.parameters_and_names()}


def part(weights, name):
    return {key.removeprefix(f"{name}."): array for key, array in weights.items() if key.startswith(f"{name}.")}


def attention(weights, num_heads, x, sources, targets, kinds):
    """(N, D), (E, D), (E,), (E,) -> (N, D)."""
    dim = x.shape[1]
    y = np.zeros(x.shape)
    for node in range(len(x)):
        edges = [edge for edge in range(len(targets)) if targets[edge] == node]
        for head in np.split(np.arange(dim), num_heads) if edges else []:
            query = (x[node] @ weights["to_query_DD"])[head]
            both = [sources[edge] @ weights["to_key_value_DX"] + weights["kind_CX"][kinds[edge]] for edge in edges]
            chances = np.exp([query @ row[:dim][head] / len(head) ** 0.5 for row in both])
            y[node, head] = sum(chance * row[dim:][head] for chance, row in zip(chances / chances.sum(), both, strict=True))
    return y @ weights["from_heads_DD"]


def structure(weights, num_layers, num_heads, statements, kinds, edges, memory, count, is_causal=True):
    """(n, D), (n,), list of edges, (L, M, D) and the number of nodes in it -> y (n, D), memory."""
    memory, last = memory.astype(np.float64), count + len(statements)
    edges = [edge for edge in edges if count <= edge[1] < last and (edge[0] < edge[1] if is_causal else edge[0] < last)]
    sources, targets, edge_kinds = np.array(edges, int).reshape(-1, 3).T
    x = statements + weights["kind_CD"][kinds]
    for number in range(num_layers):
        memory[number, count:last] = x
        layer = part(weights, f"layers.{number}")
        gain = layer["before_attention.gain_D"]
        read = (rms_norm(x, gain), rms_norm(memory[number, sources], gain), targets - count, edge_kinds)
        x = x + attention(part(layer, "attention"), num_heads, *read)
        x = x + swiglu(part(layer, "feed_forward"), rms_norm(x, layer["before_feed_forward.gain_D"]))
    return rms_norm(x, weights["norm.gain_D"]), memory


def rms_norm(x, gain):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + EPSILON) * gain


def swiglu(weights, x):
    gate = x @ weights["gate_DH"]
    return (gate / (1 + np.exp(-gate)) * (x @ weights["up_DH"])) @ weights["down_HD"]


def slope(function, arrays, name, direction):
    """The derivative of `function(arrays)` along `direction` of the array with that name."""
    step = 1e-5
    shifted = [function({**arrays, name: arrays[name] + sign * step * direction}) for sign in (1, -1)]
    return (shifted[0] - shifted[1]) / (2 * step)
