#!/bin/sh
# Builds and installs the Ascend C operators on a host that has CANN, with the compiler of operators that MindSpore brings along.
#
#     sh tools/build_ascend_ops.sh [-s CHIPS] [-i FOLDER]      builds and installs; says what to export
#     sh tools/build_ascend_ops.sh -c FOLDER                   only collects the sources there, as CANN wants them; needs no CANN
#
# CHIPS: separated by semicolons, by default "ascend910;ascend910b". FOLDER: by default build/ascend in the checkout.
# Exit status: 0 done, 1 the build failed, 2 the call or the host is wrong.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
chips="ascend910;ascend910b"
folder=$root/build/ascend
collected=""
vendor=sfm_ms

refuse() {
    echo "$0: $1" >&2
    exit 2
}

# All operators in one folder op_host and one folder op_kernel, which have no folders in them.
collect() {
    for part in op_host op_kernel; do
        mkdir -p "$1/$part"
        for file in "$root"/ops/ascendc/$part/* "$root"/ops/*/ascendc/$part/*; do
            case $file in *.cpp | *.h) ;; *) continue ;; esac
            [ ! -e "$1/$part/${file##*/}" ] || refuse "there is a second ${file##*/} in $1/$part: $file"
            cp "$file" "$1/$part/"
        done
    done
}

while getopts s:i:c: option; do
    case $option in
        s) chips=$OPTARG ;;
        i) folder=$OPTARG ;;
        c) collected=$OPTARG ;;
        *) refuse "usage: $0 [-s CHIPS] [-i FOLDER] | -c FOLDER" ;;
    esac
done
shift $((OPTIND - 1))
[ $# -eq 0 ] || refuse "expected options only, got $1; usage: $0 [-s CHIPS] [-i FOLDER] | -c FOLDER"

if [ -n "$collected" ]; then
    collect "$collected"
    exit 0
fi

for chip in $(echo "$chips" | tr ';' ' '); do
    case $chip in ascend910 | ascend910b) ;; *) refuse "-s: expected ascend910, ascend910b or both with a semicolon, got $chip" ;; esac
done
[ -n "${ASCEND_HOME_PATH:-}" ] || refuse "CANN not found: ASCEND_HOME_PATH is not set; source the set_env.sh of CANN's toolkit first"
[ -d "$ASCEND_HOME_PATH/tools" ] || refuse "CANN not found: ASCEND_HOME_PATH is $ASCEND_HOME_PATH, where there is no folder tools"
mindspore=$(python -c 'import importlib.util as u; print(u.find_spec("mindspore").submodule_search_locations[0])' 2>/dev/null) ||
    refuse "MindSpore not found: python cannot import it"
compiler=$mindspore/lib/plugin/ascend/custom_compiler
[ -f "$compiler/setup.py" ] || refuse "this MindSpore comes without a compiler of operators: there is no $compiler/setup.py"

mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
collect "$work"
cp "$compiler/setup.py" "$compiler/start.sh" "$work/"  # it writes beside itself
cd "$work"
python setup.py -o "$work/op_host" -k "$work/op_kernel" --soc_version "$chips" --ascend_cann_package_path "$ASCEND_HOME_PATH" \
    --vendor_name $vendor --install_path "$folder" --install || exit 1
[ -d "$folder/vendors/$vendor" ] || {
    echo "$0: the build ended without an error, but there is no $folder/vendors/$vendor" >&2
    exit 1
}
echo "Installed. Where the operators are to run:"
echo
echo "    export ASCEND_CUSTOM_OPP_PATH=$folder/vendors/$vendor:\$ASCEND_CUSTOM_OPP_PATH"
