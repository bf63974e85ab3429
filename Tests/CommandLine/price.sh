# Answers by price: elasticities, and trees that keep to a direction. Read by run.sh.
awk 'BEGIN { srand(12); print "category,price,x,bought"; for (i = 0; i < 8000; i++) { c = i % 3; m = 10 * (c + 1); p = m * exp(2 * rand() - 1)
  q = .2 * exp(-(.5 + c) * log(p / m)); print "c" c "," p "," rand() "," (rand() < (q > .9 ? .9 : q)) } }' >"$dir/prices.csv"
check "prepare prices" "$augur" prepare --input "$dir/prices.csv" --format table --label bought --output "$dir/prices"
price="$augur train --data $dir/prices --model price-response --set batch=256 --set learning-rate=0.02 --epochs 6 --set units=8"
check "train on prices" $price --set elasticity=category --output "$dir/priced"
keys='"elasticities":\[{"elasticity":-[0-9.]*,"rows":[0-9]*,"value":"c[012]"},{"elasticity":-[0-9.]*,"rows":[0-9]*,"value":"c[012]"}.*"elasticity_by":"category"' check "elasticities" has "$augur" evaluate --run "$dir/priced" --json
keys='elasticity by price, the mean of the rows: −' check "and said" said "$augur" evaluate --run "$dir/priced"
check "reported" sh -c "$augur report --run $dir/priced --output $dir/priced.html && grep -q 'Elasticity by price' $dir/priced.html"
awk 'BEGIN { print "category,x,price"; for (i = 1; i <= 200; i++) print "c2,0.5," i / 4 }' >"$dir/ask-prices.csv"
falls="cut -d, -f4 | sed 1d | awk 'NR > 1 && \$1 > last { bad = 1 } { last = \$1 } END { exit bad }'"
check "answers by price" "$augur" predict --force --run "$dir/priced" --input "$dir/ask-prices.csv" --output "$dir/by-price.csv"
check "their columns" sh -c "head -n 1 $dir/by-price.csv | grep -qx category,x,price,probability,elasticity"
check "no answer rises" sh -c "cat $dir/by-price.csv | $falls"
for elasticity in one all; do
  check "elasticity=$elasticity" $price --set elasticity=$elasticity --set loss=bce --output "$dir/priced-$elasticity"
  keys='"elasticity":-[0-9.]*' check "its mean" has "$augur" evaluate --run "$dir/priced-$elasticity" --json
done
# The task takes the model and, by the labels, its loss.
asked="$augur train --task price-response --set batch=256 --epochs 2"
check "the task of prices" $asked --data "$dir/prices" --output "$dir/asked"
check "its model" grep -q '"model" : "price-response"' "$dir/asked/run.json"
check "its loss of classes" grep -q '"loss" : "bce"' "$dir/asked/run.json"
keys='"AUC":0.[0-9]*.*"elasticity":-[0-9.]*.*"task":"price-response"' check "its answers" has "$augur" evaluate --run "$dir/asked" --json
awk 'BEGIN { srand(13); print "category,price,sold"; for (i = 0; i < 2000; i++) { c = i % 3; p = 10 * (c + 1) * exp(2 * rand() - 1); print "c" c "," p "," int(40 * rand() / p) } }' >"$dir/sold.csv"
check "prepare counts by price" "$augur" prepare --input "$dir/sold.csv" --format table --label sold --output "$dir/sold"
check "the task of counts by price" $asked --data "$dir/sold" --output "$dir/counted"
check "its loss of counts" grep -q '"loss" : "poisson"' "$dir/counted/run.json"
keys='^deviance ' check "its metrics of counts" said "$augur" evaluate --run "$dir/counted"
mistake "labels of another task" "reads 'bought' (two classes), or 'sold' (a number), and .* has 'days'" $asked --data "$dir/leavers" --output "$dir/none"
mistake "trees for counts by price" "learns 'sold' (a number) by the loss poisson, and gbdt has no such loss" $asked --model gbdt --data "$dir/sold" --output "$dir/none"
check "trees that fall" "$augur" train --data "$dir/prices" --model gbdt --set monotone=price:-1 --epochs 60 --output "$dir/falling"
check "their answers" "$augur" predict --force --run "$dir/falling" --input "$dir/ask-prices.csv" --output "$dir/by-trees.csv"
check "none of them rises" sh -c "cat $dir/by-trees.csv | $falls"
mistake "a price that is not there" "did you mean 'price'" $price --set price=prise --output "$dir/none"
mistake "a price in words" "no number that is kept as it is" $price --set price=category --output "$dir/none"
mistake "an elasticity by numbers" "'x' is a number; take one of category" $price --set elasticity=x --output "$dir/none"
mistake "no direction" "such as price:-1,age:1" "$augur" train --data "$dir/prices" --model gbdt --set monotone=price --output "$dir/none"
mistake "a direction of words" "'category' is no number of the table" "$augur" train --data "$dir/prices" --model gbdt --set monotone=category:1 --output "$dir/none"
awk -F, -v OFS=, 'NR > 1 && NR % 50 == 0 { $2 = 0 } 1' "$dir/prices.csv" >"$dir/free.csv"
check "prepare a free item" "$augur" prepare --input "$dir/free.csv" --format table --label bought --output "$dir/free"
mistake "a price of nothing" "the price 'price' is 0.0 in row [0-9]*, and its logarithm is read" "$augur" train --data "$dir/free" --model price-response --output "$dir/none"
check "no run of it is left" test ! -e "$dir/none"
