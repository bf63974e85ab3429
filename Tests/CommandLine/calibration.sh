# Probabilities: maps by the value of a column, and the gate before answers are handed out. Read by run.sh.
awk 'BEGIN { srand(8); print "shop,x,clicked,bought"; for (i = 0; i < 6000; i++) { s = i % 200 == 0 ? "rare" i : "s" (i % 2); x = rand()
  p = s == "s0" ? .1 + .5 * x : s == "s1" ? .8 - .6 * x : .3; y = rand() < p
  print s "," x "," y "," (y && rand() < .5 ? 1 : 0) } }' >"$dir/bought.csv"
cut -d, -f1-3 "$dir/bought.csv" >"$dir/shops.csv"
check "prepare shops" "$augur" prepare --input "$dir/shops.csv" --format table --label clicked --output "$dir/shops"
segment="--set calibration-segment=shop --set calibration-segment-rows=200"
linear="$augur train --data $dir/shops --model logistic-regression --set batch=64 --epochs 3"
keys='"segment":"shop","segments":\[{"ratio":\(1\|0.99\|1.00\)[0-9.]*,"ratio_before":[0-9.]*,"rows":[0-9]*,"value":"s[01]"},{[^}]*"s[01]"}\]' check "a map for each shop" has $linear $segment --set calibration=isotonic --output "$dir/shops-run" --json
check "in the file of the run" grep -q '"column" : "shop"' "$dir/shops-run/calibration.json"
keys='"segments":\[{"calibration":[0-9.]*,"calibration_before":[0-9.]*,"observed":[0-9.]*,"rows":[0-9]*,"value":"s' check "evaluated by shop" has "$augur" evaluate --run "$dir/shops-run" --json
keys='promised over observed by shop' check "and said" said "$augur" evaluate --run "$dir/shops-run"
printf 'shop,x\ns0,0.5\ns1,0.5\nnew,0.5\n' >"$dir/ask-shops.csv"
check "answers by shop" "$augur" predict --run "$dir/shops-run" --input "$dir/ask-shops.csv" --output "$dir/by-shop.csv"
check "other answers than one map gives" sh -c "$augur calibrate --run $dir/shops-run --method isotonic && $augur predict --run $dir/shops-run --input $dir/ask-shops.csv --output $dir/by-none.csv && ! cmp -s $dir/by-shop.csv $dir/by-none.csv"
keys='2 values of shop have maps of their own' check "by shop again" said "$augur" calibrate --run "$dir/shops-run" --segment shop --segment-rows 200
check "report by shop" sh -c "$augur report --run $dir/shops-run --output $dir/shops.html && grep -q 'Calibration by shop' $dir/shops.html"
mistake "a column that is not there" "no feature 'shpo': did you mean 'shop'" $linear --set calibration-segment=shpo --output "$dir/none"
mistake "a column of numbers" "'x' is a number; take one of shop" $linear --set calibration-segment=x --output "$dir/none"
mistake "segments without a map" "calibration=none" $linear $segment --set calibration=none --output "$dir/none"
mistake "segments of few rows" "calibration-segment-rows" $linear --set calibration-segment-rows=3 --output "$dir/none"
mistake "few rows to calibrate on" "--segment-rows" "$augur" calibrate --run "$dir/shops-run" --segment shop --segment-rows 3
mistake "calibrate by what is not there" "no feature 'brand'" "$augur" calibrate --run "$dir/shops-run" --segment brand
sed 's/"field" : 0/"field" : 9/' "$dir/shops-run/calibration.json" >"$dir/kept.json" && cp "$dir/kept.json" "$dir/shops-run/calibration.json"
mistake "a column that is elsewhere" "is damaged" "$augur" predict --run "$dir/shops-run" --input "$dir/ask-shops.csv" --output "$dir/none.csv"
# The gate holds for every kind of model; a run that nobody has calibrated is off too.
gate="--input $dir/ask-shops.csv --output $dir/none.csv"
for model in mlp gbdt; do
  check "$model with weights" "$augur" train --data "$dir/shops" --model $model --set positive-weight=5 --set calibration=none --epochs 3 --output "$dir/gate-$model"
  mistake "the gate of $model" "outside 0.98...1.02" "$augur" predict --run "$dir/gate-$model" $gate
done
check "a search" "$augur" train --data "$dir/shops" --model auto --set networks=no --set members=1 --output "$dir/gate-auto"
sed 's/"intercept" : /"intercept" : 1/; s/"ratio" : [0-9.]*/"ratio" : 1.3/' "$dir/gate-auto/calibration.json" >"$dir/kept.json" && cp "$dir/kept.json" "$dir/gate-auto/calibration.json"
mistake "the gate of a search" "1.300, outside" "$augur" predict --run "$dir/gate-auto" $gate
rm "$dir/gate-auto/calibration.json"
mistake "a run that was never calibrated" "nobody has checked its probabilities: finish it with augur train --resume" "$augur" predict --run "$dir/gate-auto" $gate
check "by force" "$augur" predict --run "$dir/gate-auto" --input "$dir/ask-shops.csv" --output "$dir/forced.csv" --force
rm "$dir/forced.csv"
check "prepare both labels" "$augur" prepare --input "$dir/bought.csv" --format table --label clicked --label bought --output "$dir/both-labels"
for model in esmm mmoe; do
  check "$model without a map" "$augur" train --data "$dir/both-labels" --model $model --set calibration=none --set learning-rate=1e-6 --epochs 1 --output "$dir/gate-$model"
  mistake "the gate of $model" "outside 0.98...1.02 of '" "$augur" predict --run "$dir/gate-$model" $gate
  check "$model by shop" "$augur" calibrate --run "$dir/gate-$model" --segment shop --segment-rows 200
  check "$model after it" "$augur" predict --run "$dir/gate-$model" --input "$dir/ask-shops.csv" --output "$dir/mended-$model.csv"
