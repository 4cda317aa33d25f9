"""Every field a recipe may hold. A YAML section is a class here, a YAML key is one of its fields."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal, get_args


@dataclass(frozen=True)
class Range:
    """Bounds of a number; an open end leaves the bound itself out."""

    low: float
    high: float | None = None
    open_low: bool = False

    def __contains__(self, value: float) -> bool:
        above = value > self.low if self.open_low else value >= self.low
        return above and (self.high is None or value <= self.high)

    def __str__(self) -> str:
        above = f"> {self.low:g}" if self.open_low else f">= {self.low:g}"
        return above if self.high is None else f"{above} and <= {self.high:g}"


Count = Annotated[int, Range(1)]
Fraction = Annotated[float, Range(0, 1)]
Positive = Annotated[float, Range(0, open_low=True)]
NonNegative = Annotated[float, Range(0)]

# A rule that joins several fields reports (path, what is wrong).
Problems = Iterator[tuple[str, str]]


@dataclass(frozen=True)
class StateTrackingTask:
    """Programs over bounded variables; see sfm_ms/tasks/state_tracking.py."""

    kind: Literal["state_tracking"] = "state_tracking"
    family: Literal["classic", "full", "chained"] = "classic"
    num_variables: Annotated[int, Range(1, 26)] = 5
    modulus: Annotated[int, Range(2, 101)] = 101  # of the family chained
    min_operations: Count = 3  # training programs have min..max operations after the initial assignments
    max_operations: Count = 20
    train_programs: Count = 10_000  # distinct programs; training goes over them again and again
    validation_programs: Count = 500
    test_programs: Count = 1_000  # at every test length
    test_base_operations: Count = 10
    test_multipliers: tuple[Count, ...] = (1, 2, 4, 8, 16, 32)  # test on exactly base x multiplier operations
    window_lines: tuple[Count, ...] = (8, 16, 45)  # the trivial readers that see only the last lines
    # What the loss may look at: the final value only; also the queried variable after every statement; or all variables.
    supervision: Literal["answer", "queried", "all"] = "queried"
    statement_weight: NonNegative = 4.0  # weight of the mean loss after the statements, beside 1 for the answer
    # Steps over which the loss opens up, from the first operation of every program to all of them; 0: at once.
    curriculum_steps: Annotated[int, Range(0)] = 0

    def problems(self) -> Problems:
        if self.family != "classic" and self.num_variables < 2:
            yield "num_variables", f"expected at least 2, which the family {self.family} swaps, got {self.num_variables}"
        if self.family != "chained" and self.modulus != 101:
            yield "modulus", f"only the family chained takes one; {self.family} clamps to 0..100, got {self.modulus}"
        if self.min_operations > self.max_operations:
            yield (
                "min_operations",
                f"expected at most max_operations = {self.max_operations}, got {self.min_operations}",
            )
        for name in ("test_multipliers", "window_lines"):
            values = getattr(self, name)
            if not values or list(values) != sorted(set(values)):
                yield name, f"expected one or more rising numbers, got {list(values)}"


@dataclass(frozen=True)
class ExecutedPrograms:
    """Transcripts of programs that print values; see sfm_ms/tasks/transcripts.py."""

    num_variables: Annotated[int, Range(2, 26)] = 3
    modulus: Annotated[int, Range(2, 101)] = 10
    min_operations: Count = 2
    max_operations: Count = 10
    curriculum_steps: Annotated[int, Range(0)] = 0  # until training programs reach max_operations, growing from min_operations
    annotated_share: Fraction = 0.75  # of the training programs, with a comment below each statement; the others have none
    question_share: Fraction = 0.3  # of the operations of a training program that a printed value follows
    validation_programs: Count = 200
    test_programs: Count = 1_000  # at every test length
    test_base_operations: Count = 10
    test_multipliers: tuple[Count, ...] = (1, 2, 4, 8)

    def problems(self) -> Problems:
        if self.min_operations > self.max_operations:
            yield "min_operations", f"expected at most max_operations = {self.max_operations}, got {self.min_operations}"


@dataclass(frozen=True)
class PythonCodeTask:
    """Foretelling Python code token by token, and what programs print; see sfm_ms/data/text_batches.py."""

    kind: Literal["python_code"] = "python_code"
    trees: tuple[str, ...] = ()  # folders or files; none: the standard library of the running Python
    train_files: Annotated[int, Range(0)] = 0  # of those for training only so many; 0: all
    held_out: Annotated[float, Range(0, 0.5)] = 0.05  # share of the files for validation, and as much for the test
    vocabulary: Annotated[int, Range(257)] = 1024  # of the byte-pair encoding, trained on the training files
    window_tokens: Count = 256  # tokens in the compiled graph; longer texts pass through it piece by piece
    window_statements: Count = 32  # that a piece completes at most
    edges_per_statement: Count = 4  # of the code graph, from a statement to earlier ones: the nearest
    validation_pieces: Count = 128
    program_share: Fraction = 0.5  # of the rows of a batch that are programs
    answer_weight: NonNegative = 1.0  # of the mean loss of what programs print, beside 1 for that of code
    programs: ExecutedPrograms = ExecutedPrograms()


@dataclass(frozen=True)
class CodeExecutionTask:
    """Telling what programs do, mending programs, and judging what is told; see sfm_ms/data/thinker_batches.py."""

    kind: Literal["code_execution"] = "code_execution"
    # Rows of the model's table, a multiple of 16. An own tokenizer, trained on samples where model.checkpoint names none, has at
    # most so many tokens.
    vocabulary: Annotated[int, Range(288)] = 512
    window_tokens: Count = 512  # of a row; longer samples are drawn again
    max_samples: Count = 4  # whole ones, that a row has at most
    difficulties: tuple[Annotated[int, Range(1, 5)], ...] = (1, 2, 3, 4, 5)
    share_debugging: Fraction = 0.25  # of the training samples; the others tell what programs do
    share_wrong: Fraction = 0.15  # of the training samples
    largest_number: Count = 999_999  # in the traces of programs; those with a larger one are drawn again
    only_moves: bool = False  # programs of difficulty 1 that copy and count digits, nothing else
    probe_samples: Count = 20  # of each difficulty, every training.validate_every steps
    test_samples: Count = 200  # of each difficulty

    def problems(self) -> Problems:
        if not self.difficulties or list(self.difficulties) != sorted(set(self.difficulties)):
            yield "difficulties", f"expected one or more rising numbers, got {list(self.difficulties)}"
        if self.only_moves and self.difficulties != (1,):
            yield "only_moves", f"expected difficulties [1], got {list(self.difficulties)}"
        if self.vocabulary % 16:
            yield "vocabulary", f"expected a multiple of 16, got {self.vocabulary}"


@dataclass(frozen=True)
class StateTrackerModel:
    """A bank of slots that statements read and write one after the other; see sfm_ms/models/state_tracker.py."""

    kind: Literal["state_tracker"] = "state_tracker"
    num_slots: Count = 16
    value_dim: Annotated[int, Range(46)] = 60  # width of a value's code: 45 number features, the rest learned
    token_dim: Count = 32
    instruction_dim: Count = 64
    unit_dim: Count = 256  # products in the arithmetic unit
    max_ticks: Annotated[int, Range(1, 8)] = 1  # computations and writes a statement may take
    halting: Literal["learned", "fixed"] = "learned"  # fixed: every statement takes max_ticks
    erase: bool = True  # False: writes only add, S + beta k v^T
    forget_gate: bool = False  # let statements decay all slots: a_t < 1 in the gated delta rule


@dataclass(frozen=True)
class TransformerModel:
    """An encoder over all tokens of a program at once; see sfm_ms/models/transformer.py."""

    kind: Literal["transformer"] = "transformer"
    dim: Annotated[int, Range(2)] = 128
    num_heads: Count = 4
    num_layers: Count = 3
    feed_forward_dim: Count = 256
    positions: Literal["sinusoidal", "rotary"] = "sinusoidal"  # waves added to tokens, or queries and keys turned
    attention: Literal["bidirectional", "causal"] = "bidirectional"
    norm: Literal["post", "pre"] = "post"  # after the residual sum, or before what is added to it
    readout: Literal["mean", "last"] = "mean"  # of the outputs for the tokens up to a statement's end

    def problems(self) -> Problems:
        yield from _heads_problem(self)
        if self.dim % 2 or (self.positions == "rotary" and self.dim % (2 * self.num_heads)):
            yield "dim", f"expected an even width, with rotary positions even for each head, got {self.dim}"


@dataclass(frozen=True)
class GruModel:
    """Gated recurrent units over statements; see sfm_ms/models/gru.py."""

    kind: Literal["gru"] = "gru"
    token_dim: Count = 32
    dim: Count = 176
    num_layers: Count = 2


@dataclass(frozen=True)
class LinearAttentionModel:
    """Causal linear attention over statements; see sfm_ms/models/linear_attention.py."""

    kind: Literal["linear_attention"] = "linear_attention"
    token_dim: Count = 32
    dim: Annotated[int, Range(2)] = 128
    num_heads: Count = 4
    num_layers: Count = 3
    feed_forward_dim: Count = 256

    def problems(self) -> Problems:
        yield from _heads_problem(self)
        if self.dim % 2:
            yield "dim", f"expected an even width, got {self.dim}"


@dataclass(frozen=True)
class StaticSlotsModel:
    """Slots that are learned and never written; see sfm_ms/models/static_slots.py."""

    kind: Literal["static_slots"] = "static_slots"
    token_dim: Count = 32
    dim: Count = 416
    num_slots: Count = 8


@dataclass(frozen=True)
class StateFlowMachineModel:
    """Perception, Structure, Execution and Meta joined by bridges; see sfm_ms/models/state_flow_machine.py."""

    kind: Literal["state_flow_machine"] = "state_flow_machine"
    dim: Count = 256
    num_layers: Annotated[int, Range(2)] = 2  # of perception; the systems exchange after every second one
    num_heads: Count = 4
    shared_dim: Annotated[int, Range(8)] = 256  # of what the systems say to each other, so of Structure and Meta
    structure: bool = True
    execution: bool = True
    meta: bool = True
    structure_heads: Count = 4
    max_nodes: Count = 256  # statements of a text that Structure remembers
    num_slots: Annotated[int, Range(2)] = 64
    slot_dim: Count = 128  # a multiple of 16: symbols of 16 choices each
    max_ticks: Annotated[int, Range(1, 8)] = 2
    halting: Literal["learned", "fixed"] = "learned"
    meta_heads: Count = 4
    num_hypotheses: Count = 4
    stack_depth: Count = 4

    def problems(self) -> Problems:
        yield from _heads_problem(self)
        if self.num_layers % 2:
            yield (
                "num_layers",
                f"expected an even number, as the systems exchange after every second layer, got {self.num_layers}",
            )
        for name in ("structure_heads", "meta_heads"):
            if self.shared_dim % getattr(self, name):
                yield name, f"expected a divisor of shared_dim = {self.shared_dim}, got {getattr(self, name)}"
        if self.execution and self.slot_dim % 16:
            yield "slot_dim", f"expected a multiple of 16, got {self.slot_dim}"
        if self.shared_dim % 8:
            yield "shared_dim", f"expected a multiple of 8, got {self.shared_dim}"


@dataclass(frozen=True)
class TextTransformerModel:
    """A causal transformer with rotary positions, the State-Flow Machine's rival; see sfm_ms/models/text_transformer.py."""

    kind: Literal["text_transformer"] = "text_transformer"
    dim: Count = 256
    num_layers: Count = 2
    num_heads: Count = 4

    def problems(self) -> Problems:
        yield from _heads_problem(self)
        if self.dim % (2 * self.num_heads):
            yield "dim", f"expected an even width for each head, got {self.dim} for {self.num_heads} heads"


