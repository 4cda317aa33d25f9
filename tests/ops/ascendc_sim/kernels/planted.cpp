// One mistake a kernel on one core; test_checks.py says which rule each breaks.
#include "bench.h"

VECTOR_KERNEL(load_then_compute)
{
    DataCopy(bench.a_, bench.x_, 256);
    Muls(bench.b_, bench.a_, (half)2, 256);
    bench.Store(bench.b_);
}

VECTOR_KERNEL(compute_then_store)
{
    bench.Load();
    Muls(bench.b_, bench.a_, (half)2, 256);
    DataCopy(bench.y_, bench.b_, 256);
}

VECTOR_KERNEL(reload_while_reading)
{
    bench.Load();
    Muls(bench.b_, bench.a_, (half)2, 256);
    DataCopy(bench.a_, bench.x_, 256);
    bench.Store(bench.b_);
}

VECTOR_KERNEL(two_writers)
{
    Duplicate(bench.a_, (half)1, 256);
    DataCopy(bench.a_, bench.x_, 256);
    bench.Store(bench.a_);
}

VECTOR_KERNEL(through_workspace)
{
    GlobalTensor<half> scratch;
    scratch.SetGlobalBuffer((__gm__ half *)workspace);
    bench.Load();
    DataCopy(scratch, bench.a_, 256);
    DataCopy(bench.b_, scratch, 256);
    bench.Store(bench.b_);
}

VECTOR_KERNEL(dependent_without_barrier)
{
    bench.Load();
    Muls(bench.b_, bench.a_, (half)2, 256);
    Adds(bench.c_, bench.b_, (half)1, 256);
    bench.Store(bench.c_);
}

VECTOR_KERNEL(scalar_reads_early)
{
    bench.Load();
    Muls(bench.b_, bench.a_, (half)2, 256);
    half first = bench.b_.GetValue(0);
    PipeBarrier<PIPE_V>();
    Adds(bench.c_, bench.a_, first, 256);
    bench.Store(bench.c_);
}

VECTOR_KERNEL(scalar_writes_late)
{
    bench.Load();
    bench.a_.SetValue(3, (half)7);
    Muls(bench.b_, bench.a_, (half)2, 256);
    bench.Store(bench.b_);
}

VECTOR_KERNEL(scalar_writes_and_waits_for_another)
{
    bench.Load();
    bench.a_.SetValue(3, (half)7);
    bench.Sync<HardEvent::V_S>();
    Muls(bench.b_, bench.a_, (half)2, 256);
    bench.Store(bench.b_);
}

VECTOR_KERNEL(set_twice)
{
    SetFlag<HardEvent::MTE2_V>(1);
    SetFlag<HardEvent::MTE2_V>(1);
    WaitFlag<HardEvent::MTE2_V>(1);
    WaitFlag<HardEvent::MTE2_V>(1);
}

VECTOR_KERNEL(wait_first)
{
    WaitFlag<HardEvent::MTE2_V>(1);
}

VECTOR_KERNEL(left_set)
{
    SetFlag<HardEvent::V_MTE3>(2);
}

VECTOR_KERNEL(fifth_event_id)
{
    bench.Sync<HardEvent::MTE2_V>(4);
}

VECTOR_KERNEL(ninth_event_id)
{
    bench.Sync<HardEvent::MTE2_V>(8);
}

VECTOR_KERNEL(event_ids_run_out)
{
    for (int i = 0; i < 9; ++i) {
        bench.pipe_.AllocEventID<HardEvent::MTE2_V>();
    }
}

VECTOR_KERNEL(reads_poison)
{
    Muls(bench.b_, bench.a_, (half)2, 256);
    bench.Store(bench.b_);
}

VECTOR_KERNEL(reads_fresh_workspace)
{
    GlobalTensor<half> scratch;
    scratch.SetGlobalBuffer((__gm__ half *)workspace);
    DataCopy(bench.b_, scratch, 256);
    bench.Store(bench.b_);
}

VECTOR_KERNEL(uses_freed_tensor)
{
    TQue<QuePosition::VECIN, 1> queue;
    bench.pipe_.InitBuffer(queue, 1, 512);
    LocalTensor<half> tensor = queue.AllocTensor<half>();
    DataCopy(tensor, bench.x_, 256);
    queue.EnQue(tensor);
    tensor = queue.DeQue<half>();
    queue.FreeTensor(tensor);
    Muls(bench.b_, tensor, (half)2, 256);
}

VECTOR_KERNEL(reads_what_the_last_user_left)
{
    TQue<QuePosition::VECIN, 1> queue;
    bench.pipe_.InitBuffer(queue, 1, 512);
    LocalTensor<half> tensor = queue.AllocTensor<half>();
    DataCopy(tensor, bench.x_, 256);
    queue.EnQue(tensor);
    tensor = queue.DeQue<half>();
    queue.FreeTensor(tensor);
    tensor = queue.AllocTensor<half>();
    queue.EnQue(tensor);
    tensor = queue.DeQue<half>();
    Muls(bench.b_, tensor, (half)2, 256);
    queue.FreeTensor(tensor);
}

