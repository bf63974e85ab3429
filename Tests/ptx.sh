#!/bin/sh
# Every device kernel as NVIDIA's assembler takes it, without a GPU: clang to PTX, ptxas to sm_90. An error, a spilled register, more
# registers, local or stack memory than Tests/ptx-budget.txt allows, or PTX other than what Kernels/PTX holds, fails. `ptx.sh write` makes both anew.
# `ptx.sh sources DIR` writes the whole texts, for Tests/FakeDriver. Those for tensor cores, X.sm90.cl, stand behind Common/warp.h; those for
# sm_90a alone, X.sm90a.cl, behind warpgroup.h too: the assembler may put no wait of its own between their products.
cd "$(dirname "$0")/../Kernels" || exit 1
budget=../Tests/ptx-budget.txt
clang=${CLANG:-clang-15}
libclc=${LIBCLC:-/usr/lib/clc/nvptx64--nvidiacl.bc}
ptxas=${PTXAS:-$(command -v ptxas)}
# OpenCLTuning.gpu
tuning="-D LANES=32 -D ROWS=4 -D VECTOR=1 -D ELEMENTS=256 -D TILE_M=64 -D TILE_N=64 -D QUERIES=32 -D SELECT_ITEMS=128 -D SELECT_ROUND=4 -D CANDIDATES=2048 -D SQUARES=16"
for need in "$(command -v "$clang")" "$libclc" "$ptxas" "$(command -v python3)"; do
  [ "$1" = sources ] || [ -e "$need" ] && continue
  echo "ptx: skipped: needs clang-15, libclc-15 and ptxas (pip install nvidia-cuda-nvcc==13.0.88, PTXAS=.../nvidia/cu13/bin/ptxas)"
  exit 0
done
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT

# The text that X.c embeds, behind the prelude; with it, one PTX for each variant.
variants() {
  case $1 in
    Attention | HSTU)
      for width in 16 32 64 128; do echo "-D WIDTH=$width"; echo "-D WIDTH=$width -D BFLOAT16"; done
      echo "-D WIDTH=256 -D KEYS=16"; echo "-D WIDTH=256 -D KEYS=16 -D BFLOAT16" ;;
    Matmul) echo; echo "-D BFLOAT16" ;;
    Attention.sm90)
      for warps in "" " -D WARPS=1"; do
        for width in 16 32 64; do echo "-D WIDTH=$width$warps -cl-nv-maxrregcount=168"; done
        echo "-D WIDTH=128$warps -cl-nv-maxrregcount=255"
      done ;;
    HSTU.sm90)
      for width in 16 32 64; do echo "-D WIDTH=$width -cl-nv-maxrregcount=168"; done
      echo "-D WIDTH=128 -D TILE_KEYS=16 -D HISTOGRAMS=16 -cl-nv-maxrregcount=255" ;;
    Matmul.sm90)
      echo "-D BLOCK_M=128 -D BLOCK_N=128 -D WARPS_M=2 -D WARPS_N=4 -cl-nv-maxrregcount=128"
      echo "-D BLOCK_M=64 -D BLOCK_N=64 -D WARPS_M=2 -D WARPS_N=2 -cl-nv-maxrregcount=128" ;;
    Matmul.sm90a)
      echo "-D BLOCK_M=128 -D BLOCK_N=256 -D WARPS_M=8 -D WARPS_N=1"
      echo "-D BLOCK_M=64 -D BLOCK_N=128 -D WARPS_M=4 -D WARPS_N=1" ;;
    SoftmaxLoss.sm90)
      echo "-D WIDTH=64 -D WARPS=8 -D TILE_KEYS=64 -cl-nv-maxrregcount=168"
      echo "-D WIDTH=128 -D WARPS=8 -D TILE_KEYS=32 -cl-nv-maxrregcount=255" ;;
    TopK.sm90)
      echo "-D WIDTH=64 -D WARPS=8 -D TILE_KEYS=64 -cl-nv-maxrregcount=128"
      echo "-D WIDTH=128 -D WARPS=8 -D TILE_KEYS=32 -cl-nv-maxrregcount=128" ;;
    GRU) echo; echo "-D WIDTH=4096" ;;
    *) echo ;;
  esac
}
assemble() { # stem, options
  registers=$(echo "$2" | sed -n 's/.*-cl-nv-maxrregcount=\([0-9]*\).*/\1/p')
  macros=$(echo "$2" | sed 's/ *-cl-nv-maxrregcount=[0-9]*//')
  name=$(echo "$1 $macros" | sed 's/ -D / /g; s/ *$//; s/ /,/g')
  stem=${1%%.*}
  target=sm_90
  case $1 in
    *.sm90) macros="-D NV_SM=90 $macros" entry='[a-z_]*_sm90' ;;
    *.sm90a) macros="-D NV_SM=90 $macros" entry='[a-z_]*_sm90a' target=sm_90a ;;
    *) entry='[a-z_]*' ;;
  esac
  module=$(sed -n "s/^const char \*ck_opencl_\($entry\)(void).*/\1/p" "$stem/$stem.c")
  # shellcheck disable=SC2086
  "$clang" -x cl -cl-std=CL1.2 -target nvptx64-nvidia-nvcl -O0 -emit-llvm -S -Wno-everything $tuning $macros "$dir/$1.cl" -o "$dir/ll" &&
  "$clang" -x cl -cl-std=CL1.2 -target nvptx64-nvidia-nvcl -Xclang -target-cpu -Xclang sm_80 -Xclang -target-feature -Xclang +ptx75 \
    -Xclang -mlink-builtin-bitcode -Xclang "$libclc" -O2 -S -Wno-everything $tuning $macros "$dir/$1.cl" -o "$dir/text" ||
    { echo "ptx: $name does not compile" >&2; return 1; }
  { echo "// $1.cl $tuning $macros"; python3 ../Tests/ptx-trim.py "$dir/ll" "$registers" $target <"$dir/text"; } >"$dir/PTX/$name.ptx" || return 1
  { echo "static const char text$variant[] = {"; echo "#embed \"$name.ptx\""; echo "    , 0};"; } >>"$dir/texts"
  echo "    {\"$module\", \"$2\", text$variant}," >>"$dir/rows"
  variant=$((variant + 1))
  "$ptxas" -arch=$target -v "$dir/PTX/$name.ptx" -o /dev/null 2>"$dir/log" || { cat "$dir/log" >&2; echo "ptx: $name does not assemble" >&2; return 1; }
  grep -iE 'wgmma|warpgroup' "$dir/log" >&2 && { echo "ptx: $name waits for products where it does not say so" >&2; return 1; }
  awk -v name="$name" -F"[ ',]+" '
    /Compiling entry/ { for (i = 1; i < NF; i++) if ($i == "function") entry = $(i + 1); spilled = 0 }
    /bytes stack frame/ { for (i = 1; i < NF; i++) if ($i == "stack") stack = $(i - 2) }
    /bytes spill stores/ { for (i = 1; i < NF; i++) if ($i == "spill" && $(i + 1) == "stores") spilled = $(i - 2) }
    /Used .* registers/ {
      registers = local = 0
      for (i = 1; i <= NF; i++) { if ($i == "registers") registers = $(i - 1); if ($i == "smem") local = $(i - 2) }
      if (entry != "" && spilled > 0) { print "ptx: " name " " entry ": " spilled " bytes spilled" >"/dev/stderr"; bad = 1 }
      if (entry != "") print name, entry, registers, local, stack
      entry = ""
    }
    END { exit bad }' "$dir/log"
}

