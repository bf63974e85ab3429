#!/bin/sh
# The command line as a user meets it: bad input gives exit code 2, one line that names the trouble, and nothing half-written.
augur=$1
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0

# mistake "what" "words in the line" command...
mistake() {
  what=$1 words=$2
  shift 2
  "$@" >"$dir/out" 2>"$dir/err"
  code=$?
  lines=$(wc -l <"$dir/err")
  if [ $code -eq 2 ] && [ "$lines" -eq 1 ] && grep -q -- "$words" "$dir/err"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "FAILED $what: exit $code, $lines lines: $(head -c 300 "$dir/err")"
  fi
}
check() {
  what=$1
  shift
  if "$@" >"$dir/out" 2>"$dir/err"; then passed=$((passed + 1)); else
    failed=$((failed + 1))
    echo "FAILED $what: $(head -c 300 "$dir/err")"
  fi
}

has() { "$@" >"$dir/lines" && grep -q "$keys" "$dir/lines"; }
said() { "$@" >"$dir/out" 2>"$dir/said" && grep -q -- "$keys" "$dir/out" "$dir/said"; }

check synth "$augur" synth --events 4000 --users 250 --items 90 --seed 2 --output "$dir/log.csv"
check prepare "$augur" prepare --input "$dir/log.csv" --output "$dir/data" --split leave-one-out
check "synth a shop" "$augur" synth --world shop --events 4000 --users 250 --items 90 --dirty 0.02 --order time --json --output "$dir/shop.csv"
check "tables of a shop" test -s "$dir/shop.users.csv" -a -s "$dir/shop.items.csv" -a -s "$dir/shop.labels.csv" -a -s "$dir/shop.csv.truth.json"
mistake "synth with an impossible rate" "--dirty" "$augur" synth --events 100 --users 5 --items 90 --dirty 0.9 --output "$dir/none.csv"
mistake "synth into an absent folder" "absent" "$augur" synth --events 100 --users 5 --items 90 --order time --output "$dir/absent/none.csv"
mistake "disk full while spilling" "synth" sh -c "ulimit -f 20; exec $augur synth --events 40000 --users 900 --items 300 --order time --output $dir/synth.csv"
check "no log half-written" test ! -e "$dir/none.csv" -a ! -e "$dir/synth.csv" -a ! -e "$dir/synth.users.csv"
awk 'BEGIN { srand(4); print "shop,brand,age,bought"; for (i = 0; i < 600; i++) { a = int(rand() * 7); b = int(rand() * 5); print "s" a ",b" b "," rand() * 60 "," ((a + b) % 2) } }' >"$dir/table.csv"
check "prepare a table to train on" "$augur" prepare --input "$dir/table.csv" --output "$dir/table" --format table --label bought
table="$augur train --data $dir/table --model deepfm --set units=16 --set batch=64 --epochs 3"
check "train on a table" $table --output "$dir/table-run"
keys='"AUC":[0-9.]*,"AUC interval"' check "evaluate a table run" has "$augur" evaluate --run "$dir/table-run" --json
check "resume a finished table run" $table --output "$dir/table-run" --resume
# New rows: their columns in any order, values that training never saw, and a line for what cannot be read.
printf 'age,note,brand,shop\n3.5,"a, ""b""",b1,s2\n,none,b99,elsewhere\n' >"$dir/ask.csv"
predict="$augur predict --run $dir/table-run --input $dir/ask.csv"
keys='"column":"probability".*"rows":2' check "predict" has $predict --output "$dir/answers.csv" --json
check "its columns" sh -c "head -n 1 $dir/answers.csv | grep -qx 'age,note,brand,shop,probability'"
check "rows as they were, and a probability" sh -c "sed -n 2p $dir/answers.csv | grep -Eqx '3.5,\"a, \"\"b\"\"\",b1,s2,(0|1e|[0-9]e|0?[.])[-.0-9e]+'"
check "another name" $predict --output "$dir/named.csv" --column p
mistake "a name that is taken" "note" $predict --output "$dir/none.csv" --column note
sed 's/^3.5/many/' "$dir/ask.csv" >"$dir/ask-text.csv"
mistake "a row that cannot be read" "ask-text.csv:2: age: 'many' is not a number" $predict "$dir/ask-text.csv" --output "$dir/none.csv"
cut -d, -f1,2 "$dir/ask.csv" | sed 's/,"a/,a/' >"$dir/ask-short.csv"
mistake "a column that is missing" "no such column" "$augur" predict --run "$dir/table-run" --input "$dir/ask-short.csv" --output "$dir/none.csv"
mistake "predict without rows to read" "nofile" "$augur" predict --run "$dir/table-run" --input "$dir/nofile.csv" --output "$dir/none.csv"
mistake "predict, disk full" "none.csv" sh -c "yes '3.5,n,b1,s2' | head -20000 | sed '1i age,note,brand,shop' >$dir/ask-many.csv; ulimit -f 20; exec $augur predict --run $dir/table-run --input $dir/ask-many.csv --output $dir/none.csv"
check "no answers half-written" test ! -e "$dir/none.csv"
check "a row has the same answer among others" sh -c "$augur predict --run $dir/table-run --input $dir/ask-many.csv --output $dir/many.csv && sed -n 9000p $dir/many.csv | cut -d, -f5 >$dir/p1 && sed -n 2p $dir/answers.csv | sed 's/.*,//' >$dir/p2 && cmp $dir/p1 $dir/p2"
check "trees of a table" "$augur" train --data "$dir/table" --model gbdt --output "$dir/trees" --epochs 20
mkdir "$dir/begun" && echo "of other rows" >"$dir/begun/features.safetensors"
check "trees where another run began" "$augur" train --data "$dir/table" --model gbdt --output "$dir/begun" --epochs 1
check "their own features" cmp "$dir/trees/features.safetensors" "$dir/begun/features.safetensors"
keys='"AUC":[.0-9]*,' check "evaluate trees" has "$augur" evaluate --run "$dir/trees" --json
check "answers of trees" "$augur" predict --run "$dir/trees" --input "$dir/ask.csv" --output "$dir/answers2.csv"
cp -r "$dir/trees" "$dir/moved" && sed 's/dataPath" : ".*"/dataPath" : "nowhere"/' "$dir/trees/run.json" >"$dir/moved/run.json"
check "a run without its data set" "$augur" predict --run "$dir/moved" --input "$dir/ask.csv" --output "$dir/answers3.csv"
check "the same answers" cmp "$dir/answers2.csv" "$dir/answers3.csv"
# Probabilities are checked on the validation rows, and those that are off are not handed out.
keys='"calibrated_by":"platt".*"reliability":\[{"observed"' check "reliability" has "$augur" evaluate --run "$dir/table-run" --json
off="$augur train --data $dir/table --model gbdt --set positive-weight=20 --set calibration=none --epochs 20 --output $dir/off"
keys='calibration ratio of its validation rows' check "a ratio that is off" said $off
mistake "answers that are off" "outside 0.98...1.02" "$augur" predict --run "$dir/off" --input "$dir/ask.csv" --output "$dir/none.csv"
check "by force" "$augur" predict --run "$dir/off" --input "$dir/ask.csv" --output "$dir/forced.csv" --force
keys='"calibration":"isotonic","ratio":[01][.0-9]*' check "calibrate" has "$augur" calibrate --run "$dir/off" --method isotonic --json
check "answers after it" "$augur" predict --run "$dir/off" --input "$dir/ask.csv" --output "$dir/mended.csv"
check "other answers" sh -c "! cmp -s $dir/forced.csv $dir/mended.csv"
mistake "calibrate by other means" "--method" "$augur" calibrate --run "$dir/off" --method magic
echo '{"method":"platt"}' >"$dir/off/calibration.json"
mistake "a damaged map" "augur calibrate" "$augur" predict --run "$dir/off" --input "$dir/ask.csv" --output "$dir/none.csv"
check "report of a table" "$augur" report --run "$dir/table-run" --output "$dir/table.html"
check "its reliability" grep -q 'Reliability' "$dir/table.html"
# A search chooses by validation, says what and why, answers as one model, and goes on where it was stopped.
search="$augur train --data $dir/table --model auto --set networks=no --output $dir/auto"
keys='of gbdt .*validation logloss' check "a search" said $search
mistake "a search into another" "holds a run already" $search
mistake "a search resumed with another seed" "seed" $search --resume --seed 9
keys='chosen on the validation rows' check "a search that is done" said $search --resume
check "answers of a search" "$augur" predict --run "$dir/auto" --input "$dir/ask.csv" --output "$dir/answers4.csv"
keys='"AUC":[.0-9]*,' check "evaluate a search" has "$augur" evaluate --run "$dir/auto" --json
# What cannot be learned from, or judged on.
awk -F, -v OFS=, '{ print $0, NR == 1 ? "w,one" : "0,x" }' "$dir/table.csv" >"$dir/weightless.csv"
keys="'one' is constant" check "a constant feature" said "$augur" prepare --input "$dir/weightless.csv" --format table --label bought --weight w --output "$dir/weightless"
for model in gbdt mlp auto; do
  mistake "weights of zero, $model" "weight of all [0-9]* training rows is 0" "$augur" train --data "$dir/weightless" --model $model --output "$dir/none"
