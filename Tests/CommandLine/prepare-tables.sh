# Tables: divided, encoded, and searched for leaks. Read by run.sh.
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
awk -F, -v OFS=, 'NR == 1 { print $0, "shown", "seen" } NR > 1 { print $0, NR % 9, NR % 7 "|" NR % 5 }' "$dir/t.csv" >"$dir/listed.csv"
keys='"shares" : "shown"' check "a history" has sh -c "$augur prepare --format table --input $dir/listed.csv --label y --history seen=shown --output $dir/listed && cat $dir/listed/features.json"
mistake "a history of no column" "did you mean 'shown'" table none --input "$dir/listed.csv" --label y --history seen=show
mistake "a history without its items" "expected COLUMN=ITEM_COLUMN, got 'seen'" table none --input "$dir/listed.csv" --label y --history seen
mistake "a history beside a list" "stands beside --features" table none --input "$dir/listed.csv" --features "$dir/listed/features.json" --history seen=shown
sed 's/"shares" : "shown"/"shares" : "b"/' "$dir/listed/features.json" >"$dir/shares.json"
check "a history of another feature" table listed2 --input "$dir/listed.csv" --features "$dir/shares.json"
sed 's/"shares" : "shown"/"shares" : "a"/' "$dir/listed/features.json" >"$dir/shares.json"
mistake "a history of numbers" "'a' is no category" table none --input "$dir/listed.csv" --features "$dir/shares.json"
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