@dataclass(frozen=True)
class ThinkerModel:
    """A Qwen2.5 with State-Flow blocks, a judge and an expectation of surprise; see sfm_ms/models/thinker.py.

    The sizes are those of Qwen2.5-Coder-1.5B; a checkpoint must have those that the recipe says.
    """

    kind: Literal["thinker"] = "thinker"
    checkpoint: str = ""  # a folder from HuggingFace, weights and tokenizer; empty: random weights and an own tokenizer
    dim: Count = 1536
    feed_forward_dim: Count = 8960
    num_layers: Count = 28
    num_heads: Count = 12
    num_key_value_heads: Count = 2
    is_tied: bool = True  # the logits are made with the table of the tokens
    dtype: Literal["float32", "float16", "bfloat16"] = "float32"  # of the Qwen2.5's parameters and of all products
    attention: Literal["plain", "flash"] = "plain"  # flash: on Ascend from 910B on
    recompute: bool = False  # layers, in the backward pass, instead of keeping what they computed
    mixer: Literal["delta", "feed_forward"] = "delta"  # what the blocks are made of; feed_forward: a twin without State-Flow
    sfm_layers: tuple[Annotated[int, Range(0)], ...] = (6, 13, 20, 27)  # that a block follows, counted from 0
    sfm_dim: Count = 256
    sfm_heads: Count = 16
    judge_dim: Count = 128
    surprise_dim: Count = 64
    lora_rank: Annotated[int, Range(0)] = 0  # of what is added to the Qwen2.5's projections; 0: nothing
    lora_alpha: Positive = 32.0  # what is added counts alpha / rank

    def problems(self) -> Problems:
        for name, divisor in (("dim", 2 * self.num_heads), ("num_heads", self.num_key_value_heads)):
            if getattr(self, name) % divisor:
                yield name, f"expected a multiple of {divisor}, got {getattr(self, name)}"
        if self.sfm_dim % self.sfm_heads:
            yield "sfm_heads", f"expected a divisor of sfm_dim = {self.sfm_dim}, got {self.sfm_heads}"
        if list(self.sfm_layers) != sorted(set(self.sfm_layers)) or max(self.sfm_layers, default=0) >= self.num_layers:
            yield "sfm_layers", f"expected rising numbers below num_layers = {self.num_layers}, got {list(self.sfm_layers)}"