done
awk 'NR > 1 { print ($4 == 1 || NR % 3) ? NR % 2 : 2 }' FS=, "$dir/table.csv" >"$dir/sides.txt"
check "a fold without positives" "$augur" prepare --input "$dir/table.csv" --format table --label bought --folds "$dir/sides.txt" --test-fold 2 --allow-leaks --output "$dir/sides"
check "train beside it" "$augur" train --data "$dir/sides" --model gbdt --output "$dir/sides-run" --epochs 5
keys='some metrics have no value: no row of label 1' check "evaluate on it" said "$augur" evaluate --run "$dir/sides-run"
check "no run of it is left" test ! -e "$dir/none"
# The smallest case: four clicks, and what user 2 does with item 1003.
printf 'user,item,time,clicked\n1,1001,1700000000,0\n1,1002,1700000100,1\n2,1001,1700000200,1\n2,1002,1700000300,0\n' >"$dir/four.csv"
printf 'user,item,time\n2,1003,1700000400\n' >"$dir/click.csv"
check "prepare four clicks" "$augur" prepare --input "$dir/four.csv" --format table --label clicked --output "$dir/four"
keys='training rows prove nothing' check "train on four clicks" said "$augur" train --data "$dir/four" --model deepfm --output "$dir/four-run" --epochs 3
check "would user 2 click" "$augur" predict --run "$dir/four-run" --input "$dir/click.csv" --output "$dir/clicked.csv"
check "a probability" grep -Eqx '2,1003,1700000400,0?[.][0-9]+' "$dir/clicked.csv"
mistake "a table model on a log" "augur prepare --format table" "$augur" train --data "$dir/data" --model deepfm --output "$dir/none"
mistake "a next-item model on a table" "holds" "$augur" train --data "$dir/table" --model sasrec --output "$dir/none"
mistake "widths that are none" "units" $table --set units=16-0 --output "$dir/none"
mistake "a loss of values for classes" "does not fit" $table --set loss=huber --output "$dir/none"
mistake "cleaning of a table" "--core" "$augur" prepare --input "$dir/log.csv" --output "$dir/none" --format table --label item_id --core 3
printf 'user_id,item_id,timestamp,event,price\nu,a,1700000000,view,1\nu,b,never,view,2\nu,c,1700000900,buy,-4\nu,d,1700009000,buy,5\nv,a,1700000000,view,\n' >"$dir/dirty.csv"
clean="$augur prepare --input $dir/dirty.csv --output $dir/cleaned"
mistake "a bad row stops" "dirty.csv:3: timestamp" $clean
keys='"rejected":{"impossible value":1,"malformed time":1}' check "bad rows set aside" has $clean --quarantine "$dir/bad.tsv" --report "$dir/cleaning.json" --json
check "their file" grep -q "dirty.csv:4.impossible value.u,c" "$dir/bad.tsv"
check "the report" grep -q '"out" : 3' "$dir/cleaning.json"
mistake "too many bad rows" "first of 2 bad rows" $clean --max-bad-rows 1
mistake "an unknown policy" "--missing" $clean --missing price=guess
mistake "a rule without its column" "quantity" $clean --missing quantity=drop,discount=keep
mistake "disk full while bad rows are written" "bad2.tsv" sh -c "yes u,i,never,view,1 | head -200000 | sed '1i user_id,item_id,timestamp,event,price' >$dir/worse.csv; ulimit -f 20; exec $augur prepare --input $dir/worse.csv --output $dir/worse --max-bad-rows 100% --quarantine $dir/bad2.tsv"
check "nothing of it stays" test ! -e "$dir/bad2.tsv" -a ! -e "$dir/worse"
train="$augur train --data $dir/data --model esasrec --set epochs=3 --set dim=16 --set length=20 --set negatives=16 --set batch=32"
check train $train --output "$dir/run"
check evaluate "$augur" evaluate --run "$dir/run" --json
check recommend "$augur" recommend --run "$dir/run" --user 1
mistake "predict of a next-item model" "augur recommend" "$augur" predict --run "$dir/run" --input "$dir/ask.csv" --output "$dir/none.csv"
check report "$augur" report --run "$dir/run" --truth "$dir/log.csv.truth.json" --output "$dir/report.html"
check doctor "$augur" doctor --json
check help "$augur" --help

