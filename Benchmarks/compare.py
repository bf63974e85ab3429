"""Runs the benchmarks, beside the peers where they are there, and prints a table: what `make bench` calls. Standard library only.

    compare.py run --augur PATH --output FOLDER [--peers DIR] [--python PATH] [--only TEXT] [--sequences FILE]
    compare.py accept --output FOLDER    puts the results into Benchmarks/Results/<cpu>.jsonl

Every JSON line of every command goes to FOLDER/results.jsonl with `cpu`, `date` and `bench`; summary lines follow."""
import argparse, datetime, json, os, re, shutil, statistics, subprocess, sys, tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
STEP = dict(ours="train-step", script="train_step.py", needs=["torch"], value="milliseconds")
# A float32 step is compared with the peer's float32, ours in bfloat16 with the peer at any setting.
FLOAT32 = [[], ["--compile"]]
ANY = FLOAT32 + [["--bf16"], ["--compile", "--bf16"]]
HALF = ["--dtype", "bfloat16"]
INFER = dict(ours="infer", script="infer.py", needs=["torch", "onnxruntime", "faiss"], value="p50_ms")
# `variants` are settings of the peer alone, of which the fastest counts. LOG and DATA stand for files made first.
WORKS = [
    dict(name="train-step bce", flags=[], variants=FLOAT32, **STEP),
    dict(name="train-step sampled", flags=["--loss", "sampled", "--negatives", "256"], variants=FLOAT32, **STEP),
    dict(name="train-step ce", flags=["--loss", "ce", "--batch", "32"], variants=FLOAT32, **STEP),
    dict(name="train-step bce bfloat16", our_flags=HALF, peer_flags=[], variants=ANY, **STEP),
    dict(name="train-step ce bfloat16", our_flags=["--loss", "ce", "--batch", "32"] + HALF, peer_flags=["--loss", "ce", "--batch", "32"],
         variants=ANY, **STEP),
    dict(name="epoch", ours="epoch", our_flags=["--data", "DATA"], script=os.path.join(HERE, "peers", "epoch.py"),
         peer_flags=["SEQUENCES"], needs=["torch"], value="seconds", variants=[[], ["--compile"]]),
    dict(name="infer", flags=[], **INFER),
    dict(name="infer 1M", flags=["--items", "1000000", "--length", "50"], **INFER),
    dict(name="ingest", ours="ingest", flags=["LOG"], script="ingest.py", needs=["duckdb", "polars"], value="seconds"),
    dict(name="ops", ours="ops", our_flags=["--of", "engine"], script="ops.py", peer_flags=[], needs=["torch"], value="milliseconds"),
    dict(name="model ops", ours="ops", our_flags=["--of", "models"], script=os.path.join(HERE, "peers", "model_ops.py"), peer_flags=[],
         needs=["torch"], value="milliseconds", variants=FLOAT32),
    dict(name="top-k", ours="top-k", value="milliseconds"),
    dict(name="suite", ours="suite", value="seconds"),
]
# The most of the best peer's time that we allow ourselves, where a goal is set.
BARS = {
    "train-step bce": 1 / 3, "train-step bce bfloat16": 1 / 5, "train-step sampled": 1 / 3, "train-step ce": 1 / 3,
    "train-step ce bfloat16": 1 / 3, "epoch": 1 / 8, "ingest": 1 / 3, "infer encode": 1 / 2, "infer append": 1 / 20, "infer 1M encode+top10": 0.3,
    "attention forward+backward 128x2x200x32 float32": 1 / 3, "attention forward+backward 128x2x50x32 float32": 1 / 5,
    "attention forward+backward 16x4x1024x64 float32": 1 / 1.5,
    "softmax cross-entropy forward+backward 2048x20000x64 float32": 1 / 3,
    "embedding bag of 50 forward+backward+SGD 1000000x64x131072 float32": 1 / 4,
}
BARS.update({f"gemm {shape} {dtype}": bar for dtype, bar in (("float32", 1), ("bfloat16", 1.05)) for shape in (
    "1024x1024x1024", "2048x2048x2048", "12800x64x64", "12800x256x64", "12800x64x256", "1x100000x64", "64x100000x64")})