def _heads_problem(model) -> Problems:
    if model.dim % model.num_heads:
        yield "dim", f"expected a multiple of num_heads = {model.num_heads}, got {model.dim}"


# Told apart by `kind`.
ProgramModel = StateTrackerModel | TransformerModel | GruModel | LinearAttentionModel | StaticSlotsModel
TextModel = StateFlowMachineModel | TextTransformerModel
Model = ProgramModel | TextModel | ThinkerModel
Task = StateTrackingTask | PythonCodeTask | CodeExecutionTask
MODELS_OF_TASK = {"state_tracking": get_args(ProgramModel), "python_code": get_args(TextModel), "code_execution": (ThinkerModel,)}


@dataclass(frozen=True)
class LearningRateGroup:
    """Parameters whose names begin with the prefix, up to a dot."""

    prefix: str = ""
    learning_rate: Positive = 1e-3  # the peak; warm-up, decay and the final rate are the recipe's, in proportion


@dataclass(frozen=True)
class Optimizer:
    """AdamW with bias correction, linear warm-up, decay of the learning rate and clipping by the global norm.

    What is called mindformers needs the package of that name: pip install 'sfm-ms[mindformers]'.
    """

    adamw: Literal["sfm_ms", "mindformers"] = "sfm_ms"  # whose; mindformers: with a copy of all gradients at each update
    # cosine is our own, with a rate above 0 at the first step and the final one at the last. Those of MindFormers have 0 at
    # the first step and come to their end one step after the last: cosine and stable_decay (even, and then a straight line)
    # to the final rate, linear to 0; constant stays at the peak.
    schedule: Literal[
        "cosine", "mindformers_cosine", "mindformers_linear", "mindformers_constant", "mindformers_stable_decay"
    ] = "cosine"
    learning_rate: Positive = 3e-3
    final_learning_rate: NonNegative = 1e-5
    warmup_steps: Annotated[int, Range(0)] = 100
    decay_steps: Annotated[int, Range(0)] = 0  # the last ones, in which mindformers_stable_decay comes down
    betas: tuple[Fraction, Fraction] = (0.9, 0.98)
    epsilon: Positive = 1e-8
    weight_decay: NonNegative = 0.4  # on matrices; never on biases or on what is looked up by token
    clip_norm: Positive = 1.0
    groups: tuple[LearningRateGroup, ...] = ()  # with peaks of their own; of several that fit, the longest prefix counts

    def problems(self) -> Problems:
        prefixes = [group.prefix for group in self.groups]
        for i, prefix in enumerate(prefixes):
            if not prefix or prefix in prefixes[:i]:
                yield f"groups[{i}].prefix", f"expected a name that no other group has, got '{prefix}'"
        if self.adamw == "mindformers" and not all(0 < beta < 1 for beta in self.betas):
            yield "betas", f"expected numbers between 0 and 1, as MindFormers' AdamW does, got {list(self.betas)}"
        if self.schedule == "mindformers_stable_decay":
            for name in ("warmup_steps", "decay_steps"):
                if getattr(self, name) < 1:
                    yield name, f"expected at least 1 with {self.schedule}, got {getattr(self, name)}"
            if self.final_learning_rate == self.learning_rate:
                yield "final_learning_rate", f"expected less than learning_rate with {self.schedule}, got {self.learning_rate:g}"
        elif self.decay_steps:
            yield "decay_steps", f"only the schedule mindformers_stable_decay takes it, and this is {self.schedule}"