printf '' >"$dir/empty.csv"
printf 'user_id,item_id,timestamp\n' >"$dir/header.csv"
printf 'user_id,thing,timestamp\n1,2,3\n' >"$dir/column.csv"
printf 'user_id,item_id,timestamp\n1,2,3\n1,2\n' >"$dir/ragged.csv"
printf 'user_id,item_id,timestamp\n1,\377\376,3\n' >"$dir/bytes.csv"
printf 'user_id,item_id,timestamp\n1,2,-3\n' >"$dir/negative.csv"
printf 'user_id,item_id,timestamp\n1,2,99999999999999999\n' >"$dir/absurd.csv"
printf 'user_id,item_id,timestamp\n1,"2,3\n' >"$dir/quote.csv"
for case in "empty.csv:empty" "header.csv:header" "column.csv:item" "ragged.csv:3" "bytes.csv:UTF-8" "negative.csv:2" \
  "absurd.csv:2" "quote.csv:quote" "absent.csv:absent.csv"; do
  file=${case%%:*}
  mistake "prepare $file" "${case#*:}" "$augur" prepare --input "$dir/$file" --output "$dir/none"
done
mistake "prepare a folder" "$dir" "$augur" prepare --input "$dir" --output "$dir/none"
check "nothing half-written" test ! -e "$dir/none"
mistake "prepare onto a foreign folder" "$dir" "$augur" prepare --input "$dir/log.csv" --output "$dir"
printf 'user_id,item_id,timestamp\n1,2,3\n' >"$dir/single.csv"
check "prepare one event" "$augur" prepare --input "$dir/single.csv" --output "$dir/single"
mistake "train on one event" "no user has two events" "$augur" train --data "$dir/single" --model sasrec --output "$dir/none"

# A plan names memory and time and leaves no trace.
keys='"peak_memory_mib":[0-9.]*,"seconds":[0-9.]*' check "plan" has $train --plan --json
check "plan with an output" $train --plan --output "$dir/planned"
check "a plan writes nothing" test ! -e "$dir/planned" -a ! -e unused
mistake "plan what does not fit" "MiB are free" $train --plan --set dim=4096 --set heads=16 --set length=8192 --set blocks=128
mistake "plan a resumed run" "resume" $train --plan --output "$dir/run" --resume
mistake "plan without data" "nodata" "$augur" train --plan --data "$dir/nodata" --model sasrec

