# A GPU's parity and the parts that measure it, on the device that stands in for one. Read by run.sh.
keys='2 cases on .*: all within their tolerances' check "verify ops" has "$augur" verify ops --device gpu --only "Gate swiglu" --skip 2
keys='"missed":0' check "verify ops, json" has "$augur" verify ops --only "Gate swiglu 5x7" --json
keys='Gate swiglu 5x7' check "verify ops names its cases" has "$augur" verify ops --list --only Gate
mistake "verify ops of nothing" "no case" "$augur" verify ops --only nothing
mistake "verify ops, skip" "--skip" "$augur" verify ops --skip -1
mistake "bench ops of nothing" "--only" "$augur" bench ops --of gpu --only nothing
mistake "bench ops, sizes of another group" "--of gpu" "$augur" bench ops --of models --scale small
measured() { env AUGUR="$augur" sh "$(dirname "$0")/../../Benchmarks/gpu/run.sh" --out "$dir/gpu" "$@"; }
keys='"op":"train-step".*"tokens_per_second"' check "bench train-step of hstu" has "$augur" bench train-step --model hstu --items 200 --length 20 --dim 16 \
  --heads 2 --batch 4 --loss sampled --steps 2 --warmup 1 --json --device gpu
"$augur" doctor --json | grep -q '"auto":"cpu"' && mistake "no GPU" "no GPU on this machine" measured parity
mistake "a part that is none" "unknown part" measured speed
small="--any-device --scale small --repeats 1"
check "parts on a stand-in" measured doctor parity ops steps $small --only swiglu
check "parts with works" measured ops steps $small --only "jagged attention forward 16"
lines() { grep -c "$1" "$dir/gpu/results.jsonl"; }
check "one line a case" test "$(lines '"part": "parity"')" = 4 -a "$(lines '"part": "ops"')" = 1
check "what is there is not run again" measured parity ops $small --only swiglu
check "still one line a case" test "$(lines '"part": "parity"')" = 4
check "the table has them" grep -q "4 cases, 0 of them failed" "$dir/gpu/table.md"
keys='left for the next call: ops: gemm' check "no time, no loss" said measured ops $small --only gemm --budget 1
