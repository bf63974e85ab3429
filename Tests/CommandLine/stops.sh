# Runs that are stopped or killed go on, and nothing is left behind. Read by run.sh.
# A folder that a killed prepare left beside its output goes with the next one.
mkdir "$dir/swept.tmp-999999999" && touch "$dir/swept.tmp-999999999/.sequences.safetensors.tmp-999999999-0"
check "prepare sweeps" "$augur" prepare --input "$dir/log.csv" --output "$dir/swept"
check "nothing is left beside it" test ! -e "$dir/swept.tmp-999999999"

# Ctrl-C saves, says how to go on, and loses nothing.
$train --set epochs=100000 --set patience=0 --output "$dir/stopped" >/dev/null 2>"$dir/said" &
pid=$!
# Not before it listens: a shell's background jobs ignore the signal until then.
until [ -s "$dir/stopped/history.json" ] || ! kill -0 $pid; do sleep 0.1; done
kill -INT $pid
wait $pid
check "Ctrl-C exits with 130" test $? -eq 130
check "Ctrl-C says how to go on" grep -q -- --resume "$dir/said"
check "Ctrl-C saved" test -s "$dir/stopped/last.safetensors"

# Killed at random moments and resumed each time, a run ends with the same bytes.
long="$train --set checkpoint-steps=3 --set epochs=40"
$long --output "$dir/whole" >/dev/null 2>&1
for delay in $(awk 'BEGIN { srand(); for (i = 0; i < 20; i++) printf "%.3f ", 0.02 + 0.25 * rand() }'); do
  $long --output "$dir/killed" --resume >/dev/null 2>&1 &
  pid=$!
  sleep "$delay"
  kill -9 $pid 2>/dev/null
  wait $pid 2>/dev/null
done
check "last resume" $long --output "$dir/killed" --resume
check "same bytes after kill -9 (best)" cmp "$dir/whole/best.safetensors" "$dir/killed/best.safetensors"
check "same bytes after kill -9 (last)" cmp "$dir/whole/last.safetensors" "$dir/killed/last.safetensors"
