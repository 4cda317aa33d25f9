"""Every rule of the chip is checked: kernels with one planted mistake each, and the word that the simulator has for it."""

from pathlib import Path

import numpy as np
import pytest

from sfm_ms.ops.ascendc_sim import Output, SimulationError, simulate

KERNELS = Path(__file__).with_name("kernels")
PLANTED, CORES = KERNELS / "planted.cpp", KERNELS / "planted_cores.cpp"
X = np.linspace(-2, 2, 1024).astype(np.float16)
WORKSPACE = 4096

# kernel -> (kind, words that the text has to hold)
BOTH_CHIPS = {
    "load_then_compute": ("hazard_raw", "Muls #2 (PIPE_V) reads UB[0, 512), which DataCopy #1 (PIPE_MTE2) writes"),
    "compute_then_store": ("hazard_raw", "PIPE_MTE3"),
    "reload_while_reading": ("hazard_war", "PIPE_MTE2"),
    "two_writers": ("hazard_waw", "PIPE_MTE2"),
    "through_workspace": ("hazard_raw", "reads GM["),
    "dependent_without_barrier": ("missing_pipe_barrier", "PipeBarrier<PIPE_V>"),
    "scalar_reads_early": ("hazard_raw", "LocalTensor::GetValue"),
    "scalar_writes_late": ("hazard_raw", "LocalTensor::SetValue"),
    "scalar_writes_and_waits_for_another": ("hazard_raw", "LocalTensor::SetValue"),
    "set_twice": ("flag_set_twice", "SetFlag<MTE2_V>(1)"),
    "wait_first": ("wait_without_set", "WaitFlag<MTE2_V>(1)"),
    "left_set": ("flag_left_set", "V_MTE3 2"),
    "ninth_event_id": ("flag_id", "has the ids 0 to"),
    "event_ids_run_out": ("out_of_event_ids", "MTE2_V"),
    "reads_poison": ("uninitialized_read", "UB[0, 512)"),
    "reads_fresh_workspace": ("uninitialized_read", "GM["),
    "uses_freed_tensor": ("use_after_free", "FreeTensor"),
    "reads_what_the_last_user_left": ("uninitialized_read", "freed"),
    "allocates_more_than_there_is": ("queue_misuse", "no buffer is free"),
    "frees_twice": ("queue_misuse", "free already"),
    "dequeues_nothing": ("queue_misuse", "empty"),
    "never_allocated": ("no_tensor", "Duplicate"),
    "longer_than_the_tensor": ("out_of_range", "[0, 514)"),
    "offset_beyond_the_tensor": ("out_of_range", "LocalTensor[300]"),
    "more_than_ub": ("capacity", "in UB"),
    "starts_between_blocks": ("misaligned", "multiple of 32 bytes"),
    "no_repeats": ("bad_repeat", "0 repeats (1 to 255)"),
    "too_many_lanes": ("bad_mask", "129 lanes (1 to 128)"),
    "high_mask_for_float": ("bad_mask", "64 lanes"),
    "shifted_onto_itself": ("overlap", "another start or stride"),
    "repeats_onto_one_place": ("overlap", "repeat stride of 0"),
    "reads_past_the_argument": ("gm_out_of_range", "bytes [1792, 2304) of argument_0, which has 2048"),
    "writes_through_a_pointer": ("gm_guard_overwritten", "argument_1"),
    "fills_part_of_the_output": ("output_not_written", "byte 512 of the output argument_1"),
    "copies_half_a_block": ("bad_parameter", "48 bytes are not a multiple of 32"),
    "compares_part_of_a_repeat": ("bad_parameter", "whole repeats"),
    "dereferences_null": ("crash", "exit status"),
}
CUBE = {
    "consumes_tail_rows": ("uninitialized_read", "L0C["),
    "cube_reads_ub": ("no_such_path", "the source is in UB"),
    "unaligned_fractal": ("misaligned", "multiple of 512 bytes"),
}
ONLY_910A = {
    "fifth_event_id": ("flag_id", "the 910A has the ids 0 to 3"),
    "rounds_to_nearest_by_name": ("cast_mode", "RoundMode 1"),
}
BETWEEN_CORES_910B = {
    "ub_to_l1": ("no_such_path", "no path from UB to L1"),
    "vector_work_on_the_cube_core": ("wrong_core", "AIC 0: Duplicate"),
    "library_flag_taken": ("flag_set_twice", "SetFlag<M_MTE1>(0)"),
    "does_not_wait_for_the_cube": ("hazard_war", "of AIV 0.1 reads"),
    "waits_for_ever": ("deadlock", "CrossCoreWaitFlag"),
    "sets_far_ahead": ("flag_overflow", "more than 15 sets"),
    "leaves_a_cross_flag": ("flag_left_set", "CrossCore flag 3"),
}
GROUPS = [
    (PLANTED, ("910A", "910B"), BOTH_CHIPS),
    (PLANTED, ("910A",), ONLY_910A),
    (CORES, ("910A", "910B"), CUBE),
    (CORES, ("910B",), BETWEEN_CORES_910B),
]
PLAN = [
    pytest.param(source, chip, kernel, *expected, id=f"{chip}-{kernel}")
    for source, chips, group in GROUPS
    for chip in chips
    for kernel, expected in group.items()
]


