# Synthetic logs. Read by run.sh.
check "synth a shop" "$augur" synth --world shop --events 4000 --users 250 --items 90 --dirty 0.02 --order time --json --output "$dir/shop.csv"
check "tables of a shop" test -s "$dir/shop.users.csv" -a -s "$dir/shop.items.csv" -a -s "$dir/shop.labels.csv" -a -s "$dir/shop.csv.truth.json"
mistake "synth with an impossible rate" "--dirty" "$augur" synth --events 100 --users 5 --items 90 --dirty 0.9 --output "$dir/none.csv"
mistake "synth into an absent folder" "absent" "$augur" synth --events 100 --users 5 --items 90 --order time --output "$dir/absent/none.csv"
mistake "disk full while spilling" "synth" sh -c "ulimit -f 20; exec $augur synth --events 40000 --users 900 --items 300 --order time --output $dir/synth.csv"
check "no log half-written" test ! -e "$dir/none.csv" -a ! -e "$dir/synth.csv" -a ! -e "$dir/synth.users.csv"
