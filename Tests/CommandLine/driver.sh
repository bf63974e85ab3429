# NVIDIA's driver library, by a stand-in that runs the kernels on PoCL (Tests/FakeDriver): what doctor says, and each way it can fail.
if sh "$(dirname "$0")/../FakeDriver/build.sh" "$dir/stand-in" 2>"$dir/err"; then
  export AUGUR_LIBCUDA="$dir/stand-in/libcuda.so.1" FAKE_DRIVER_TEXTS="$dir/stand-in" AUGUR_CACHE="$dir/driver-cache"
  keys='Fake GPU, NVIDIA driver library, CUDA 12.4: a kernel was built, ran and gave the right numbers' check "doctor names the loader" has "$augur" doctor
  keys='"auto":"Fake GPU"' check "auto takes it" has "$augur" doctor --json
  keys='AUGUR_LOADER=opencl' AUGUR_LOADER=opencl check "OpenCL alone" has "$augur" doctor
  for fault in "init CUDA_ERROR_NO_DEVICE" "old-driver CUDA.11.5.is.the.oldest" "capability compute.capability.7.0" "wrong-numbers its.numbers.are.wrong"; do
    export FAKE_DRIVER_FAULT="${fault% *}"
    keys="${fault#* }" check "doctor says $fault" has "$augur" doctor
    keys='"auto":"cpu"' check "auto passes by: $fault" has "$augur" doctor --json
    AUGUR_LOADER=driver mistake "no GPU: $fault" "augur doctor says more" $train --output "$dir/none" --device gpu
  done
  unset FAKE_DRIVER_FAULT
  AUGUR_LIBCUDA="$dir/nowhere.so" keys='nowhere.so: cannot open' check "no library" has "$augur" doctor

  # The same losses as on the CPU, to rounding; a run that dies on the device goes on from its last checkpoint.
  $train --output "$dir/on-cpu" --set dropout=0 --device cpu --json >"$dir/cpu.json" 2>"$dir/err"
  $train --output "$dir/on-driver" --set dropout=0 --device auto --json >"$dir/gpu.json" 2>"$dir/err"
  cat "$dir/cpu.json" "$dir/gpu.json" >"$dir/both.json"
  check "losses of the driver's device" awk -F'"loss":' '
    /"loss"/ { split($2, a, ","); loss[++n] = a[1] } END { d = loss[1] - loss[n / 2 + 1]; exit !(n >= 2 && n % 2 == 0 && d * d < 1e-8) }' "$dir/both.json"
  # Tensor cores, emulated: bfloat16 as the CPU rounds it.
  $train --output "$dir/half-cpu" --set dropout=0 --set dtype=bfloat16 --set epochs=1 --device cpu --json >"$dir/both.json" 2>"$dir/err"
  FAKE_DRIVER_CAPABILITY=90 $train --output "$dir/half" --set dropout=0 --set dtype=bfloat16 --set epochs=1 --device gpu --json >>"$dir/both.json" 2>"$dir/err"
  check "losses on tensor cores" awk -F'"loss":' '
    /"loss"/ { split($2, a, ","); loss[++n] = a[1] } END { d = loss[1] - loss[2]; exit !(n == 2 && d * d < 1e-6) }' "$dir/both.json"
  for most in "wgmma wgmma" "mma mma.sync$" "none portable"; do
    export FAKE_DRIVER_CAPABILITY=90 AUGUR_TENSOR_CORES="${most% *}"
    keys="^products.*${most#* }" check "tensor cores as far as ${most% *}" has "$augur" doctor
  done
  unset FAKE_DRIVER_CAPABILITY AUGUR_TENSOR_CORES
  FAKE_DRIVER_FAULT=launch=400 $train --output "$dir/lost" --set dropout=0 --device gpu >"$dir/out" 2>"$dir/err"
  check "a lost device is one line and exit code 1" test $? -eq 1 -a "$(grep -c 'CUDA_ERROR_LAUNCH_FAILED.*go on with --resume' "$dir/err")" -eq 1
  check "its run goes on" $train --output "$dir/lost" --set dropout=0 --device cpu --resume
  FAKE_DRIVER_FAULT=memory=100000 $train --output "$dir/small" --set dropout=0 --device gpu >"$dir/out" 2>"$dir/err"
  check "memory that runs out is one line" test $? -ne 0 -a "$(grep -c 'out of memory on Fake GPU' "$dir/err")" -eq 1

  # Tables that the device cannot hold stay beside it, with the same results to the bit.
  "$augur" synth --events 6000 --users 300 --items 3000 --output "$dir/wide.csv" >/dev/null && "$augur" prepare --input "$dir/wide.csv" --output "$dir/wide" >/dev/null
  wide="$augur train --data $dir/wide --model sasrec --set dim=32 --set length=10 --set blocks=1 --set optimizer=lazy-adam --set negatives=2 --set batch=8 --epochs 1"
  for loader in driver opencl; do
    AUGUR_LOADER=$loader check "a run on $loader" $wide --device gpu --output "$dir/inside-$loader"
    keys=' [0-9]* of 2248 rows of tables are kept on' AUGUR_LOADER=$loader AUGUR_DEVICE_MIB=1 check "with tables outside and a cache" said $wide --device gpu --output "$dir/outside-$loader"
    check "the same run" cmp "$dir/inside-$loader/last.safetensors" "$dir/outside-$loader/last.safetensors"
    AUGUR_LOADER=$loader check "a run on $loader of whole tables" $wide --set clip=1 --device gpu --output "$dir/inside-whole-$loader"
    keys='1 MiB of tables do not fit the 1 MiB' AUGUR_LOADER=$loader AUGUR_DEVICE_MIB=1 check "with whole tables outside" said $wide --set clip=1 --device gpu --output "$dir/outside-whole-$loader"
    check "the same run of whole tables" cmp "$dir/inside-whole-$loader/last.safetensors" "$dir/outside-whole-$loader/last.safetensors"
  done
  AUGUR_DEVICE_MIB=2GiB mistake "memory that is no number" "AUGUR_DEVICE_MIB" $wide --output "$dir/none"
  AUGUR_TENSOR_CORES=fast mistake "tensor cores that are none" "none, mma or wgmma" $wide --output "$dir/none"
  AUGUR_LOADER=cuda mistake "a loader that is none" "opencl or driver" $wide --output "$dir/none"
  AUGUR_DEVICE_MIB=0 mistake "no room for a step" "take a smaller" $wide --device gpu --output "$dir/none"
  # The batch that is said to fit does, and a plan says what it takes of the device.
  AUGUR_DEVICE_MIB=4 $wide --set batch=250 --set dim=64 --device gpu --output "$dir/none" 2>"$dir/err"
  fits=$(sed -n 's/.*batch=\([0-9]*\) fits.*/\1/p' "$dir/err")
  AUGUR_DEVICE_MIB=4 keys='"device_memory_mib":[0-9]*,"device_room_mib":[0-9]*' check "a batch of ${fits:-none} fits" has $wide --set "batch=$fits" --set dim=64 --device gpu --plan --json
  unset AUGUR_LIBCUDA FAKE_DRIVER_TEXTS AUGUR_CACHE
else
  failed=$((failed + 1))
  echo "FAILED the stand-in for the driver library does not build: $(head -c 300 "$dir/err")"
fi