done
check "labels of values" "$augur" prepare --input "$dir/shops.csv" --format table --label x --output "$dir/values"
mistake "segments of values" "only probabilities" "$augur" train --data "$dir/values" --model mlp --set calibration-segment=shop --output "$dir/none"
check "nothing half-written" sh -c "! ls $dir/none $dir/none.csv 2>/dev/null | grep ."
# Fewer negatives: drawn by the seed, or left out when the rows were made.
for model in logistic-regression gbdt auto; do
  check "$model on a third of the negatives" "$augur" train --data "$dir/shops" --model $model --set sample-negatives=0.3 $([ $model = auto ] && echo --set networks=no || echo --epochs 4) --output "$dir/drawn-$model"
done
check "the rate in the model" grep -aq 'negative-rate":"0.[23]' "$dir/drawn-gbdt/best.safetensors"
check "clicks of ESMM, thinned" "$augur" train --data "$dir/both-labels" --model esmm --set negative-rate=0.5 --epochs 1 --output "$dir/thinned"
mistake "a rate of none" "negative-rate" $linear --set negative-rate=0 --output "$dir/none"
mistake "negatives of values" "one label of two classes" "$augur" train --data "$dir/values" --model mlp --set sample-negatives=0.1 --output "$dir/none"
mistake "negatives of several labels" "one label of two classes" "$augur" train --data "$dir/both-labels" --model mmoe --set sample-negatives=0.1 --output "$dir/none"
check "no run of it is left" test ! -e "$dir/none"
# What decides which epoch is the best, and groups of rows.
for model in mlp gbdt; do
  keys='"validation PR-AUC":[0-9.]*' check "$model by PR-AUC" has "$augur" train --data "$dir/shops" --model $model --set metric=PR-AUC --epochs 10 --output "$dir/judged-$model" --json
done
check "by gAUC" "$augur" train --data "$dir/shops" --model logistic-regression --set metric=gAUC --set group=shop --set batch=256 --epochs 2 --output "$dir/judged"
keys='"gAUC":[0-9.]*,"gAUC interval"' check "gAUC of a run with groups" has "$augur" evaluate --run "$dir/judged" --json
keys='"gAUC":[0-9.]*' check "gAUC by another run" has "$augur" evaluate --run "$dir/judged-mlp" --group shop --json
mistake "gAUC without groups" "group=COLUMN" $linear --set metric=gAUC --output "$dir/none"
mistake "groups by numbers" "'x' is a number" "$augur" evaluate --run "$dir/judged" --group x
mistake "a metric of values" "a probability: (known: AUC" $linear --set metric=RMSE --output "$dir/none"
mistake "a metric that is none" "did you mean 'AUC'" $linear --set metric=AUCC --output "$dir/none"
mistake "a metric of classes for values" "(known: MSE, RMSE" "$augur" train --data "$dir/values" --model mlp --set metric=AUC --output "$dir/none"
ranked="$augur train --data $dir/data --model sasrec --epochs 1 --set length=10 --set dim=8"
keys='"validation MRR@5":' check "next items by MRR@5" has $ranked --set metric=MRR@5 --output "$dir/ranked-mrr" --json
mistake "a ranking metric that is none" "did you mean 'NDCG@10'" $ranked --set metric=NDGC@10 --output "$dir/none"
mistake "a ranking metric without its k" "needs a cutoff" $ranked --set metric=MRR --output "$dir/none"
mistake "groups of users who are ranked for" "--group" "$augur" evaluate --run "$dir/ranked-mrr" --group shop
check "no run of it is left" test ! -e "$dir/none"
# Curves, as rows and as pictures.
check "curves" "$augur" evaluate --run "$dir/judged-mlp" --curves "$dir/curves.csv"
check "their head" sh -c "head -n 1 $dir/curves.csv | grep -qx answer,curve,x,y,threshold"
for curve in roc precision-recall reliability; do check "$curve" grep -q "^clicked,$curve,[01][.0-9]*" "$dir/curves.csv"; done
check "from one corner to the other" sh -c "grep -q '^clicked,roc,0.0,0.0,$' $dir/curves.csv && grep -q '^clicked,roc,1.0,1.0,' $dir/curves.csv"
check "curves" sh -c "$augur report --run $dir/judged-mlp --output $dir/judged.html && grep -q 'ROC' $dir/judged.html && { [ ! -e /usr/share/javascript/chart.js/chart.min.js ] || [ \$(grep -c '<canvas' $dir/judged.html) -ge 4 ]; }"
mistake "curves of what ranks" "--curves" "$augur" evaluate --run "$dir/ranked-mrr" --curves "$dir/none.csv"
mistake "curves nowhere" "nofolder" "$augur" evaluate --run "$dir/judged-mlp" --curves "$dir/nofolder/curves.csv"
