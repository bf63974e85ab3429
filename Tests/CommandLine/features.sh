# Behaviour as of the time of an event. Read by run.sh.
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
printf '{"format": "augur-behaviour", "version": 1, "features": [{"feature": "history", "of": "item", "last": 9}]}' >"$dir/history.json"
check "histories of users" "$augur" features --data "$dir/shop-data" --features "$dir/history.json" --label purchase --output "$dir/history.csv"
keys='"shares" : "item_id"' check "histories as features" has sh -c "$augur prepare --format table --label label --input $dir/history.csv --history item_history=item_id --output $dir/history --split time && cat $dir/history/features.json"
sed s/item/user/ "$dir/history.json" >"$dir/bad-history.json"
mistake "a history of users" "features\[0\].of" "$augur" features --data "$dir/shop-data" --features "$dir/bad-history.json" --output "$dir/none.csv"