@dataclass(frozen=True)
class Training:
    steps: Count = 3_000
    batch_size: Count = 32  # of each process, where msrun starts several
    micro_batches: Count = 1  # that a batch is cut into, one after the other in memory
    frozen: tuple[str, ...] = ()  # beginnings of names, up to a dot, of parameters that are not trained
    tick_cost: NonNegative = 1e-3  # added to a program's loss for each expected tick beyond the first of its statements
    verification_weight: NonNegative = 0.1  # of the loss of telling right answers from wrong ones
    surprise_weight: NonNegative = 0.01  # of the loss of foretelling a sample's loss, in code execution
    # Statements in the compiled graph; longer programs pass through it again, the state carried. A model that carries no
    # state sees programs whole; each multiple of this many statements is then a graph.
    segment_statements: Count = 25
    log_every: Count = 100
    validate_every: Count = 500
    checkpoint_every: Count = 500
    keep_checkpoints: Count = 2  # newest ones; the best by validation is kept besides


@dataclass(frozen=True)
class Evaluation:
    batch_size: Count = 250


@dataclass(frozen=True)
class Hardware:
    """What `sfm check` plans a Thinker's training for; the training itself asks nobody but its device. 0: unknown."""

    kind: Literal["cpu", "ascend"] = "cpu"  # on a CPU MindSpore keeps more besides, see sfm_ms/plan/cpu.py
    devices: Count = 1  # that share a step: msrun's --worker_num
    memory_gib: NonNegative = 0.0  # of a device, as much as training may take
    peak_tflops: NonNegative = 0.0  # of a device, in products of numbers of model.dtype; unknown: no time is projected
    memory_gb_per_s: NonNegative = 0.0  # between a device and its memory; unknown: takes no time
    link_gb_per_s: NonNegative = 0.0  # from a device to the others, each way; unknown: takes no time