def launch(kernel, chip, source=PLANTED, **options):
    partly = kernel == "fills_part_of_the_output"
    y = Output((1024,), np.float16) if partly else np.zeros(1024, np.float16)
    return simulate(source, kernel, chip, [X, y], workspace_bytes=WORKSPACE, **options)


@pytest.mark.parametrize("source, chip, kernel, kind, words", PLAN)
def test_a_planted_mistake_is_named(source, chip, kernel, kind, words):
    with pytest.raises(SimulationError) as caught:
        launch(kernel, chip, source)
    texts = [violation.text for violation in caught.value.violations if violation.kind == kind]
    assert any(words in text for text in texts), caught.value


@pytest.mark.parametrize("kernel", ["load_then_compute", "dependent_without_barrier", "shifted_onto_itself", "left_set"])
def test_nothing_else_is_named(kernel):
    """A mistake does not set off rules that it does not break."""
    with pytest.raises(SimulationError) as caught:
        launch(kernel, "910A")
    assert caught.value.kinds == {BOTH_CHIPS[kernel][0]}


def test_a_missing_barrier_can_be_a_warning():
    report = launch("dependent_without_barrier", "910A", allow=["missing_pipe_barrier"])
    assert [warning.kind for warning in report.warnings] == ["missing_pipe_barrier"]
    np.testing.assert_array_equal(report.outputs[1][:256], X[:256] * np.float16(2) + np.float16(1))


def test_doubts_are_warnings():
    """Where documents disagree, or ask for what cannot be seen in numbers."""
    assert [warning.kind for warning in launch("sums_floats", "910A").warnings] == ["fp32_reduce"]
    assert not launch("sums_floats", "910B").warnings
    report = launch("consumes_tail_rows", "910A", CORES, allow=["uninitialized_read"])
    assert [warning.kind for warning in report.warnings] == ["small_mmad", "uninitialized_read"]


def test_another_order_makes_a_missing_flag_wrong_in_numbers():
    """In program order the result is right all the same; a load that comes late shows that it did not have to be."""
    doubled = X[:256] * np.float16(2)
    allow = ["hazard_raw", "hazard_war", "uninitialized_read"]
    in_order = launch("load_then_compute", "910A", allow=allow)
    np.testing.assert_array_equal(in_order.outputs[1][:256], doubled)
    late = launch("load_then_compute", "910A", allow=allow, schedule="late_loads")
    assert np.isnan(late.outputs[1][:256]).all()


