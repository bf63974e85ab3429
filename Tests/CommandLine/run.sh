#!/bin/sh
# The command line as a user meets it: bad input gives exit code 2, one line that names the trouble, and nothing half-written. The checks lie
# beside this file by what they are about; they share a log, its data set, and what was trained on it.
augur=$1
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0

# mistake "what" "words in the line" command...
mistake() {
  what=$1 words=$2
  shift 2
  "$@" >"$dir/out" 2>"$dir/err"
  code=$?
  lines=$(wc -l <"$dir/err")
  if [ $code -eq 2 ] && [ "$lines" -eq 1 ] && grep -q -- "$words" "$dir/err"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "FAILED $what: exit $code, $lines lines: $(head -c 300 "$dir/err")"
  fi
}
check() {
  what=$1
  shift
  if "$@" >"$dir/out" 2>"$dir/err"; then passed=$((passed + 1)); else
    failed=$((failed + 1))
    echo "FAILED $what: $(head -c 300 "$dir/err")"
  fi
}

has() { "$@" >"$dir/lines" && grep -q "$keys" "$dir/lines"; }
said() { "$@" >"$dir/out" 2>"$dir/said" && grep -q -- "$keys" "$dir/out" "$dir/said"; }

check synth "$augur" synth --events 4000 --users 250 --items 90 --seed 2 --output "$dir/log.csv"
check prepare "$augur" prepare --input "$dir/log.csv" --output "$dir/data" --split leave-one-out
for part in synth tables tasks calibration price cleaning train driver bench gpu prepare features prepare-tables stops; do . "$(dirname "$0")/$part.sh"; done

echo "command line: $passed passed, $failed failed"
[ $failed -eq 0 ]