mkdir "$dir/PTX"
variant=0
for text in */*.cl; do
  stem=${text%%/*}
  whole=$(basename "$text" .cl)
  { cat Common/opencl.h
    case $text in
      *.sm90.cl) cat Common/warp.h; of=_sm90 ;;
      *.sm90a.cl) cat Common/warp.h Common/warpgroup.h; of=_sm90a ;;
      *) of= ;;
    esac
    awk -v of=$of '/^const char \*ck_opencl_/ { on = (match($0, /_sm90a?\(/) ? substr($0, RSTART, RLENGTH - 1) : "") == of } on && /#embed/ { gsub(/"/, "", $2); print $2 } /^}/ { on = 0 }' \
      "$stem/$stem.c" | while read -r part; do cat "$stem/$part"; done
  } >"$dir/$whole.cl"
  [ "$1" = sources ] && { cp "$dir/$whole.cl" "$2/"; continue; }
  variants "$whole" >"$dir/variants"
  while read -r options; do assemble "$whole" "$options" >>"$dir/found" || exit 1; done <"$dir/variants"
done
[ "$1" = sources ] && exit 0
{
  echo "// Written by Tests/ptx.sh: every variant of every module, and the tuning they were made with."
  cat "$dir/texts"
  echo "static const struct { const char *module, *options, *text; } table[] = {"
  cat "$dir/rows"
  echo "};"
  echo "static const char tuning[] = \"$tuning\";"
} >"$dir/PTX/table.inc"
count=$(wc -l <"$dir/found")
if [ "$1" = write ]; then
  rm -rf PTX && cp -r "$dir/PTX" PTX
  { echo "# program kernel registers local-bytes stack-bytes; of sm_90 and sm_90a, by Tests/ptx.sh"; LC_ALL=C sort "$dir/found"; } >"$budget"
  echo "ptx: $count kernels written to Kernels/PTX and Tests/ptx-budget.txt"
  exit 0
fi
LC_ALL=C sort "$dir/found" | awk '
  NR == FNR { if (!/^#/) { allowed[$1 " " $2] = 1; for (i = 3; i <= 5; i++) limit[$1 " " $2, i] = $i }; next }
  { key = $1 " " $2; seen[key] = 1 }
  !(key in allowed) { print "ptx: " key " has no line in Tests/ptx-budget.txt; run Tests/ptx.sh write"; bad = 1; next }
  { split("x x registers local-bytes stack-bytes", what, " ")
    for (i = 3; i <= 5; i++) if ($i > limit[key, i]) { print "ptx: " key ": " what[i] " " $i ", allowed " limit[key, i]; bad = 1 } }
  END { for (key in allowed) if (!(key in seen)) { print "ptx: " key " is in the budget and not in the kernels"; bad = 1 }; exit bad }' \
  "$budget" - || exit 1
diff -rq PTX "$dir/PTX" >"$dir/log" || { sed 's/^/ptx: /' "$dir/log" >&2; echo "ptx: Kernels/PTX is not what the kernels give; run Tests/ptx.sh write" >&2; exit 1; }
echo "ptx: $count kernels assemble for sm_90 or sm_90a within the budget, Kernels/PTX is fresh"
