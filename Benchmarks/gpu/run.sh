#!/bin/sh
# Measures this machine's GPU: run.sh --help. Needs python3 alone; its PyTorch, where it has one, is the peer.
here=$(cd "$(dirname "$0")" && pwd)
command -v python3 >/dev/null || { echo "gpu: no python3 here, which runs the parts and writes the results" >&2; exit 2; }
exec python3 -B "$here/run.py" "$@"