# Work that a peer can do only as another, longer one.
INSTEAD = {"infer append": "infer encode"}


def cpu_name():
    """The processor as a file name. Model names of virtual machines say little: family and model tell the generation."""
    text = open("/proc/cpuinfo").read()
    def field(key):
        found = re.search(rf"^{key}\s*:\s*(.*)$", text, re.M)
        return found.group(1) if found else "unknown"
    name = f"{field('model name')} family{field('cpu family')} model{field('model')} {os.cpu_count()}cores"
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def lines_of(command):
    """The JSON lines that a command prints; None, with a line on stderr, where it fails."""
    # A BLAS core chosen by hand would slow down ours and the peers'.
    keep = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=keep)
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode == 0 and found: return found
    said = (done.stderr.strip().splitlines() or ["said nothing"])[-1]
    print(f"bench: {' '.join(command[:3])} failed: {said[:200]}", file=sys.stderr)
    return None


def case(work, line):
    """What a line measures; the same for ours and the peers'."""
    if work["ours"] == "ops": return f"{line['op']} {'x'.join(map(str, line['shape']))} {line['dtype']}"
    detail = line.get("work") or line.get("name")
    return f"{work['name']} {detail}" if detail else work["name"]


class Bench:
    def __init__(self, options):
        self.o, self.lines, self.missing = options, [], set()
        self.stamp = dict(cpu=cpu_name(), date=datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"))
        self.files = {}

    def prepare(self, works, folder):
        """Makes the files that the works name; works whose data are not there go."""
        names = {flag for w in works for flag in w.get("flags", []) + w.get("our_flags", [])}
        if "LOG" in names:
            self.files["LOG"] = os.path.join(folder, "log.csv")
            subprocess.run([self.o.augur, "synth", "--events", "10000000", "--users", "1000000", "--items", "100000", "--output",
                            self.files["LOG"]], check=True, stdout=subprocess.DEVNULL)
        if "DATA" not in names: return works
        sequences = self.o.sequences or os.path.join(os.environ.get("AUGUR_DATA", ""), "amazon-beauty-5core", "Beauty.txt")
        if not os.path.exists(sequences):
            print("bench: no epoch: give SEQUENCES=FILE of `user item item ...` lines, or $AUGUR_DATA with Beauty.txt")
            return [w for w in works if w["name"] != "epoch"]
        self.files.update(SEQUENCES=sequences, DATA=os.path.join(folder, "data"))
        subprocess.run([self.o.augur, "prepare", "--format", "sequences", "--split", "leave-one-out", "--input", sequences, "--output",
                        self.files["DATA"]],
                       check=True, stdout=subprocess.DEVNULL)
        return works

    def flags(self, names): return [self.files.get(name, name) for name in names] + ["--threads", str(os.cpu_count())]

    def script(self, work):
        """The peer's script, where it and its packages are there."""
        if "script" not in work: return None
        path = work["script"] if os.path.isabs(work["script"]) else os.path.join(self.o.peers or "", work["script"])
        if not (os.path.isabs(work["script"]) or self.o.peers): self.missing.add("PEERS=DIR with " + work["script"])
        elif not os.path.exists(path): self.missing.add(path)
        else:
            for module in work["needs"]:
                check = [self.o.python, "-c", f"import importlib.util as u, sys; sys.exit(not u.find_spec('{module}'))"]
                if not shutil.which(self.o.python) or subprocess.run(check).returncode != 0:
                    self.missing.add(f"the Python package {module}")
                    return None
            return path
        return None

    def keep(self, work, found, **more):
        self.lines += [dict(line, bench=work["name"], case=case(work, line), **self.stamp, **more) for line in found or []]

    def measure(self, work):
        """Two rounds, ours and the peer's in turn; after the first round only the peer's fastest setting runs again."""
        path, variants = self.script(work), work.get("variants", [[]])
        for turn in (1, 2):
            flags = work.get("our_flags", work.get("flags", []))
            ours = lines_of([self.o.augur, "bench", work["ours"], *self.flags(flags), "--json"])
            if ours is None: sys.exit(1)
            self.keep(work, ours, round=turn)
            times = []
            for variant in variants if path else []:
                found = lines_of([self.o.python, path, *self.flags(work.get("peer_flags", work.get("flags", []))), *variant])
                self.keep(work, found, round=turn, variant=" ".join(variant))
                if found: times.append((found[0][work["value"]], variant))
            variants = [min(times)[1]] if times else []

    def summary(self, work):
        """One line a case: medians, the best of the peers, and their ratio."""
        ours, peers = {}, {}
        for line in self.lines:
            if line["bench"] != work["name"]: continue
            if "peer" not in line: ours.setdefault(line["case"], []).append(line)
            else: peers.setdefault(line["case"], {}).setdefault(f"{line['peer']} {line['variant']}".strip(), []).append(line)
        unit = "s" if work["value"] == "seconds" else "ms"
        for name, lines in ours.items():
            median = lambda lines: statistics.median(line[work["value"]] for line in lines)
            made = dict(bench="summary", of=work["name"], case=name, unit=unit, ours=round(median(lines), 5), **self.stamp)
            for key in ("limit_share", "rate", "peak_memory_mib"):
                if key in lines[-1]: made[key] = statistics.median(line[key] for line in lines)
            if "rate" in made: made["rate_unit"] = lines[-1]["unit"]
            beside = INSTEAD.get(name, name)
            if beside in peers:
                best, times = min(peers[beside].items(), key=lambda pair: median(pair[1]))
                made.update(peer=best, peer_best=round(median(times), 5), ratio=round(made["ours"] / median(times), 4))
            if name in BARS: made["bar"] = BARS[name]
            yield made


def show(rows):
    head = ["work", "", "ours", "peer's best", "ratio", "bar", "limit_share", "peer"]
    text = lambda row, key, form: format(row[key], form) if key in row else ""
    table = [[r["case"], r["unit"], text(r, "ours", ".4g"), text(r, "peer_best", ".4g"), text(r, "ratio", ".3f"),
              text(r, "bar", ".3f"), text(r, "limit_share", ".2f"), r.get("peer", "")] for r in rows]
    width = [max(len(line[i]) for line in [head] + table) for i in range(len(head))]
    for line in [head] + table:
        cells = [cell.ljust(w) if i in (0, 1, 7) else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, width))]
        print("  ".join(cells).rstrip())


