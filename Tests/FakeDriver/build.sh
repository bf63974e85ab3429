#!/bin/sh
# build.sh DIR: the stand-in for libcuda.so.1 and the texts that it runs. Then AUGUR_LOADER=driver AUGUR_LIBCUDA=DIR/libcuda.so.1
# FAKE_DRIVER_TEXTS=DIR takes it for a GPU.
mkdir -p "$1" || exit 1
here=$(dirname "$0")
to=$(cd "$1" && pwd) || exit 1
"${CC:-clang}" -std=gnu11 -O1 -Wall -Werror -shared -fPIC "$here/driver.c" -o "$to/libcuda.so.1" -lOpenCL -lpthread || exit 1
sh "$here/../ptx.sh" sources "$to"
