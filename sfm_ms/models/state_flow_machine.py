"""The State-Flow Machine: a language model whose Perception system, layer by layer, exchanges with three others.

    tokens -> embedding + last use -> [two layers of Perception -> exchange] x L / 2 -> norm -> logits

Structure has two parts: what came after a token's last use, an edge between tokens (nn/last_use.py), and the code graph, whose
edges are between statements. An exchange (systems/bridge.py) takes the tokens' statements into the shared space, where Structure
adds what the code graph knows of them; the first exchange runs Execution, which reads the statements' own tokens too, so that all
later layers can ask for results; the last one runs Meta, which has heard all others by then. Each system can be left out; without
all three the model is its Perception system.

Shapes: B rows, T tokens, L tokens that each recalls, S statements that a piece of text completes, E edges, D width of tokens, C
of the shared space, Y tokens in the vocabulary.
"""

from __future__ import annotations

import numpy as np
from mindspore import nn, ops

from sfm_ms.nn.cost import Cost, cost, total
from sfm_ms.nn.init import normal
from sfm_ms.nn.last_use import LastUse
from sfm_ms.nn.linear import num_operands, num_products, product
from sfm_ms.nn.softplus import softplus
from sfm_ms.nn.statement_places import places
from sfm_ms.nn.statement_reader import StatementReader
from sfm_ms.nn.verification import VerificationHead
from sfm_ms.nn.vocabulary import Vocabulary
from sfm_ms.recipe.schema import StateFlowMachineModel
from sfm_ms.systems.bridge import CrossSystemBridge
from sfm_ms.systems.execution import ExecutionSystem, SlotReader
from sfm_ms.systems.meta import MetaSystem
from sfm_ms.systems.perception import PerceptionSystem
from sfm_ms.systems.structure import StructureSystem

LAYERS_BETWEEN_EXCHANGES = 2