mistake "unknown model" "did you mean 'sasrec'" "$augur" train --data "$dir/data" --model sasrek --output "$dir/none"
mistake "unknown knob" "did you mean 'dim'" $train --output "$dir/none" --set dmi=3
mistake "value out of range" "1...4096" $train --output "$dir/none" --set dim=0
mistake "heads do not divide" "divisor" $train --output "$dir/none" --set heads=7
mistake "wider than the memory" "MiB are free" $train --output "$dir/none" --set dim=4096 --set heads=16 --set length=8192 --set blocks=128 --set feed-forward=16
mistake "more items than the memory" "MiB are free" "$augur" bench train-step --items 1000000000
mistake "more items than a count holds" "2147483647" "$augur" bench train-step --items 9223372036854775807
mistake "more items than a count holds, infer" "2147483647" "$augur" bench infer --items 9223372036854775807
check "nothing is left of it" test ! -e "$dir/none"
mistake "unknown device" "gpu" $train --output "$dir/none" --device gpu:99
mistake "bad device" "tpu" $train --output "$dir/none" --device tpu
OCL_ICD_VENDORS=$dir/nowhere mistake "no OpenCL platform" "OpenCL" $train --output "$dir/none" --device gpu
mistake "no such data set" "nodata" "$augur" train --data "$dir/nodata" --model sasrec --output "$dir/none"
mistake "run exists" "resume" $train --output "$dir/run"
mistake "resume with other knobs" "dropout" $train --output "$dir/run" --resume --set dropout=0.7
check "another data set" "$augur" synth --events 4000 --users 250 --items 90 --seed 3 --output "$dir/other.csv"
check "prepare it" "$augur" prepare --input "$dir/other.csv" --output "$dir/other" --split leave-one-out
mistake "run of another data set" "not the data set" "$augur" evaluate --run "$dir/run" --data "$dir/other"
mistake "unknown user" "nobody" "$augur" recommend --run "$dir/run" --user nobody
mistake "unknown items" "history" "$augur" recommend --run "$dir/run" --history x,y
mistake "list too long for a device" "1024" "$augur" recommend --run "$dir/run" --user 1 --top 5000 --device gpu
mistake "unknown option" "frobnicate" "$augur" doctor --frobnicate
mistake "unknown result" "did you mean 'ml-1m/gsasrec'" "$augur" reproduce ml-1m/gsasrek
mistake "no data" "absent" "$augur" reproduce ml-1m/gsasrec --data-root "$dir/absent"
cp -r "$dir/run" "$dir/cut"
head -c 1000 "$dir/run/best.safetensors" >"$dir/cut/best.safetensors"
mistake "truncated model" "best.safetensors" "$augur" evaluate --run "$dir/cut"
# The model file of another run: fewer items, another model.
awk 'BEGIN { for (u = 0; u < 40; u++) for (i = 0; i < 6; i++) print u, "i" (u * 7 + i * 3) % 20 }' >"$dir/few.txt"
check "fewer items" "$augur" prepare --format pairs --input "$dir/few.txt" --output "$dir/few"
small="--set epochs=1 --set dim=16 --set length=20 --set negatives=16"
check "train on them" "$augur" train --data "$dir/few" --model esasrec --output "$dir/few-run" $small
cp "$dir/few-run/best.safetensors" "$dir/cut/best.safetensors"
foreign="best.safetensors: belongs to another run"
mistake "a foreign model, evaluate" "$foreign" "$augur" evaluate --run "$dir/cut"
mistake "a foreign model, recommend" "$foreign" "$augur" recommend --run "$dir/cut" --user 1
mistake "a foreign model, report" "$foreign" "$augur" report --run "$dir/cut" --output "$dir/none.html"
check "no report half-written" test ! -e "$dir/none.html"
mistake "a foreign model, verify" "$foreign" "$augur" verify bits --run "$dir/cut" --batches 1
check "train with times" "$augur" train --data "$dir/data" --model hstu --set time-bias=yes --output "$dir/times-run" $small
cp "$dir/times-run/best.safetensors" "$dir/cut/best.safetensors"
mistake "another model" "$foreign" "$augur" recommend --run "$dir/cut" --user 1
check "report of a model that reads times" "$augur" report --run "$dir/times-run" --output "$dir/times.html"
check "without suggestions" sh -c "grep -q HR@10 $dir/times.html && ! grep -q 'next: ' $dir/times.html"
mistake "suggestions by times" "time-bias=no" "$augur" recommend --run "$dir/times-run" --user 1
mistake "disk full" "space" sh -c "ulimit -f 20; exec $train --output $dir/full"
mistake "disk full while writing a log" "synth.csv" sh -c "ulimit -f 20; exec $augur synth --events 40000 --users 900 --items 300 --output $dir/synth.csv"

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
printf '{"bench":"ops"}\n{"bench":"summary","case":"a <b>","cpu":"c","date":"d","unit":"ms","ours":1,"peer":"p","peer_best":2,"ratio":0.5}\n' >"$dir/r.jsonl"
echo '{"bench":"ops"}' >"$dir/onlyops"
check "bench page" "$augur" bench page "$dir/r.jsonl" --output "$dir/page.html"
check "bench page escapes names" grep -q "a &lt;b&gt;" "$dir/page.html"
mistake "bench page of nothing" "noresults" "$augur" bench page "$dir/noresults" --output "$dir/none"
mistake "bench page of another file" "log.csv:1" "$augur" bench page "$dir/log.csv" --output "$dir/none"
mistake "bench page without a summary" "no summary" "$augur" bench page "$dir/onlyops" --output "$dir/none"
mistake "bench ingest without a file" "nofile" "$augur" bench ingest "$dir/nofile"

# Splits: the default, each by name, and what they refuse.
keys='split: global time 70:15:15, training before 20' check "split by time" said "$augur" prepare --input "$dir/log.csv" --output "$dir/time"
keys='each user.s events 8:1:1' check "split by user" said "$augur" prepare --input "$dir/log.csv" --output "$dir/byuser" --split user --split-ratio 8:1:1
keys='users drawn 70:15:15 by seed 4' check "split at random" said "$augur" prepare --input "$dir/log.csv" --output "$dir/drawn" --split random --split-seed 4
keys='the future of other users' check "leave-one-out warns" said "$augur" prepare --input "$dir/log.csv" --output "$dir/loo" --split leave-one-out
printf 'a x\na y\na z\n' >"$dir/pairs.txt"
keys='no times to split at' check "no times" said "$augur" prepare --input "$dir/pairs.txt" --format pairs --output "$dir/pairs"
mistake "split by time without times" "no times" "$augur" prepare --input "$dir/pairs.txt" --format pairs --output "$dir/none" --split time
mistake "split ratio" "70:15:15" "$augur" prepare --input "$dir/log.csv" --output "$dir/none" --split-ratio 70:30
mistake "unknown split" "leave-one-out" "$augur" prepare --input "$dir/log.csv" --output "$dir/none" --split folds
mistake "run of another split" "not the data set" "$augur" evaluate --run "$dir/run" --data "$dir/time"
for split in time byuser drawn; do
  check "train on $split" "$augur" train --data "$dir/$split" --model esasrec --output "$dir/run-$split" --set epochs=1 --set dim=16 \
    --set batch-tokens=400 --set shuffle=blocks
  keys='"protocol":".*\(70:15:15\|8:1:1\).*"unseen_targets":' check "evaluate on $split" has "$augur" evaluate --run "$dir/run-$split" --json
