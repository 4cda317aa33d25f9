// The Ascend C interface, functionally modelled for tests on a CPU: the header that kernels include.
// A functional model; not Ascend hardware, and no part of CANN. See ../README.md.
#pragma once
#include "api/cube.h"
#include "api/cube_out.h"
#include "api/data_copy.h"
#include "api/data_copy_910b.h"
#include "api/pipe.h"
#include "api/system.h"
#include "api/vector_elementwise.h"
#include "api/vector_fill.h"
#include "api/vector_reduce.h"
#include "api/vector_select.h"
#include "api/vector_transpose.h"