def earlier(path, names):
    """Lines of a run before this one about other works than `names`; a summary has the work's name as `of`."""
    if not os.path.exists(path): return []
    return [line for line in map(json.loads, open(path)) if line.get("of", line["bench"]) not in names]


def run(options):
    bench, rows = Bench(options), []
    os.makedirs(options.output, exist_ok=True)
    results, page = os.path.join(options.output, "results.jsonl"), os.path.join(options.output, "page.html")
    with tempfile.TemporaryDirectory(dir=options.output) as folder:
        for work in bench.prepare([w for w in WORKS if options.only in w["name"]], folder):
            print(f"bench: {work['name']}", file=sys.stderr)
            bench.measure(work)
            made = list(bench.summary(work))
            rows += made
            # After each work, so that a run that is stopped keeps what it has.
            kept = earlier(results, {work["name"]})
            with open(results, "w") as file:
                for line in kept + [line for line in bench.lines if line["bench"] == work["name"]] + made:
                    file.write(json.dumps(line, sort_keys=True) + "\n")
    show(rows)
    if bench.missing: print(f"the peer column is empty where these are missing: {', '.join(sorted(bench.missing))}")
    subprocess.run([options.augur, "bench", "page", results, "--output", page], check=True)


def accept(options):
    results = os.path.join(options.output, "results.jsonl")
    if not os.path.exists(results): sys.exit(f"{results}: is not there; run make bench first")
    cpu = json.loads(open(results).readline())["cpu"]
    os.makedirs(os.path.join(HERE, "Results"), exist_ok=True)
    shutil.copyfile(results, os.path.join(HERE, "Results", cpu + ".jsonl"))
    print(f"Benchmarks/Results/{cpu}.jsonl")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("action", choices=["run", "accept"])
    for name in ("augur", "output", "peers", "python", "only", "sequences"): p.add_argument("--" + name, default="")
    options = p.parse_args()
    accept(options) if options.action == "accept" else run(options)


if __name__ == "__main__":
    main()
