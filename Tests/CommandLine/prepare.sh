# Splits, schemas, logs from elsewhere, new days, names, and prepare when it is killed. Read by run.sh.
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