def test_a_random_order_is_drawn_from_its_seed():
    allow = ["hazard_raw", "hazard_war", "uninitialized_read"]
    results = [launch("load_then_compute", "910A", allow=allow, schedule="random", seed=seed).outputs[1][0] for seed in range(8)]
    assert np.isnan(results).any() and not np.isnan(results).all()
    again = launch("load_then_compute", "910A", allow=allow, schedule="random", seed=3).outputs[1][0]
    np.testing.assert_array_equal(again, results[3])


def test_blocks_that_write_one_place_are_a_hazard():
    launch("blocks_write_one_place", "910A", CORES, num_blocks=1)
    with pytest.raises(SimulationError) as caught:
        launch("blocks_write_one_place", "910A", CORES, num_blocks=2)
    assert caught.value.kinds == {"hazard_waw"}
    assert "core 1" in str(caught.value) and "of core 0" in str(caught.value)


def test_atomic_additions_of_blocks_are_not(chip):
    y = np.zeros(64, np.float32)
    report = simulate(CORES, "blocks_add_to_one_place", chip, [X, y], num_blocks=3)
    np.testing.assert_array_equal(report.outputs[1], 3.0)


@pytest.mark.parametrize("schedule", ["program", "random", "late_loads"])
@pytest.mark.parametrize("kernel", ["hands_over", "hands_over_where_all_meet"])
def test_cube_hands_over_to_both_vector_cores(kernel, schedule):
    report = launch(kernel, "910B", CORES, schedule=schedule)
    a = X[:256].reshape(16, 16)
    expected = a.astype(np.float32) @ a.T.astype(np.float32)
    np.testing.assert_allclose(report.outputs[1][:256].reshape(16, 16), expected, rtol=1e-3)


@pytest.mark.parametrize("schedule", ["random", "late_loads"])
def test_without_the_hand_over_the_vector_cores_read_poison(schedule):
    with pytest.raises(SimulationError) as caught:
        launch("does_not_wait_for_the_cube", "910B", CORES, schedule=schedule)
    assert caught.value.kinds & {"hazard_raw", "hazard_war", "uninitialized_read"}


@pytest.mark.parametrize("schedule", ["program", "random", "late_loads"])
def test_all_cores_meet(chip, schedule):
    cores = 3 if chip == "910A" else 6
    report = launch("meets_its_neighbour", chip, CORES, num_blocks=3, schedule=schedule)
    parts = X[: 16 * cores].reshape(cores, 16)
    np.testing.assert_array_equal(report.outputs[1][: 16 * cores].reshape(cores, 16), np.roll(parts, -1, axis=0))


def test_blocks_of_vector_cores_alone():
    report = launch("meets_its_neighbour", "910B", CORES, num_blocks=4, block="vector")
    parts = X[:64].reshape(4, 16)
    np.testing.assert_array_equal(report.outputs[1][:64].reshape(4, 16), np.roll(parts, -1, axis=0))
    assert [core.name for core in report.cores] == [f"AIV {i}.0" for i in range(4)]


def test_cores_that_do_not_meet_are_a_hazard(chip):
    with pytest.raises(SimulationError) as caught:
        launch("ignores_its_neighbour", chip, CORES, num_blocks=3)
    assert caught.value.kinds & {"hazard_raw", "hazard_war"}


def test_a_kernel_that_does_not_end_is_stopped():
    with pytest.raises(SimulationError) as caught:
        launch("never_ends", "910A", timeout=0.3)
    assert caught.value.kinds == {"timeout"}


def test_a_bad_argument_is_named():
    for option, value in {"schedule": "sorted", "block": "pair", "overflow": "wrap", "num_blocks": 0}.items():
        with pytest.raises(ValueError, match=f"{option} is"):
            launch("left_set", "910A", **{option: value})
    with pytest.raises(ValueError, match="chip is '910C'"):
        launch("left_set", "910C")
    with pytest.raises(SimulationError, match='no extern "C" kernel named absent'):
        launch("absent", "910A")
