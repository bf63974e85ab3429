# Tasks by name: what each sets, and the line where data and task do not fit. Read by run.sh.
keys='churn-survival  *when a customer leaves' check "a list of tasks" has "$augur" train --list
awk 'BEGIN { srand(8); print "plan,visits,days,left"; for (i = 0; i < 500; i++) { p = int(rand() * 3); d = int(1 - log(1 - rand()) * 20 * (p + 1)); print "p" p "," int(rand() * 30) "," (d > 60 ? 60 : d) "," (d > 60 ? 0 : 1) } }' >"$dir/leavers.csv"
check "a table of two labels" "$augur" prepare --input "$dir/leavers.csv" --output "$dir/leavers" --format table --label days --label left
survival="$augur train --data $dir/leavers --set units=8 --set batch=128 --epochs 3 --task churn-survival"
check "train by a task" $survival --output "$dir/survival"
check "its loss" grep -q '"loss" : "survival"' "$dir/survival/run.json"
keys='"C-index":0.[0-9]*.*"task":"churn-survival"' check "evaluate a task" has "$augur" evaluate --run "$dir/survival" --json
check "report of a task" "$augur" report --run "$dir/survival" --output "$dir/survival.html"
check "resume a task" $survival --output "$dir/survival" --resume
mistake "a task that is none" "the tasks are next-item, click" "$augur" train --data "$dir/leavers" --task chrun --output "$dir/none"
mistake "labels of another task" "task churn: reads 'left' (two classes), and .* has 'days' (a number), then 'left' (two classes)" \
  "$augur" train --data "$dir/leavers" --task churn --output "$dir/none"
mistake "a model without the loss" "gbdt has no such loss" $survival --model gbdt --output "$dir/none"
mistake "rows for a task of events" "table" "$augur" train --data "$dir/leavers" --task next-item --output "$dir/none"
mistake "a model of events for a task of rows" "asks about rows of a table" $survival --model sasrec --output "$dir/none"
mistake "neither model nor task" "name one, or a --task" "$augur" train --data "$dir/leavers" --output "$dir/none"
mistake "no data" "--data: is missing" "$augur" train --task churn --output "$dir/none"
# Tasks of synthetic logs, small: each draws its log, and says how near the best it comes.
for task in churn fraud; do
  keys='"within_5_percent":{"' check "synthetic $task" has "$augur" reproduce synthetic/$task --scale 0.02 --set networks=no --json
done
for task in churn_time value conversion delayed_conversion demand_item_day demand_day price_response; do
  keys='"within_5_percent":{"' check "synthetic $task" has "$augur" reproduce synthetic/$task --scale 0.02 --set epochs=2 --json
done
keys='"HR@10":0.[0-9]*' check "synthetic next items" has "$augur" reproduce synthetic/next_item --scale 0.02 --set dim=8 --set epochs=1 --json
mistake "a synthetic task that is none" "synthetic/churn" "$augur" reproduce synthetic/chrun
mistake "a scale of nothing" "--scale" "$augur" reproduce synthetic/churn --scale 0
mistake "a scale of what is published" "is of synthetic tasks" "$augur" reproduce toys/sasrec --scale 0.1 --data-root "$dir"
# Users as of a moment.
keys='^user_id,timestamp,user_' check "users as of a moment" has sh -c "$augur features --data $dir/data --as-of 2020-06-01 --output $dir/users.csv >/dev/null && head -n 1 $dir/users.csv"
mistake "a moment before the log" "no event lies before 2019-01-01" "$augur" features --data "$dir/data" --as-of 2019-01-01 --output "$dir/none.csv"
mistake "a moment that is none" "--as-of" "$augur" features --data "$dir/data" --as-of soon --output "$dir/none.csv"
mistake "a moment and a label" "leave one of them out" "$augur" features --data "$dir/data" --as-of 2020-06-01 --label purchase --output "$dir/none.csv"