done
mistake "too few tokens a batch" "batch-tokens" $train --output "$dir/none" --set batch-tokens=19

# What a log holds, and a schema file in place of --columns.
said_in() { "$@" >"$dir/out" 2>"$dir/err" && grep -q -- "$keys" "$dir/out"; }
keys='timestamp: time (seconds), the time' check "schema" said_in "$augur" schema --input "$dir/log.csv" --output "$dir/schema.json"
keys='"columns":\[{"distinct":250,' check "schema, JSON" said_in "$augur" schema --input "$dir/log.csv" --json
keys='the user' check "schema of pairs" said_in "$augur" schema --input "$dir/pairs.txt" --format pairs
check "prepare by the schema" "$augur" prepare --input "$dir/log.csv" --output "$dir/byschema" --schema "$dir/schema.json"
check "prepare as without it" "$augur" prepare --input "$dir/log.csv" --output "$dir/noschema"
check "the same data set" cmp "$dir/byschema/sequences.safetensors" "$dir/noschema/sequences.safetensors"
sed 's/"role" : "item"/"role" : "user"/' "$dir/schema.json" >"$dir/twice.json"
mistake "schema with a role twice" "has the role user" "$augur" prepare --input "$dir/log.csv" --output "$dir/none" --schema "$dir/twice.json"
sed 's/item_id/thing/' "$dir/schema.json" >"$dir/unknown.json"
mistake "schema with an unknown column" "unknown.json" "$augur" prepare --input "$dir/log.csv" --output "$dir/none" --schema "$dir/unknown.json"
mistake "schema of nothing" "nofile" "$augur" schema --input "$dir/nofile"
mistake "schema and columns" "--columns" "$augur" prepare --input "$dir/log.csv" --output "$dir/none" --schema "$dir/schema.json" --columns user=user_id

# Logs from elsewhere: pipes, links, compressed, too long, in parts.
from() { cat "$1" | "$augur" prepare --input - --output "$2"; }
check "standard input" from "$dir/log.csv" "$dir/piped"
check "the same data set from a pipe" cmp "$dir/piped/sequences.safetensors" "$dir/noschema/sequences.safetensors"
gzip -c "$dir/log.csv" >"$dir/log.gz"
check "gzip from a pipe" from "$dir/log.gz" "$dir/gzipped"
check "the same data set from gzip" cmp "$dir/gzipped/sequences.safetensors" "$dir/noschema/sequences.safetensors"
cut_pipe() { { head -n 101 "$dir/log.csv" && printf '17,3'; } | "$augur" prepare --input - --output "$dir/none"; }
mistake "a pipe that closes within a row" "standard input:102" cut_pipe
nothing() { : | "$augur" "$@"; }
mistake "a pipe without anything" "standard input: the file is empty" nothing prepare --input - --output "$dir/none"
mistake "standard input twice" "named twice" nothing prepare --input - - --output "$dir/none"
head -c 5000 "$dir/log.gz" >"$dir/cut.gz"
mistake "gzip cut short" "ends too early, at byte 5000" "$augur" prepare --input "$dir/cut.gz" --output "$dir/none"
mistake "gzip cut short, from a pipe" "standard input: the gzip stream ends too early" from "$dir/cut.gz" "$dir/none"
{ echo user_id,item_id,timestamp && yes 1,2,1700000000 | head -n 7000000; } | gzip >"$dir/bomb.gz"
mistake "a bomb" "AUGUR_MAX_EXPANSION above 200" "$augur" prepare --input "$dir/bomb.gz" --output "$dir/none"
keys='7,000,000 rows' check "a bomb let in" said_in env AUGUR_MAX_EXPANSION=5000 "$augur" schema --input "$dir/bomb.gz"
ln -s log.csv "$dir/link.csv"
ln -s nowhere "$dir/dangling.csv"
ln -s loop.csv "$dir/loop.csv"
check "a symbolic link" "$augur" prepare --input "$dir/link.csv" --output "$dir/linked"
mistake "a file and a link to it" "is the same file" "$augur" prepare --input "$dir/log.csv" "$dir/link.csv" --output "$dir/none"
mistake "a link to nothing" "symbolic link to nothing" "$augur" prepare --input "$dir/dangling.csv" --output "$dir/none"
mistake "a link to itself" "loop.csv" "$augur" prepare --input "$dir/loop.csv" --output "$dir/none"
mistake "schema of a folder" "is a directory" "$augur" schema --input "$dir"
mistake "a pattern without files" "no file matches" "$augur" schema --input "$dir/none*.csv"
nobody() { setpriv --reuid=65534 --clear-groups "$@"; }
touch "$dir/secret.csv"
chmod 000 "$dir/secret.csv"
if [ "$(id -u)" -ne 0 ]; then
  mistake "a file without rights" "no right to read" "$augur" schema --input "$dir/secret.csv"
