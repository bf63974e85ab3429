# make demo, make test, make bench, make build: each sets up what it needs and says so.
BUILD ?= .build
SWIFT = swift build -c release --scratch-path $(BUILD)
AUGUR = $(BUILD)/release/augur
PACKAGES = libopenblas-dev ocl-icd-opencl-dev opencl-headers
TEST_PACKAGES = $(PACKAGES) pocl-opencl-icd oclgrind python3
DEMO = demo

.PHONY: build demo test bench bench-accept gpu-bundle setup setup-test fuzz sanitize ptx portable clean

setup:
	@sh Benchmarks/setup.sh $(PACKAGES)

setup-test:
	@sh Benchmarks/setup.sh $(TEST_PACKAGES)

build: setup
	$(SWIFT) --product augur

# The main job end to end on a synthetic log whose best achievable score is known.
demo: build
	@sh Benchmarks/setup.sh --optional libjs-chart.js
	rm -rf $(DEMO) && mkdir -p $(DEMO)
	$(AUGUR) synth --events 200000 --users 10000 --items 2000 --seed 1 --output $(DEMO)/log.csv
	head -n 4 $(DEMO)/log.csv
	$(AUGUR) prepare --input $(DEMO)/log.csv --output $(DEMO)/data --split leave-one-out
	$(AUGUR) train --data $(DEMO)/data --model gsasrec --output $(DEMO)/run --epochs 40 --set length=50 \
	  --set variant=pre-norm --set dim=64 --set blocks=1 --set dropout=0.3 --set batch=64 --set learning-rate=0.004 --set schedule=cosine \
	  --set evaluate-every=4 --set patience=0
	$(AUGUR) evaluate --run $(DEMO)/run
	@for user in 1 2 3; do echo "next for user $$user:"; $(AUGUR) recommend --run $(DEMO)/run --user $$user --top 3; done
	$(AUGUR) report --run $(DEMO)/run --truth $(DEMO)/log.csv.truth.json --output $(DEMO)/report.html
	@echo "best achievable and curves: open $(DEMO)/report.html"

# Release build: the kernels at the speed and with the bits that users get. The ops once for each instruction set; the device kernels as a
# CPU tiles them, and as a GPU does, by a stand-in for NVIDIA's driver library; those for tensor cores with these emulated.
test: setup-test
	$(SWIFT) --build-tests -Xswiftc -enable-testing
	swift test -c release --skip-build --scratch-path $(BUILD)
	for isa in baseline avx2 avx512; do AUGUR_ISA=$$isa swift test -c release --skip-build --scratch-path $(BUILD) --filter AugurOpsTests || exit 1; done
	sh Tests/FakeDriver/build.sh $(BUILD)/driver
	AUGUR_LOADER=driver AUGUR_LIBCUDA=$(BUILD)/driver/libcuda.so.1 FAKE_DRIVER_TEXTS=$(BUILD)/driver \
	  swift test -c release --skip-build --scratch-path $(BUILD) --filter 'AugurOpsTests|DeviceTests|RowCache'
	AUGUR_OPENCL_TUNING=tensor swift test -c release --skip-build --scratch-path $(BUILD) --filter 'TensorCore|whatIsNotFinite'
	$(MAKE) ptx
	$(MAKE) fuzz SECONDS=10
	sh Tests/CommandLine/run.sh $(AUGUR)

# Ours and the peers' in turn, a table, $(BUILD)/bench/results.jsonl and page.html; ONLY=TEXT takes the works whose name holds it.
# PEERS=DIR holds train_step.py, infer.py, ops.py and ingest.py; PYTHON has torch, onnxruntime, faiss-cpu, duckdb and polars.
PYTHON ?= $(wildcard .venv/bin/python)
bench: build
	@sh Benchmarks/setup.sh python3
	@sh Benchmarks/setup.sh --optional libjs-chart.js
	@python3 Benchmarks/compare.py run --augur $(AUGUR) --output $(BUILD)/bench --peers '$(PEERS)' --python '$(PYTHON)' --only '$(ONLY)' \
	  --sequences '$(SEQUENCES)'

# Keeps the last results in git, under the name of this machine's processor.
bench-accept:
	@python3 Benchmarks/compare.py accept --output $(BUILD)/bench

# What measures a GPU on a host without toolchain and network: $(BUILD)/gpu-bundle, and the same as .tar.gz.
gpu-bundle: setup
	@sh Benchmarks/gpu/bundle.sh $(BUILD)

# Coverage and AddressSanitizer together in every part of the build; SECONDS a target.
SECONDS ?= 60
FUZZERS = LogReader JSONLines Safetensors Table Behaviour
fuzz: setup
	for target in $(FUZZERS); do AUGUR_FUZZ=1 swift build -c release --scratch-path $(BUILD)-fuzz --sanitize=fuzzer --sanitize=address \
	  -Xswiftc -sanitize=fuzzer,address --product Fuzz$$target || exit 1; done
	for target in $(FUZZERS); do mkdir -p $(BUILD)-fuzz/found/$$target && \
	  $(BUILD)-fuzz/release/Fuzz$$target -max_total_time=$(SECONDS) -rss_limit_mb=1024 $(BUILD)-fuzz/found/$$target Tests/Fuzz/Corpus/$$target || exit 1; done

# AddressSanitizer, ThreadSanitizer, and oclgrind over every device kernel: half an hour on 2 cores. TESTS=AugurEventsTests takes those alone.
TESTS ?= .
sanitize: setup-test
	$(SWIFT) --build-tests -Xswiftc -enable-testing
	sh Tests/oclgrind.sh $(BUILD)
	# Leaks of XCTest itself and its signal stacks are not ours to mend.
	ASAN_OPTIONS=detect_leaks=0:use_sigaltstack=0:allocator_may_return_null=1 swift test -c release --sanitize=address -Xswiftc -enable-testing --scratch-path $(BUILD)-asan \
	  --filter '$(TESTS)'
	TSAN_OPTIONS=allocator_may_return_null=1 swift test -c release --sanitize=thread -Xswiftc -enable-testing --scratch-path $(BUILD)-tsan --filter '$(TESTS)'

# The device kernels as NVIDIA's assembler takes them, which pip has; skipped where that or clang-15 cannot be had.
PTXAS_HOME = $(BUILD)-ptxas
ptx:
	@sh Benchmarks/setup.sh --optional clang-15 libclc-15 libclc-15-dev python3-venv
	@[ -d $(PTXAS_HOME) ] || { python3 -m venv $(PTXAS_HOME) && $(PTXAS_HOME)/bin/pip install -q nvidia-cuda-nvcc==13.0.88; } >/dev/null 2>&1 || \
	  rm -rf $(PTXAS_HOME)
	@PTXAS=$$(ls $(CURDIR)/$(PTXAS_HOME)/lib/python3*/site-packages/nvidia/cu13/bin/ptxas 2>/dev/null || command -v ptxas) sh Tests/ptx.sh

# The C kernels compile for a processor that none of the variants is for.
portable:
	@sh Benchmarks/setup.sh libc6-dev-arm64-cross
	for file in Kernels/*/*.c; do clang --target=aarch64-linux-gnu -isystem /usr/aarch64-linux-gnu/include -std=c2x -O2 -Werror \
	  -I Kernels/include $$(pkg-config --cflags openblas | sed 's/-I/-isystem /g') -c -o /dev/null $$file || exit 1; done

clean:
	rm -rf $(BUILD) $(BUILD)-bundle $(BUILD)-fuzz $(BUILD)-asan $(BUILD)-tsan $(PTXAS_HOME) $(DEMO)
