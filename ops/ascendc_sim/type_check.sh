#!/bin/sh
# Type-checks kernels against public Ascend C headers with g++, for the 910A and the 910B: type_check.sh HEADERS KERNEL.cpp...
#
# HEADERS is an unpacked toolkit of CANN 8.1.RC1, the folder that holds aarch64-linux/ and tools/ (public copies exist, e.g. the
# repository leideng/CANN-8.1.RC1). Nothing is linked or run: the headers' CPU debugging mode has the declarations only.
# With checkouts of mirror-cann/asc-devkit and hicann/asc-tools in DEVKIT and ASC_TOOLS, the declarations are asc-devkit's, and the
# toolkit has what is generated there.
set -eu

if [ $# -lt 2 ]; then
    echo "usage: [DEVKIT=... ASC_TOOLS=...] $0 HEADERS KERNEL.cpp..." >&2
    exit 2
fi
toolkit=$1
shift
ascendc=$toolkit/aarch64-linux/ascendc/include
if [ "${DEVKIT:-}" ]; then
    api="$DEVKIT/include" impl="$DEVKIT/impl"
    # Its log of softmax wants newer generated structs than the toolkit has.
    flags="-DLIB_SOFTMAX_LOGSOFTMAX_H -I$ASC_TOOLS/cpudebug/include -I$DEVKIT -I$api -I$api/basic_api -I$api/utils -I$api/simt_api
        -I$impl -I$impl/basic_api -I$impl/utils -I$toolkit/tools/tikicpulib/lib/include -I$ascendc/highlevel_api"
else
    flags="-I$toolkit/tools/tikicpulib/lib/include -I$ascendc/basic_api -I$ascendc/basic_api/impl -I$ascendc/basic_api/interface
        -I$ascendc -I$ascendc/highlevel_api -I$ascendc/highlevel_api/lib -I$ascendc/highlevel_api/impl"
fi
status=0
for chip in 100:1001:__DAV_C100__ 220:2201:__DAV_C220__; do
    for kernel in "$@"; do
        echo "__CCE_AICORE__ ${chip%%:*}: $kernel"
        # shellcheck disable=SC2086
        g++ -std=c++17 -fsyntax-only -w \
            -D__CCE_AICORE__="${chip%%:*}" -D__NPU_ARCH__="$(echo "$chip" | cut -d: -f2)" -D"${chip##*:}" \
            -D_GLIBCXX_USE_CXX11_ABI=0 -D__CCE_KT_TEST__=1 -DASCENDC_CPU_DEBUG=1 -DASCENDC_DEBUG=1 \
            $flags "$kernel" || status=1
    done
done
exit $status