elif chmod 711 "$dir" && nobody test -x "$augur" 2>/dev/null; then
  mistake "a file without rights" "no right to read" nobody "$augur" schema --input "$dir/secret.csv"
else
  echo "skipped a file without rights: root reads all"
fi
# A line of 2 GB, in less memory than that: as the header, as a row, from a pipe and from a file.
small() { (ulimit -v 2000000 && "$@"); }
long_line() { { printf "$1" && yes | tr -d '\n' | head -c 2147483648; } 2>/dev/null | small "$augur" schema --input -; }
mistake "a header of 2 GB" "header is longer" long_line ''
keys='standard input:2: row too long' check "a row of 2 GB, from a pipe" said_in long_line 'user_id,item_id,timestamp\n'
printf 'user_id,item_id,timestamp\n1,2,3\n' >"$dir/sparse.csv"
truncate -s 2G "$dir/sparse.csv"
mistake "a row of 2 GB, from a file" "sparse.csv:3: a row of more than 524288 bytes" small "$augur" prepare --input "$dir/sparse.csv" --output "$dir/none"
rm "$dir/sparse.csv"
# What changes late or at the clock change.
awk 'BEGIN { print "user_id,item_id,timestamp,price"; for (i = 0; i < 300000; i++) print i % 999 "," i % 77 "," 1700000000 + i ",1.5" }' >"$dir/plain.csv"
{ cat "$dir/plain.csv" && echo '1,2,1700300000,cheap'; } >"$dir/late.csv"
{ cat "$dir/plain.csv" && echo '1,2,1700300000123,1'; } >"$dir/units.csv"
mistake "a column that changes type late" "late.csv:300002: price: 'cheap' is not a number" "$augur" prepare --input "$dir/late.csv" --output "$dir/none"
keys="late.csv:300002: price: changes type: 'cheap'" check "schema names that line" said_in "$augur" schema --input "$dir/late.csv"
keys="units.csv:300002: timestamp: mixed time units" check "schema names mixed units" said_in "$augur" schema --input "$dir/units.csv"
printf 'user_id,item_id,timestamp\nu,b,2024-10-27T02:30:00+01:00\nu,a,2024-10-27T02:30:00+02:00\nu,c,2024-10-27T01:45:00Z\n' >"$dir/clock.csv"
keys='2024-10-27T00:30:00Z to 2024-10-27T01:45:00Z, 1.25 hours' check "the hour that comes twice" said_in "$augur" schema --input "$dir/clock.csv"
# A new day gives the files of preparing all at once, in any order of the days.
day() { echo user_id,item_id,timestamp,event; seq 1 400 | awk -v d="$1" '{print "u" $1 % (20 + 5 * d) "," $1 * 7 % (30 + d) "," 1700000000 + 86400 * d + $1 * 211 ",view"}'; }
for number in 0 1 2; do day "$number" >"$dir/day-$number.csv"; done
check "all days at once" "$augur" prepare --input "$dir/day-0.csv" "$dir/day-1.csv" "$dir/day-2.csv" --output "$dir/days"
for number in 2 0 1; do "$augur" prepare --append --input "$dir/day-$number.csv" --output "$dir/days-appended" >/dev/null 2>&1 \
  || "$augur" prepare --input "$dir/day-$number.csv" --output "$dir/days-appended" >/dev/null; done
check "the same day by day" diff -r "$dir/days" "$dir/days-appended"
mistake "append to nothing" "augur prepare" "$augur" prepare --append --input "$dir/day-0.csv" --output "$dir/no-days"
# Names of items from another file: declared, never guessed.
printf 'u 1\nu 2\n' >"$dir/named.txt"
printf '1::Caf\351::Food\n2::Tea::Food\n' >"$dir/names.dat"
named() { "$augur" prepare --format pairs --input "$dir/named.txt" --output "$dir/named" --item-names "$dir/names.dat" "$@"; }
check "names of items" named --name-delimiter :: --name-encoding latin1
check "a name in UTF-8" grep -q 'Café' "$dir/named/index.safetensors"
mistake "names in another encoding" "names.dat:1: name: .*--name-encoding latin1" named --name-delimiter ::
mistake "names without a delimiter" "--name-delimiter" named
mistake "an unknown encoding" "--name-encoding" named --name-delimiter :: --name-encoding latin2
mistake "names of nothing" "--item-names" "$augur" prepare --format pairs --input "$dir/named.txt" --output "$dir/none" --name-delimiter ::
if [ -e /usr/share/zoneinfo/Europe/Berlin ]; then
  printf 'user_id,item_id,timestamp\nu,a,2024-10-27 02:30:00\nu,b,2024-03-31 02:30:00\n' >"$dir/local.csv"
  mistake "an hour that clocks skip" "local.csv:3: timestamp: '2024-03-31 02:30:00' is never on the clocks of Europe/Berlin" \
    "$augur" prepare --input "$dir/local.csv" --output "$dir/none" --time-zone Europe/Berlin
  keys='read as the first *1$' check "an hour that clocks show twice" said_in "$augur" prepare --input "$dir/local.csv" --output "$dir/local" \
    --time-zone Europe/Berlin --max-bad-rows 1 --split leave-one-out
else
  echo "skipped local times: no time zones are installed"
fi
mistake "an unknown zone" "Mars/Base" "$augur" prepare --input "$dir/log.csv" --output "$dir/none" --time-zone Mars/Base
mistake "disk full while preparing" "sequences.safetensors: cannot write" sh -c "ulimit -f 100; exec $augur prepare --input $dir/plain.csv --output $dir/none"
mistake "disk full for a schema file" "full.json" sh -c "ulimit -f 1; exec $augur schema --input $dir/log.csv --output $dir/full.json"
check "nothing is left of all that" test -z "$(ls -d "$dir"/none* "$dir"/full.json* 2>/dev/null)"

