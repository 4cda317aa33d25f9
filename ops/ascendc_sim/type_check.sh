#!/bin/sh
# Type-checks kernels against the public CANN headers with g++, for the 910A and the 910B: type_check.sh HEADERS KERNEL.cpp...
#
# HEADERS is an unpacked toolkit of CANN 8.1.RC1, the folder that holds aarch64-linux/ and tools/ (public copies exist, e.g. the
# repository leideng/CANN-8.1.RC1). Nothing is linked or run: the headers' CPU debugging mode has the declarations only.
set -eu

if [ $# -lt 2 ]; then
    echo "usage: $0 HEADERS KERNEL.cpp..." >&2
    exit 2
fi
toolkit=$1
shift
ascendc=$toolkit/aarch64-linux/ascendc/include
basic=$ascendc/basic_api
status=0
for chip in 100:__DAV_C100__ 220:__DAV_C220__; do
    for kernel in "$@"; do
        echo "__CCE_AICORE__ ${chip%:*}: $kernel"
        g++ -std=c++17 -fsyntax-only -w \
            -D__CCE_AICORE__="${chip%:*}" -D"${chip#*:}" \
            -D_GLIBCXX_USE_CXX11_ABI=0 -D__CCE_KT_TEST__=1 -DASCENDC_CPU_DEBUG=1 -DASCENDC_DEBUG=1 \
            -I"$toolkit/tools/tikicpulib/lib/include" \
            -I"$basic" -I"$basic/impl" -I"$basic/interface" \
            -I"$ascendc" -I"$ascendc/highlevel_api" -I"$ascendc/highlevel_api/lib" -I"$ascendc/highlevel_api/impl" \
            "$kernel" || status=1
    done
done
exit $status
