# Models of tables: training, answers, calibration, searches, several targets. Read by run.sh.
awk 'BEGIN { srand(4); print "shop,brand,age,bought"; for (i = 0; i < 600; i++) { a = int(rand() * 7); b = int(rand() * 5); print "s" a ",b" b "," rand() * 60 "," ((a + b) % 2) } }' >"$dir/table.csv"
check "prepare a table to train on" "$augur" prepare --input "$dir/table.csv" --output "$dir/table" --format table --label bought
table="$augur train --data $dir/table --model deepfm --set units=16 --set batch=64 --epochs 3"
check "train on a table" $table --output "$dir/table-run"
keys='"AUC":[0-9.]*,"AUC interval"' check "evaluate a table run" has "$augur" evaluate --run "$dir/table-run" --json
check "resume a finished table run" $table --output "$dir/table-run" --resume
# New rows: their columns in any order, values that training never saw, and a line for what cannot be read.
printf 'age,note,brand,shop\n3.5,"a, ""b""",b1,s2\n,none,b99,elsewhere\n' >"$dir/ask.csv"
predict="$augur predict --run $dir/table-run --input $dir/ask.csv"
keys='"columns":\["probability"\].*"rows":2' check "predict" has $predict --output "$dir/answers.csv" --json
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
# What was seen before, and what is shown: a click where the kinds meet.
awk 'BEGIN { srand(6); print "shown,seen,price,clicked"; for (i = 0; i < 900; i++) { t = int(rand() * 12); n = int(rand() * 4); s = ""; y = 0
  for (j = 0; j < n; j++) { k = int(rand() * 12); s = s (j ? "|" : "") k; y = y || k % 3 == t % 3 } print t "," s "," rand() "," (rand() < 0.05 ? 1 - y : y) } }' >"$dir/seen.csv"
check "prepare histories" "$augur" prepare --input "$dir/seen.csv" --output "$dir/seen" --format table --label clicked --history seen=shown
din="$augur train --data $dir/seen --set batch=64 --set units=16 --set attention-units=16 --epochs 10 --model din"
check "train din" $din --output "$dir/din"
keys='"AUC":[0-9.]*,"AUC interval"' check "evaluate din" has "$augur" evaluate --run "$dir/din" --json
printf 'seen,price,shown\n3|1|99,0.5,4\n,0.5,4\n' >"$dir/ask-seen.csv"
keys='"rows":2' check "predict by histories" has "$augur" predict --force --run "$dir/din" --input "$dir/ask-seen.csv" --output "$dir/answers-seen.csv" --json
check "what was seen matters" sh -c "sed 1d $dir/answers-seen.csv | sed 's/.*,//' | uniq | wc -l | grep -qx 2"
mistake "din without a history" "--history COLUMN=ITEM_COLUMN" "$augur" train --data "$dir/table" --model din --output "$dir/none"
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
# Several targets at once, and losses that read several labels.
awk 'BEGIN { print "g,x,click,buy,days"; srand(5); for (i = 0; i < 900; i++) { g = i % 5; c = rand() < .2 + .1 * g
  printf "g%d,%.3f,%d,%d,%.2f\n", g, rand(), c, c && rand() < .5, 9 * rand() } }' >"$dir/several.csv"
several="$augur prepare --input $dir/several.csv --format table --split random"
keys='"labels":\["click","buy"\]' check "two labels" has $several --label click --label buy --output "$dir/several" --json
check "train both" "$augur" train --data "$dir/several" --model esmm --epochs 3 --output "$dir/several-run"
keys='"answer":"buy"' check "evaluate both" has "$augur" evaluate --run "$dir/several-run" --json
check "answer both" "$augur" predict --run "$dir/several-run" --input "$dir/several.csv" --output "$dir/both.csv" --force
check "a column each" grep -q '^g,x,click,buy,days,click_probability,buy_probability$' "$dir/both.csv"
check "report of both" "$augur" report --run "$dir/several-run" --output "$dir/both.html"
check "reliability of both" grep -q 'Reliability of .*buy' "$dir/both.html"
mistake "trees of two labels" "answers one label, the table has 2" "$augur" train --data "$dir/several" --model gbdt --output "$dir/none"
mistake "one output for two labels" "take one of mlp" "$augur" train --data "$dir/several" --model fm --output "$dir/none"
mistake "a label twice" "given twice" $several --label click --label click --output "$dir/none"
mistake "labels of another list" "but the feature list says" $several --label buy --features "$dir/several/features.json" --output "$dir/none"
cp -r "$dir/several-run" "$dir/strange" && cp "$dir/table-run/best.safetensors" "$dir/strange"
mistake "the model of another table" "is the model of another run" "$augur" evaluate --run "$dir/strange"
mistake "all results without a folder" "--output" "$augur" reproduce all
mistake "seeds beyond the largest" "largest seed" "$augur" reproduce all --output "$dir/all" --seed 18446744073709551615 --seeds 2
mistake "seeds of one result" "reproduce all" "$augur" reproduce beauty/sasrec --seeds 3
check "time and event" $several --label days --label buy --output "$dir/durations"
check "train on times" "$augur" train --data "$dir/durations" --model mlp --set loss=survival --epochs 3 --output "$dir/durations-run"
keys='"C-index":[01][.0-9]*' check "evaluate times" has "$augur" evaluate --run "$dir/durations-run" --json
keys='"IBS":[01][.0-9]*,"IBS Kaplan-Meier":[01]' check "curves of survival" has "$augur" evaluate --run "$dir/durations-run" --json --curves "$dir/durations.csv"
for curve in survival survival-observed survival-calibration brier; do check "$curve" grep -q "^days,$curve," "$dir/durations.csv"; done
check "pictures of survival" sh -c "$augur report --run $dir/durations-run --output $dir/durations.html && grep -q 'Survival calibration' $dir/durations.html"
check "answer times" "$augur" predict --run "$dir/durations-run" --input "$dir/several.csv" --output "$dir/until.csv"
mistake "labels that a loss does not read" "reads labels of two classes, then numbers" "$augur" train --data "$dir/durations" --model mlp --set loss=delayed --output "$dir/none"
mistake "calibrate times" "only probabilities" "$augur" calibrate --run "$dir/durations-run"
check "no run of it is left" test ! -e "$dir/none"
mistake "cleaning of a table" "--core" "$augur" prepare --input "$dir/log.csv" --output "$dir/none" --format table --label item_id --core 3
