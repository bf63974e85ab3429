#!/bin/sh
# Every op on oclgrind, which interprets the kernels and reports stray accesses and races in a log; it exits
# 0 even then, so a log that is not empty is the failure. It is not safe for threads. $1: scratch path of a build with tests.
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
library=/usr/lib/oclgrind/liboclgrind-rt-icd.so
[ -e $library ] || { echo "oclgrind: not installed; apt-get install oclgrind"; exit 2; }
echo "$library" >"$dir/oclgrind.icd"
# Blocks for tensor cores have more local memory than its device.
for tuning in cpu gpu tensor; do
  tests=AugurOpsTests
  [ $tuning = tensor ] && tests='TensorCoreTests|everySmallCase'
  # The optimiser of its compiler fails on some kernels, and its own check of uninitialised reads crashes.
  OCL_ICD_VENDORS=$dir/ AUGUR_CACHE=$dir AUGUR_OPENCL_TUNING=$tuning OCLGRIND_BUILD_OPTIONS=-cl-opt-disable \
    OCLGRIND_LOG=$dir/log OCLGRIND_DATA_RACES=1 OCLGRIND_MAX_ERRORS=20 OCLGRIND_LOCAL_MEM_SIZE=1048576 \
    swift test -c release --skip-build --no-parallel --scratch-path "$1" --filter "$tests" --skip AgreementTests || exit 1
  if [ -s "$dir/log" ]; then
    cat "$dir/log"
    echo "oclgrind ($tuning): errors above"
    exit 1
  fi
  echo "oclgrind ($tuning): clean"
done
