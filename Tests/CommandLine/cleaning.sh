# Bad rows and cleaning rules. Read by run.sh.
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