class StateFlowMachine(nn.Cell):
    """(tokens, operand (B, T), recalled (B, T, L) int32, is_token, is_end (B, T), kinds (B, S), edges (B, E, 3) int32, *state)
    -> (logits (B, T, Y), hidden (B, T, D) or (B, T, D + C + 1), ticks (B, S), *state)

    operand: of its statement, that a token is part of, from 1; 0: of none; negative at comments and padding. recalled: what came
    after each token's last use, as data/last_uses.py has it. is_token: 1, and 0 for the padding at a row's end. is_end: 1 at
    tokens that complete a statement, S of them at most. kinds and edges: of the statements, as data/readings.py has them; edges
    name statements by their number in the text. hidden: what the logits are made of, and beside it what Execution found and how
    much doubt there is, for `verdict` and `second_opinion`. ticks: expected number that Execution takes; 1 without it. `begin`
    makes the state of texts that begin; a text may be cut into pieces anywhere.
    `shape` is the task's TextShape.
    """

    carries_state = True

    def __init__(self, config: StateFlowMachineModel, shape, seed: int):
        super().__init__()
        rngs = [np.random.default_rng([seed, system]) for system in range(4)]  # a system is the same without the others
        self.vocabulary = Vocabulary(shape.num_tokens, config.dim, rngs[0])
        num_stages = config.num_layers // LAYERS_BETWEEN_EXCHANGES
        layers = (config.dim, LAYERS_BETWEEN_EXCHANGES, config.num_heads, rngs[0])
        self.stages = nn.CellList([PerceptionSystem(*layers) for _ in range(num_stages)])
        has_others = config.structure or config.execution or config.meta
        ends = [(stage == 0, stage == num_stages - 1) for stage in range(num_stages)] if has_others else []
        self.exchanges = nn.CellList([Exchange(config, shape, is_first, is_last, rngs) for is_first, is_last in ends])
        self.last_use = LastUse(config.dim, shape.num_recalled, rngs[1]) if config.structure else None
        self.has_opinion = config.execution
        self.opinion_CD = normal(rngs[2], (config.shared_dim, config.dim)) if config.execution else None
        num_features = 2 * NUM_FEATURES if config.execution else NUM_FEATURES
        self.verification = VerificationHead(2 * config.dim, num_features, rngs[3]) if config.meta else None
        self.num_stages, self.has_others = num_stages, has_others
        self.state_sizes = [len(part.begin(1)) for part in (*self.stages, *self.exchanges)]

    def construct(self, tokens_BT, operand_BT, recalled_BTL, is_token_BT, is_end_BT, kinds_BS, edges_BE3, *state):
        spelled_BTD, so_far = self.vocabulary.embed(tokens_BT), (0, None, None, ops.ones(kinds_BS.shape))
        x_BTD = spelled_BTD
        if self.last_use is not None:
            x_BTD = x_BTD + self.last_use(recalled_BTL, self.vocabulary.embed(ops.maximum(recalled_BTL, 0)))
        places_of_tokens = places(operand_BT, is_end_BT, kinds_BS.shape[1])
        seen = (spelled_BTD, operand_BT, *places_of_tokens)
        after, after_exchanges, first = (), (), sum(self.state_sizes[: self.num_stages])
        for stage in range(self.num_stages):
            start, size = len(after), self.state_sizes[stage]
            x_BTD, state_of_stage = self.stages[stage](x_BTD, is_token_BT, state[start : start + size])
            after += state_of_stage
            if self.has_others:
                start, size = first + len(after_exchanges), self.state_sizes[self.num_stages + stage]
                x_BTD, so_far, state_of_exchange = self.exchanges[stage](
                    x_BTD, seen, kinds_BS, edges_BE3, so_far, state[start : start + size]
                )
                after_exchanges += state_of_exchange
        _, _, found_BRC, ticks_BS = so_far
        hidden, doubt = x_BTD, ()
        if self.has_opinion:
            _, _, hears_BTR, is_statement_BS = places_of_tokens
            doubt_BR1 = self.doubt(found_BRC, is_statement_BS, state[-1])
            hidden = ops.concat((x_BTD, ops.bmm(hears_BTR, ops.concat((found_BRC, doubt_BR1), 2))), 2)
            doubt = (doubt_BR1[:, -1],)
        return (self.vocabulary(x_BTD), hidden, ticks_BS, *after, *after_exchanges, *doubt)

    def second_opinion(self, hidden):
        """The logits (B, T, Y) of what Execution found at the last complete statement, without all else; where there is one."""
        return self.opinion(hidden[:, :, self.vocabulary.dim : -1])

    def opinion(self, found_BXC):
        return self.vocabulary(product(found_BXC, self.opinion_CD))

    def doubt(self, found_BRC, is_statement_BS, before_B1):
        """How unsure Execution has been of all results so far, in nats, before the piece and after each statement (B, S + 1, 1).

        An error in one result is in all that stand on it, however sure these are of themselves.
        """
        log_probabilities = ops.log_softmax(self.opinion(ops.stop_gradient(found_BRC[:, 1:])), -1)
        doubt_BS = -ops.stop_gradient(log_probabilities.max(-1)) * is_statement_BS
        return ops.cumsum(ops.concat((before_B1, doubt_BS), 1), 1).expand_dims(2)

    def verdict(self, hidden, logits_BTY, candidate_BT):
        """Logit of the chance that a candidate for the next token is right, (B, T); 0 without Meta.

        With Execution: that it is right if all results before are, times the chance of that, as Execution has seen it. What is
        judged does not learn from the verdict.
        """
        if self.verification is None:
            return ops.zeros(candidate_BT.shape)
        hidden = ops.stop_gradient(hidden)
        embedded_BTD = ops.stop_gradient(self.vocabulary.embed(candidate_BT))
        known = ops.concat((hidden[:, :, : self.vocabulary.dim], embedded_BTD), 2)
        chances = features(logits_BTY, candidate_BT)
        if not self.has_opinion:
            return self.verification(known, chances)
        chances = ops.concat((chances, features(self.second_opinion(hidden), candidate_BT)), 2)
        return less_certain(self.verification(known, chances), hidden[:, :, -1])

    def costs(self, num_tokens: int, num_statements: int, num_edges: int) -> dict[str, Cost]:
        """Of each system, for one piece of text of so many tokens, statements and edges."""
        costs = {"vocabulary": [cost(self.vocabulary, self.vocabulary.flops(num_tokens))]}
        costs["perception"] = [cost(stage, stage.flops(num_tokens)) for stage in self.stages]
        for exchange in self.exchanges:
            for name, of_system in exchange.costs(num_tokens, num_statements, num_edges):
                costs.setdefault(name, []).append(of_system)
        if self.last_use is not None:
            costs["structure"].append(cost(self.last_use, self.last_use.flops(num_tokens)))
        if self.has_opinion:
            of_doubt = num_statements * (self.opinion_CD.size + self.vocabulary.table_YD.size)
            costs["execution"].append(Cost(self.opinion_CD.size, 2 * (num_tokens * self.opinion_CD.size + of_doubt)))
        if self.verification is not None:
            costs["meta"].append(cost(self.verification, 2 * num_tokens * num_products(self.verification)))
        return {name: total(parts) for name, parts in costs.items()}

    def activations(self, num_tokens: int, num_statements: int) -> int:
        """Numbers the backward pass keeps for one piece of text: the operands of every product, and the logits."""
        of_token = num_operands(self.stages) + num_operands(self.exchanges) + self.vocabulary.num_tokens
        return num_tokens * of_token + num_statements * num_operands(self.exchanges)

    def begin(self, num_rows: int) -> tuple:
        """The state of `num_rows` texts before their first token."""
        state = tuple(part for system in (*self.stages, *self.exchanges) for part in system.begin(num_rows))
        return (*state, ops.zeros((num_rows, 1))) if self.has_opinion else state


