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

# A driver of its own: an augur whose second case ends it, and a Python whose PyTorch is always the same.
cat >"$dir/fake" <<'END'
#!/bin/sh
case "$*" in
"doctor --json") echo "{\"auto\": \"fake\", \"opencl_devices\": [], \"vendors\": \"$OCL_ICD_VENDORS\", \"cuda\": \"$AUGUR_LIBCUDA\"}" ;;
*--list*) for n in 1 2 3; do echo "{\"op\": \"A\", \"case\": \"$n\"}"; done ;;
*--skip\ 0*) echo '{"within": true, "share": 0.5, "worst": "y[0]", "device": "fake"}' && kill -SEGV $$ ;;
*) echo '{"within": true, "share": 0.1, "worst": "y[0]", "device": "fake"}' ;;
esac
END
cat >"$dir/python" <<'END'
#!/bin/sh
[ "$1" = -c ] && exit 0
while read -r work; do
  case=$(echo "$work" | sed 's/.*"case": "\([^"]*\)".*/\1/')
  for way in slower fast; do echo "{\"case\": \"$case\", \"variant\": \"$way\", \"milliseconds\": ${#way}, \"peer\": \"fake\"}"; done
  echo '{"done": 1}'
done
END
chmod +x "$dir/fake" "$dir/python"
mkdir "$dir/driver" && touch "$dir/driver/libnvidia-opencl.so.1" "$dir/driver/libcuda.so.1"
faked() { env AUGUR="$dir/fake" LD_LIBRARY_PATH="$dir/driver" sh "$(dirname "$0")/../../Benchmarks/gpu/run.sh" --out "$dir/faked" "$@"; }
failing() { ! "$@"; }
check "a case that ends the process is a failure" failing faked doctor parity
check "and the cases behind it run" sh -c "grep -c '\"within\": true' $dir/faked/results.jsonl | grep -qx 2"
check "and it is named" grep -q '^\* A 2: ended the process' "$dir/faked/table.md"
check "a library of the driver in an odd place is named to augur" grep -q "\"cuda\": \"$dir/driver/libcuda.so.1\"" "$dir/faked/results.jsonl"
grep -qs nvidia /etc/OpenCL/vendors/* || check "so is its OpenCL" grep -q "\"vendors\": \"$dir/driver/libnvidia-opencl.so.1\"" "$dir/faked/results.jsonl"
check "--retry runs what failed" faked parity --retry
check "and forgets that it did" sh -c "! grep -q '\"error\"' $dir/faked/results.jsonl"
mistake "results of another device" "another --out" measured parity $small --out "$dir/faked"
check "peers in turn" measured peers $small --only "jagged attention forward 16" --python "$dir/python" --out "$dir/peers"
check "two rounds of each" sh -c "grep -c '\"round\": 2' $dir/peers/results.jsonl | grep -qx 3"
check "a ratio to the fastest" grep -q '| 4 | fast |' "$dir/peers/table.md"
mistake "no PyTorch" "no PyTorch" measured peers $small --python false --out "$dir/peers2"