# Killed at random moments, prepare leaves a whole data set or none, and the next one finishes and sweeps.
check "prepare in full" "$augur" prepare --input "$dir/plain.csv" --output "$dir/unharmed"
harmed=0
for delay in $(awk 'BEGIN { srand(); for (i = 0; i < 15; i++) printf "%.3f ", 0.01 + 0.2 * rand() }'); do
  "$augur" prepare --input "$dir/plain.csv" --output "$dir/harmed" >/dev/null 2>&1 &
  pid=$!
  sleep "$delay"
  kill -9 $pid 2>/dev/null
  wait $pid 2>/dev/null
  if [ -e "$dir/harmed" ] && ! cmp -s "$dir/harmed/sequences.safetensors" "$dir/unharmed/sequences.safetensors"; then harmed=1; fi
done
check "no data set is half-made after kill -9" test $harmed -eq 0
check "prepare after kill -9" "$augur" prepare --input "$dir/plain.csv" --output "$dir/harmed"
check "the same bytes after kill -9" cmp "$dir/unharmed/sequences.safetensors" "$dir/harmed/sequences.safetensors"
check "the same description after kill -9" cmp "$dir/unharmed/dataset.json" "$dir/harmed/dataset.json"
check "nothing is left beside it after kill -9" test -z "$(ls -d "$dir"/harmed.* 2>/dev/null)"
# Features of behaviour as of each event's time.
check "synth a clean shop" "$augur" synth --world shop --events 4000 --users 250 --items 90 --output "$dir/clean.csv"
check "prepare a shop" "$augur" prepare --input "$dir/clean.csv" --output "$dir/shop-data"
keys='"feature": "count"' check "print features" has "$augur" features --print-features
keys='"positives":[1-9].*"rows":[1-9]' check "features of a task" has "$augur" features --data "$dir/shop-data" --label purchase --output "$dir/task.csv" --json
"$augur" features --data "$dir/shop-data" --print-features >"$dir/features.json"
check "features of every event" "$augur" features --data "$dir/shop-data" --features "$dir/features.json" --output "$dir/all.csv" --save-state "$dir/state"
check "a header and a row an event" test "$(sed -n 1p "$dir/all.csv" | cut -d, -f1-3)" = user_id,item_id,timestamp
check "features on one thread" "$augur" features --data "$dir/shop-data" --output "$dir/one.csv" --threads 1
check "the same bytes on one thread" cmp "$dir/all.csv" "$dir/one.csv"
printf '{"format": "augur-behaviour", "version": 1, "features": [{"feature": "table", "of": "item", "file": "%s", "columns": ["category_id"]}]}' "$dir/clean.items.csv" >"$dir/join.json"
keys='not point-in-time' check "features of a table without times" said "$augur" features --data "$dir/shop-data" --features "$dir/join.json" --output "$dir/join.csv"
# From the log over its features to a model: rows whose label came to be known behind the cut are in no part before it.
task="$augur prepare --format table --label label --input $dir/task.csv --output $dir/task --split time"
check "the end of the horizon" test "$(sed -n 1p "$dir/task.csv" | cut -d, -f4,5)" = label,label_known
keys='"left_out":[1-9]' check "a table of features" has $task --json
keys='rows left out whose label was known later than that' check "says what it left out" said $task
check "train on features" "$augur" train --data "$dir/task" --model logistic-regression --epochs 2 --output "$dir/task-run"
keys='"AUC":[0-9.]*,"AUC interval"' check "evaluate on features" has "$augur" evaluate --run "$dir/task-run" --json
mistake "features of a log already counted" "order of their times" "$augur" features --data "$dir/shop-data" --state "$dir/state" --output "$dir/none.csv"
mistake "features without data" "nodata" "$augur" features --data "$dir/nodata" --output "$dir/none.csv"
mistake "features of an unknown kind" "did you mean purchase" "$augur" features --data "$dir/shop-data" --label purchse --output "$dir/none.csv"
mistake "features with a bad horizon" "--horizon" "$augur" features --data "$dir/shop-data" --label purchase --horizon ever --output "$dir/none.csv"
sed 's/"windows": \["1h"/"windows": ["1 h"/' "$dir/features.json" >"$dir/bad.json"
mistake "features with a bad window" "bad.json: features" "$augur" features --data "$dir/shop-data" --features "$dir/bad.json" --output "$dir/none.csv"
mistake "features, disk full" "none.csv" sh -c "ulimit -f 20; exec $augur features --data $dir/shop-data --output $dir/none.csv"
check "no table half-written" test ! -e "$dir/none.csv"

# Tables: one labelled example a row, divided, encoded, and searched for leaks.
table() { out=$1; shift; "$augur" prepare --format table --output "$dir/$out" "$@"; }
awk 'BEGIN { print "y,a,b,c,s,time"; srand(3); for (i = 0; i < 600; i++)
  printf "%d,%.4f,t%d,%s,s%d,%d\n", rand() < .4, rand(), i % 7, i % 9 ? int(50 * rand()) : "", i / 4, 1600000000 + 60 * i }' >"$dir/t.csv"