VECTOR_KERNEL(allocates_more_than_there_is)
{
    TQue<QuePosition::VECIN, 1> queue;
    bench.pipe_.InitBuffer(queue, 1, 512);
    LocalTensor<half> first = queue.AllocTensor<half>();
    LocalTensor<half> second = queue.AllocTensor<half>();
}

VECTOR_KERNEL(frees_twice)
{
    TQue<QuePosition::VECIN, 1> queue;
    bench.pipe_.InitBuffer(queue, 1, 512);
    LocalTensor<half> tensor = queue.AllocTensor<half>();
    queue.FreeTensor(tensor);
    queue.FreeTensor(tensor);
}

VECTOR_KERNEL(dequeues_nothing)
{
    TQue<QuePosition::VECIN, 1> queue;
    bench.pipe_.InitBuffer(queue, 1, 512);
    LocalTensor<half> tensor = queue.DeQue<half>();
}

VECTOR_KERNEL(never_allocated)
{
    LocalTensor<half> tensor;
    Duplicate(tensor, (half)0, 16);
}

VECTOR_KERNEL(longer_than_the_tensor)
{
    Duplicate(bench.a_, (half)0, 257);
}

VECTOR_KERNEL(offset_beyond_the_tensor)
{
    LocalTensor<half> tensor = bench.a_[300];
}

VECTOR_KERNEL(more_than_ub)
{
    TBuf<TPosition::VECCALC> large;
    bench.pipe_.InitBuffer(large, 190 * 1024);
    bench.pipe_.InitBuffer(large, 60 * 1024);
}

VECTOR_KERNEL(starts_between_blocks)
{
    bench.Load();
    Muls(bench.b_, bench.a_[8], (half)2, 128);
}

VECTOR_KERNEL(no_repeats)
{
    bench.Load();
    Muls(bench.b_, bench.a_, (half)2, 128, 0, UnaryRepeatParams(1, 1, 8, 8));
}

VECTOR_KERNEL(too_many_lanes)
{
    bench.Load();
    Muls(bench.b_, bench.a_, (half)2, 129, 1, UnaryRepeatParams(1, 1, 8, 8));
}

VECTOR_KERNEL(high_mask_for_float)
{
    LocalTensor<float> a = bench.buffer_.Get<float>();
    Duplicate(a, 1.0f, 64);
    PipeBarrier<PIPE_V>();
    uint64_t mask[2] = {1, 1};
    Muls(a[64], a, 2.0f, mask, 1, UnaryRepeatParams(1, 1, 8, 8));
}

VECTOR_KERNEL(shifted_onto_itself)
{
    bench.Load();
    Muls(bench.a_, bench.a_[16], (half)2, 128);
}

VECTOR_KERNEL(repeats_onto_one_place)
{
    bench.Load();
    Muls(bench.b_, bench.a_, (half)2, 128, 2, UnaryRepeatParams(1, 1, 0, 8));
}

VECTOR_KERNEL(reads_past_the_argument)
{
    DataCopy(bench.a_, bench.x_[1024 - 128], 256);
}

VECTOR_KERNEL(writes_through_a_pointer)
{
    ((__gm__ half *)y)[1024] = (half)1;
}

VECTOR_KERNEL(fills_part_of_the_output)
{
    bench.Load();
    bench.Store(bench.a_);
}

VECTOR_KERNEL(copies_half_a_block)
{
    DataCopy(bench.a_, bench.x_, 24);
}

VECTOR_KERNEL(rounds_to_nearest_by_name)
{
    LocalTensor<float> a = bench.buffer_.Get<float>();
    LocalTensor<half> b = bench.c_;
    Duplicate(a, 1.5f, 64);
    PipeBarrier<PIPE_V>();
    Cast(b, a, RoundMode::CAST_RINT, 64);
}

VECTOR_KERNEL(compares_part_of_a_repeat)
{
    bench.Load();
    LocalTensor<uint8_t> bits = bench.c_.ReinterpretCast<uint8_t>();
    Compare(bits, bench.a_, bench.a_, CMPMODE::EQ, 64);
}

VECTOR_KERNEL(sums_floats)
{
    LocalTensor<float> a = bench.buffer_.Get<float>();
    Duplicate(a, 1.5f, 64);
    PipeBarrier<PIPE_V>();
    WholeReduceSum(a[64], a, 64, 1, 1, 1, 8);
}

VECTOR_KERNEL(dereferences_null)
{
    *(volatile __gm__ uint8_t *)nullptr = 1;
}

VECTOR_KERNEL(never_ends)
{
    while (GetBlockNum() > 0) {
    }
}
