# Benchmarks, devices, threads and number formats. Read by run.sh.
# The cache of compiled device programs helps where it can and never harms.
answer() { env AUGUR_CACHE="$1" "$augur" recommend --run "$dir/run" --user 1 --device gpu >"$dir/answer$2"; }
check "device cache, empty" answer "$dir/cache" 1
check "device cache was written" sh -c "ls $dir/cache/* >/dev/null"
for file in "$dir/cache"/*; do printf 'not a program' | dd of="$file" bs=1 seek=40 conv=notrunc 2>/dev/null; done
check "device cache, damaged" answer "$dir/cache" 2
check "device cache, no folder" answer "$dir/log.csv" 3
check "the same answer from each" sh -c "cmp $dir/answer1 $dir/answer2 && cmp $dir/answer1 $dir/answer3"

check "verify bits" "$augur" verify bits --run "$dir/run" --batches 20
check "verify bits, kept states" sh -c "$train --output $dir/left --set positions=left && $augur verify bits --run $dir/left --batches 20 | grep -q 'kept states: 0 diff'"
# Counted in a process of its own: memory is asked of the system in the first steps and answers, and never after.
none() { "$@" --json >"$dir/lines" && [ -s "$dir/lines" ] && [ "$(grep -c '"allocations":0' "$dir/lines")" = "$(wc -l <"$dir/lines")" ]; }
check "a training step allocates nothing" none "$augur" bench train-step --items 200 --length 30 --dim 32 --batch 16 --steps 5
check "sampled loss allocates nothing" none "$augur" bench train-step --items 200 --length 30 --batch 16 --loss sampled --negatives 50
check "an answer allocates nothing" none "$augur" bench infer --items 500 --length 60 --requests 20
# Batches made beside the steps must not make memory depend on timing: every history is longer than 3 events, so epochs are alike.
check "an epoch allocates nothing" none "$augur" bench epoch --data "$dir/data" --length 3 --dim 16 --batch 25 --epochs 3
# One core, by affinity and by the usual variable: it runs there, on one thread.
one() { "$@" --json | grep -q '"threads":1'; }
check "one core by affinity" one taskset -c 0 "$augur" bench train-step --items 50 --length 10 --batch 4 --steps 2
check "one thread by OMP_NUM_THREADS" one env OMP_NUM_THREADS=1 "$augur" bench train-step --items 50 --length 10 --batch 4 --steps 2
# Products in bfloat16 have the bits of one thread on two.
for threads in 1 2; do
  check "bfloat16, threads $threads" $train --output "$dir/half-$threads" --set dtype=bfloat16 --threads $threads
done
check "bfloat16, same bytes on 1 and 2 threads" cmp "$dir/half-1/last.safetensors" "$dir/half-2/last.safetensors"
keys='"op":"epoch".*"seconds":[0-9.]*.*"tokens_per_second"' check "bench epoch" has "$augur" bench epoch --data "$dir/data" --length 20 --dim 16 --epochs 1 --json
mistake "bench epoch without data" "nodata" "$augur" bench epoch --data "$dir/nodata"
mistake "bench epoch, no epochs" "--epochs" "$augur" bench epoch --data "$dir/data" --epochs 0
mistake "bench epoch, heads" "divisor" "$augur" bench epoch --data "$dir/data" --heads 7
mistake "bench epoch, batch" "batch" "$augur" bench epoch --data "$dir/data" --batch 0
check "bench top-k" "$augur" bench top-k --items 5000 --users 3 --repeats 2 --json
check "bench ingest" "$augur" bench ingest "$dir/log.csv" --json
suite() { TMPDIR=$dir/suite "$augur" bench suite --json "$@"; }
mkdir "$dir/suite"
keys='"name":"score".*"peak_memory_mib":[0-9.]*.*"rate":[0-9]*.*"unit":"users/s"' check "bench suite" has suite --events 5000 --items 300 --steps 3
check "bench suite removes its folder" test -z "$(ls "$dir/suite")"
mistake "bench suite, too few items" "--events" suite --events 5000 --items 20
mistake "bench suite, no events" "--events" suite --events 0
mistake "bench suite, no steps" "--steps" suite --steps 0
mistake "bench suite, nowhere to write" "TMPDIR" env TMPDIR="$dir/log.csv" "$augur" bench suite --events 5000 --items 300
mistake "bench suite, disk full" "log.csv" sh -c "ulimit -f 20; TMPDIR=$dir/suite exec $augur bench suite --events 50000"
check "bench suite removes its folder after that" test -z "$(ls "$dir/suite")"
# Ended by a signal it removes its folder too; where it is killed outright, the next one does.
ended() {
  TMPDIR=$dir/suite "$augur" bench suite --events 3000000 >/dev/null 2>&1 &
  pid=$!
  until [ -s "$dir/suite/augur-suite-$pid/log.csv" ] || ls "$dir/suite/augur-suite-$pid/".log.csv* >/dev/null 2>&1 || ! kill -0 $pid; do sleep 0.05; done
  kill -$1 $pid
  wait $pid
  [ $? -eq $2 ]
}
check "bench suite, terminated" ended TERM 143
check "its folder has gone" test -z "$(ls "$dir/suite")"
check "bench suite, killed" ended KILL 137
check "its folder is still there" test -n "$(ls "$dir/suite")"
check "the next bench suite" suite --events 5000 --items 300 --steps 3
check "removes both folders" test -z "$(ls "$dir/suite")"
mistake "an op that is none" "no op begins with 'atention'; near it: attention forward, attention forward+backward" "$augur" bench ops --only atention
mistake "the end of an op's name" "near it: embedding ids grouped" "$augur" bench ops --of engine --only grouped
mistake "an op of another group" "there are gemm, attention forward" "$augur" bench ops --of engine --only hstu
keys='"op":"cross forward+backward"' check "an op by its whole name" has "$augur" bench ops --of models --only "cross forward+backward" --repeats 1 --json
printf '{"bench":"ops"}\n{"bench":"summary","case":"a <b>","cpu":"c","date":"d","unit":"ms","ours":1,"peer":"p","peer_best":2,"ratio":0.5}\n' >"$dir/r.jsonl"
echo '{"bench":"ops"}' >"$dir/onlyops"
check "bench page" "$augur" bench page "$dir/r.jsonl" --output "$dir/page.html"
check "bench page escapes names" grep -q "a &lt;b&gt;" "$dir/page.html"
mistake "bench page of nothing" "noresults" "$augur" bench page "$dir/noresults" --output "$dir/none"
mistake "bench page of another file" "log.csv:1" "$augur" bench page "$dir/log.csv" --output "$dir/none"
mistake "bench page without a summary" "no summary" "$augur" bench page "$dir/onlyops" --output "$dir/none"
mistake "bench ingest without a file" "nofile" "$augur" bench ingest "$dir/nofile"