NUM_FEATURES = 2
SMALLEST_DOUBT = 1e-5  # nats: in fp32 the logit of a chance has no more digits


def features(logits_BTY, candidate_BT):
    """What these probabilities say: the logarithm of the candidate's, and the entropy of all, (B, T, 2)."""
    log_probabilities = ops.log_softmax(ops.stop_gradient(logits_BTY), -1)
    entropy_BT1 = -(ops.exp(log_probabilities) * log_probabilities).sum(-1, keepdims=True)
    return ops.concat((ops.gather_elements(log_probabilities, 2, candidate_BT.expand_dims(2)), entropy_BT1), 2)


def less_certain(logit_BT, doubt_BT):
    """The logit of sigmoid(logit) * exp(-doubt)."""
    log_chance_BT = ops.minimum(-softplus(-logit_BT) - doubt_BT, -SMALLEST_DOUBT)
    return log_chance_BT - ops.log1p(-ops.exp(log_chance_BT))


class Exchange(nn.Cell):
    """(x, seen, kinds, edges, so_far, state) -> (x, so_far, state): the systems' turns at one bridge.

    `seen`: a piece's tokens as they are spelled (B, T, D), their operands (B, T), and what nn/statement_places.py makes of these.
    `so_far`: what has been said of its statements (B, S, C); of Execution, None before its turn, the slots before the piece and
    after each of its statements (B, S + 1, N, V), and what it found there (B, S + 1, C); its ticks (B, S).
    """

    def __init__(self, config: StateFlowMachineModel, shape, is_first: bool, is_last: bool, rngs):
        super().__init__()
        dim, shared_dim = config.dim, config.shared_dim
        self.bridge = CrossSystemBridge(dim, shared_dim, config.slot_dim if config.execution else 0, rngs[0])
        self.structure = self.spelling = self.execution = self.reader = self.meta = None
        if config.structure:
            kinds = (shape.num_statement_kinds, shape.num_edge_kinds)
            self.structure = StructureSystem(shared_dim, 1, config.structure_heads, config.max_nodes, *kinds, rngs[1])
        if config.execution:
            self.reader = SlotReader(dim, config.num_slots, config.slot_dim, rngs[2])
        if config.execution and is_first:
            halts = config.halting == "learned"
            self.spelling = StatementReader(dim, shared_dim, shape.num_operands, rngs[2])
            bank = (config.num_slots, config.slot_dim)
            self.execution = ExecutionSystem(shared_dim, dim, shape.num_operands, *bank, config.max_ticks, rngs[2], halts)
        if config.meta and is_last:
            self.meta = MetaSystem(shared_dim, config.meta_heads, config.num_hypotheses, config.stack_depth, rngs[3])

    def construct(self, x_BTD, seen, kinds_BS, edges_BE3, so_far, state):
        spelled_BTD, operand_BT, member_BRT, is_unfinished_BR, hears_BTR, is_statement_BS = seen
        said, slots_BRNV, found_BRC, ticks_BS = so_far
        told_BSC, sums = self.bridge.tell(x_BTD, member_BRT, is_unfinished_BR, state[0])
        said_BSC, rest, after = said + told_BSC, state[2:], ()
        if self.structure is not None:
            said_BSC, of_structure = self.structure(said_BSC, is_statement_BS, kinds_BS, edges_BE3, rest[:2])
            rest, after = rest[2:], of_structure
        if self.execution is not None:
            words_BWD, slots_BNV, before_BC = rest[:3]
            read_BSC, words_BSWD, words_BWD = self.spelling(spelled_BTD, operand_BT, member_BRT, is_unfinished_BR, words_BWD)
            result_BSC, ticks_BS, states_BSNV, last_BNV = self.execution(read_BSC, words_BSWD, is_statement_BS, slots_BNV)
            slots_BRNV = ops.concat((slots_BNV.expand_dims(1), states_BSNV), 1)
            found_BRC = ops.concat((before_BC.expand_dims(1), result_BSC), 1)
            last_BC = ops.bmm(hears_BTR[:, -1:], found_BRC).squeeze(1)
            said_BSC, rest, after = said_BSC + result_BSC, rest[3:], (*after, words_BWD, last_BNV, last_BC)
        if self.meta is not None:
            thought_BSC, of_meta = self.meta(said_BSC, is_statement_BS, rest)
            said_BSC, after = said_BSC + thought_BSC, (*after, *of_meta)
        held_BTV = None if self.reader is None else self.reader(x_BTD, hears_BTR, slots_BRNV)
        x_BTD, before = self.bridge(x_BTD, said_BSC, state[1], hears_BTR, held_BTV)
        return x_BTD, (said_BSC, slots_BRNV, found_BRC, ticks_BS), (sums, before, *after)

    def costs(self, num_tokens: int, num_statements: int, num_edges: int) -> list[tuple[str, Cost]]:
        costs = [("bridge", cost(self.bridge, self.bridge.flops(num_tokens, num_statements)))]
        if self.structure is not None:
            costs.append(("structure", cost(self.structure, self.structure.flops(num_statements, num_edges))))
        if self.execution is not None:
            costs.append(("execution", cost(self.spelling, self.spelling.flops(num_tokens, num_statements))))
            costs.append(("execution", cost(self.execution, self.execution.flops(num_statements))))
        if self.reader is not None:
            costs.append(("execution", cost(self.reader, self.reader.flops(num_tokens, num_statements))))
        if self.meta is not None:
            costs.append(("meta", cost(self.meta, self.meta.flops(num_statements))))
        return costs

    def begin(self, num_rows: int) -> tuple:
        state = self.bridge.begin(num_rows)
        if self.structure is not None:
            state += self.structure.begin(num_rows)
        if self.execution is not None:
            state += (self.spelling.begin(num_rows), *self.execution.begin(num_rows))
        return state if self.meta is None else (*state, *self.meta.begin(num_rows))