keys='"parts":{"test":90,"training":420,"validation":90}.*"rows":600.*global time 70:15:15' check "a table" has table table --input "$dir/t.csv" --label y --json
check "its features" grep -q '"column" : "b"' "$dir/table/features.json"
keys='rows drawn 8:1:1 by seed 7, each class alike' check "a table at random" has table table2 --input "$dir/t.csv" --label y --split random --split-ratio 8:1:1 --split-seed 7
check "a table from a pipe, by its own features" sh -c "cat $dir/t.csv | $augur prepare --format table --input - --features $dir/table/features.json --output $dir/table3"
check "the same bytes" cmp "$dir/table/table.safetensors" "$dir/table3/table.safetensors"
awk 'BEGIN { for (i = 0; i < 600; i++) print i * 7 % 3 }' >"$dir/folds.txt"
printf '{"format":"augur-features","version":1,"label":{"column":"y"},"features":[{"column":"a","kind":"numeric"},{"column":"b","kind":"categorical"}]}' >"$dir/plain.json"
sed 's/numeric/number/' "$dir/plain.json" >"$dir/wrong.json"
keys='fold 2 of 3 tests' check "a table in folds" has table table4 --input "$dir/t.csv" --label y --folds "$dir/folds.txt" --test-fold 2
head -n 599 "$dir/folds.txt" >"$dir/folds599.txt"
mistake "folds of another length" "599 fold numbers for 600 rows" table none --input "$dir/t.csv" --label y --folds "$dir/folds599.txt"
mistake "a table without a label" "--label" table none --input "$dir/t.csv"
mistake "no such label" "did you mean 'time'" table none --input "$dir/t.csv" --label tima
mistake "an empty table" "empty" table none --input "$dir/empty.csv" --label y
mistake "a table of a header" "no rows" table none --input "$dir/header.csv" --label user_id
sed '400s/^[01],/nan,/' "$dir/t.csv" >"$dir/nan.csv"
mistake "a label that is none" "nan.csv:400: y: the label" table none --input "$dir/nan.csv" --label y
sed 's/^[01],/1,/' "$dir/t.csv" >"$dir/one.csv"
mistake "one class" "one class only" table none --input "$dir/one.csv" --label y
awk -F, -v OFS=, 'NR == 399 { $4 = "n/k" } { print }' "$dir/t.csv" >"$dir/late.csv"
mistake "a column that changes type" "late.csv:399: c: 'n/k' in a column of numbers" table none --input "$dir/late.csv" --label y
check "as codes" table table5 --input "$dir/late.csv" --label y --categorical c
awk -F, -v OFS=, '{ print $0, NR == 1 ? "paid" : $1 == 1 ? "yes" : "" }' "$dir/t.csv" >"$dir/target.csv"
mistake "the target among the inputs" "'paid' stands one to one with the label" table none --input "$dir/target.csv" --label y
keys='leak: feature .paid.' check "a leak that is allowed" said table table6 --input "$dir/target.csv" --label y --allow-leaks
head -n 401 "$dir/t.csv" >"$dir/before.csv"
{ head -n 1 "$dir/t.csv"; tail -n 200 "$dir/t.csv"; } >"$dir/after.csv"
check "given parts" table table7 --input "$dir/before.csv" --test-input "$dir/after.csv" --label y
mistake "training after test" "not before the first held-out row" table none --input "$dir/after.csv" --test-input "$dir/before.csv" --label y
mistake "sessions on both sides of folds" "values of 's' are in training and in" table none --input "$dir/t.csv" --label y --session s --folds "$dir/folds.txt"
{ cat "$dir/after.csv"; sed -n 2,40p "$dir/before.csv"; } >"$dir/copies.csv"
mistake "copies of training rows" "have the features of a training row" table none --input "$dir/before.csv" --test-input "$dir/copies.csv" --label y --features "$dir/plain.json"
sed -e '50s/^[01],/,/' -e '70s/$/,1/' -e '80s/,1[0-9]*$/,soon/' "$dir/t.csv" >"$dir/tainted.csv"
mistake "a bad row of a table" "tainted.csv" table none --input "$dir/tainted.csv" --label y
keys='"rejected":{"malformed time":1,"missing label":1,"wrong number of fields":1}' check "bad rows of a table" has table table8 --input "$dir/tainted.csv" --label y \
  --quarantine "$dir/tainted.tsv" --report "$dir/tainted.json" --json
check "their file" grep -q "tainted.csv:50.missing label" "$dir/tainted.tsv"
check "their report" grep -q '"in" : 6' "$dir/tainted.json"
mistake "too many bad rows of a table" "more than --max-bad-rows 2" table none --input "$dir/tainted.csv" --label y --max-bad-rows 2
mistake "a mistake in features" "features\[0\].kind: 'number' is unknown" table none --input "$dir/t.csv" --features "$dir/wrong.json"
mistake "a table is no log" "labelled table, not histories" "$augur" train --data "$dir/table" --model sasrec --output "$dir/none"
mistake "options of tables" "--label: is of --format table" "$augur" prepare --input "$dir/log.csv" --output "$dir/none" --label y
mistake "a table by leave-one-out" "time or random" table none --input "$dir/t.csv" --label y --split leave-one-out
mistake "disk full while writing a table" "table.safetensors" sh -c "ulimit -f 2; exec $augur prepare --format table --input $dir/t.csv --label y --output $dir/none"
check "no table half-written" test ! -e "$dir/none"

# A folder that a killed prepare left beside its output goes with the next one.
mkdir "$dir/swept.tmp-999999999" && touch "$dir/swept.tmp-999999999/.sequences.safetensors.tmp-999999999-0"
check "prepare sweeps" "$augur" prepare --input "$dir/log.csv" --output "$dir/swept"
check "nothing is left beside it" test ! -e "$dir/swept.tmp-999999999"

# Ctrl-C saves, says how to go on, and loses nothing.
$train --set epochs=100000 --set patience=0 --output "$dir/stopped" >/dev/null 2>"$dir/said" &
pid=$!
sleep 0.5
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

echo "command line: $passed passed, $failed failed"
[ $failed -eq 0 ]
