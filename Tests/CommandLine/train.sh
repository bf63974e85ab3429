# Next-item models: files that are none, training, answers, and runs that do not fit. Read by run.sh.
train="$augur train --data $dir/data --model esasrec --set epochs=3 --set dim=16 --set length=20 --set negatives=16 --set batch=32"
check train $train --output "$dir/run"
check evaluate "$augur" evaluate --run "$dir/run" --json
check recommend "$augur" recommend --run "$dir/run" --user 1
mistake "predict of a next-item model" "augur recommend" "$augur" predict --run "$dir/run" --input "$dir/ask.csv" --output "$dir/none.csv"
check report "$augur" report --run "$dir/run" --truth "$dir/log.csv.truth.json" --output "$dir/report.html"
# What was written before there were other tasks holds the scores alone that a report reads.
{ echo '{"events": 4000,' && sed -n '/^  "best" : {/,/^  }/p' "$dir/log.csv.truth.json" | sed '$s/},/}/' && echo '}'; } >"$dir/older.json"
check "the scores of an older truth" grep -q HR@10 "$dir/older.json"
check "report with it" "$augur" report --run "$dir/run" --truth "$dir/older.json" --output "$dir/older.html"
check "its best score" grep -q "best achievable 0" "$dir/older.html"
mistake "a truth that is none" "log.csv: expected the .truth.json that augur synth wrote" "$augur" report --run "$dir/run" --truth "$dir/log.csv" --output "$dir/none"
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
cp -r "$dir/run" "$dir/older" && sed '/"augment/d' "$dir/run/run.json" >"$dir/older/run.json"
check "resume a run from before a knob" $train --output "$dir/older" --resume
mistake "with another value of it" "augment" $train --output "$dir/older" --resume --set augment=crop
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
check "with suggestions" sh -c "grep -q HR@10 $dir/times.html && grep -q 'next: ' $dir/times.html"
by_times="$augur recommend --run $dir/times-run"
check "suggestions by times" $by_times --user 1
check "verify bits by times" "$augur" verify bits --run "$dir/times-run" --batches 3
item=$($by_times --user 1 --top 1 --json | sed 's/.*"item":"\([^"]*\)".*/\1/')
check "a history with times" $by_times --history "$item,$item" --times 2024-05-31T12:00:00Z,1717200000
mistake "a history without times" "--times" $by_times --history "$item,$item"
mistake "too few times" "2 items" $by_times --history "$item,$item" --times 1717200000
mistake "times that fall" "oldest first" $by_times --history "$item,$item" --times 1717200000,1717100000
mistake "no time" "--times" $by_times --history "$item" --times noon
mistake "times beside a user" "--user" $by_times --user 1 --times 1717200000
mistake "times that nobody reads" "does not read times" "$augur" recommend --run "$dir/run" --history "$item" --times 1717200000
check "seen items are ranked where asked" test "$($by_times --user 1 --top 100000 --seen ranked | wc -l)" -gt "$($by_times --user 1 --top 100000 | wc -l)"
mistake "a mixture by times" "read times" "$augur" evaluate --run "$dir/times-run" --mixture
mistake "a mixture of the part it is fitted on" "test part" "$augur" evaluate --run "$dir/run" --mixture --split validation
check "a mixture" sh -c "$augur evaluate --run $dir/run --mixture | grep -q 'the mixture is .*session-knn'"
check "suggestions of a mixture" test "$("$augur" recommend --run "$dir/run" --user 1 --top 3 --mixture | wc -l)" = 3
mixed() { "$augur" recommend --run "$dir/run" --user 1 --top 100000 --mixture --seen "$1" | wc -l; }
check "a mixture of what was seen" test "$(mixed ranked)" -gt "$(mixed removed)"
mistake "disk full" "space" sh -c "ulimit -f 20; exec $train --output $dir/full"
mistake "disk full while writing a log" "synth.csv" sh -c "ulimit -f 20; exec $augur synth --events 40000 --users 900 --items 300 --output $dir/synth.csv"