@dataclass(frozen=True)
class Recipe:
    name: str = ""  # of the run folder runs/<name>; the recipe's own name where it is left out
    seed: Annotated[int, Range(0, 2**32 - 1)] = 0  # initial weights, training programs and their order
    init_from: str = ""  # a run, by its name in runs/ or its path, whose weights and tokenizer training begins with
    task: Task = StateTrackingTask()
    model: Model = StateTrackerModel()
    optimizer: Optimizer = Optimizer()
    training: Training = Training()
    evaluation: Evaluation = Evaluation()
    hardware: Hardware = Hardware()

    def problems(self) -> Problems:
        optimizer, training = self.optimizer, self.training
        if not re.fullmatch(r"\w[\w. -]*", self.name):
            yield "name", f"expected letters, digits, '.', '_', '-' or spaces, got {self.name!r}"
        if optimizer.warmup_steps >= training.steps:
            yield "optimizer.warmup_steps", f"expected fewer than training.steps = {training.steps}, got {optimizer.warmup_steps}"
        after_warmup = max(0, training.steps - optimizer.warmup_steps)
        if optimizer.decay_steps > after_warmup:
            limit = f"expected at most training.steps - optimizer.warmup_steps = {after_warmup}"
            yield "optimizer.decay_steps", f"{limit}, got {optimizer.decay_steps}"
        if optimizer.final_learning_rate > optimizer.learning_rate:
            limit = f"expected at most optimizer.learning_rate = {optimizer.learning_rate:g}"
            yield "optimizer.final_learning_rate", f"{limit}, got {optimizer.final_learning_rate:g}"
        if not isinstance(self.model, MODELS_OF_TASK[self.task.kind]):
            kinds = ", ".join(model.kind for model in MODELS_OF_TASK[self.task.kind])
            yield "model.kind", f"expected one of {kinds} for the task {self.task.kind}, got {self.model.kind}"
        if self.task.kind == "state_tracking" and training.batch_size > self.task.train_programs:
            limit = f"expected at most task.train_programs = {self.task.train_programs}"
            yield "training.batch_size", f"{limit}, got {training.batch_size}"
        if training.batch_size % training.micro_batches:
            limit = f"expected a divisor of training.batch_size = {training.batch_size}"
            yield "training.micro_batches", f"{limit}, got {training.micro_batches}"
        if self.task.kind != "code_execution":
            for_thinker = {
                "init_from": self.init_from,
                "training.micro_batches": training.micro_batches > 1,
                "hardware": self.hardware != Hardware(),
            }
            for name in (name for name, is_given in for_thinker.items() if is_given):
                yield name, f"only the task code_execution takes it, and this is {self.task.kind}"
        if training.validate_every % training.log_every:
            limit = f"expected a multiple of training.log_every = {training.log_every}"
            yield "training.validate_every", f"{limit}, got {training.validate_every}"
