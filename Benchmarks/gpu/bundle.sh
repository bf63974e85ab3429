#!/bin/sh
# Makes $1/gpu-bundle and $1/gpu-bundle.tar.gz: augur without the toolchain's libraries, the parts and their scripts, for hosts with a GPU.
# $1: folder of build outputs. The build is one of its own in $1-bundle, because everything is linked in another way.
set -e
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1" "$1-bundle/static" "$1-bundle/pkgconfig"
out=$(cd "$1" && pwd)/gpu-bundle scratch=$(cd "$1-bundle" && pwd)
most=60 # MB of the folder

# Archives that are found before the libraries: OpenBLAS without LAPACK and Fortran, and a C++ runtime that no host's can clash with.
blas=$(pkg-config --variable=libdir openblas)
[ -e "$blas/libopenblas.a" ] || { echo "gpu-bundle: no libopenblas.a in $blas" >&2; exit 2; }
ln -sf "$blas/libopenblas.a" "$scratch/static/libopenblas.a"
ln -sf "$(clang -print-file-name=libstdc++.a)" "$scratch/static/libstdc++.a"
printf 'Name: openblas\nDescription: the archive\nVersion: 0\nCflags: %s\nLibs: -L%s -lopenblas\n' \
  "$(pkg-config --cflags openblas)" "$scratch/static" >"$scratch/pkgconfig/openblas.pc"
# Of OpenBLAS's processors those with AVX2 or AVX-512, and the oldest for all others: 18 MB less.
others=
for core in $(nm -g --defined-only "$blas/libopenblas.a" 2>/dev/null | sed -n 's/.* D \(gotoblas_[A-Z0-9_]*\)$/\1/p' | sort -u); do
  case $core in *_HASWELL | *_ZEN | *_SKYLAKEX | *_COOPERLAKE | *_SAPPHIRERAPIDS | *_PRESCOTT) ;;
  *) others="$others -Xlinker --defsym=$core=gotoblas_PRESCOTT" ;;
  esac
done
# 34 MB of the toolchain's ICU are data that no part asks for, see host.c.
data=$(nm -g --defined-only "$(swift -print-target-info | sed -n 's/.*"runtimeResourcePath": "\(.*\)".*/\1/p')_static/linux/lib_FoundationICU.a" \
  2>/dev/null | grep -o 'icudt[0-9]*_dat' | head -n 1)
clang -c -O2 -D PACKAGE="__wrap_$data" -o "$scratch/static/host.o" "$here/host.c"

rm -f "$scratch/release/augur" # linked again: the build does not watch the object
PKG_CONFIG_PATH=$scratch/pkgconfig swift build -c release --product augur --scratch-path "$scratch" --static-swift-stdlib \
  -Xlinker -L"$scratch/static" $others -Xlinker --wrap="$data" -Xlinker "$scratch/static/host.o" -Xlinker --gc-sections -Xlinker -s \
  -Xlinker --no-export-dynamic -Xlinker --disable-new-dtags -Xlinker -rpath -Xlinker '$ORIGIN/lib'

rm -rf "$out" && mkdir -p "$out/lib"
cp "$scratch/release/augur" "$out/"
for file in run.sh run.py table.py peers.py README.txt; do cp "$here/$file" "$out/"; done
# All that the loader finds but the C library, which is the host's.
ldd "$out/augur" | awk '$3 ~ /^\// { print $1, $3 }' | while read -r name path; do
  case $name in libc.so* | libm.so* | libdl.so* | librt.so* | libpthread.so* | ld-linux*) ;;
  *) cp -L "$path" "$out/lib/$name" && strip --strip-unneeded "$out/lib/$name" ;;
  esac
done
glibc=$(objdump -T "$out/augur" "$out"/lib/* | grep -o 'GLIBC_2[0-9.]*' | sort -uV | tail -1)
echo "needs: $glibc of the host's C library, x86-64; with it: $(ls "$out/lib" | tr '\n' ' ')" | tee -a "$out/README.txt"
tar -C "$(dirname "$out")" -czf "$out.tar.gz" gpu-bundle
bytes=$(du -sb "$out" | cut -f1)
echo "gpu-bundle: $((bytes / 1000000)) MB in $out, $(($(stat -c %s "$out.tar.gz") / 1000000)) MB as $out.tar.gz"
[ "$bytes" -le $((most * 1000000)) ] || { echo "gpu-bundle: more than $most MB" >&2; exit 1; }
