"""Measures Augur on this machine's GPU, part by part; what is in RESULTS already is not run again.

    run.sh [doctor] [parity] [ops] [steps] [peers] [--out DIR] [--budget SECONDS]

doctor  devices, driver, what is missing
parity  every op against its definition in Double, large sizes and training steps against the CPU
ops     single ops at a GPU's sizes
steps   training steps
peers   ops and steps, ours and PyTorch's in turn, where python3 has PyTorch

Without names: doctor, parity, and peers where there is PyTorch, else ops and steps. Each part ends within its budget; what did not fit is
listed, and the same command goes on with it. DIR/results.jsonl has a JSON object a line, DIR/table.md the table. Exit codes: 0 done, or left
for the next call; 1 a check missed or a work failed; 2 no GPU, or a mistake in the arguments. Standard library of Python alone."""
import argparse, datetime, glob, json, os, queue, subprocess, sys, threading, time
from table import write_table

HERE = os.path.dirname(os.path.abspath(__file__))
PARTS = ["doctor", "parity", "ops", "steps", "peers"]
CHECKS = [["verify", "ops"], ["verify", "steps"], ["verify", "ops", "--large"]]
# The most seconds that one work of ours, or all ways of the peer's, may take.
LONGEST, LONGEST_PEER = 150, 200
FULL = dict(loss="sampled", dtype="bfloat16", blocks=2, batch=128, steps=15, warmup=5)
SMALL = dict(FULL, items=500, dim=16, heads=2, blocks=1, batch=8, negatives=16, steps=3, warmup=1)
STEPS = {
    "full": {
        "sasrec L200 D64": dict(FULL, model="sasrec", items=100_000, length=200, dim=64, heads=2, negatives=256),
        "sasrec L200 D256": dict(FULL, model="sasrec", items=100_000, length=200, dim=256, heads=4, negatives=256),
        "hstu L2048 D256": dict(
            FULL, model="hstu", items=1_000_000, length=2048, dim=256, heads=4, blocks=8, batch=32, negatives=1024),
    },
    "small": {
        "sasrec L20 D16": dict(SMALL, model="sasrec", length=20),
        "hstu L40 D16": dict(SMALL, model="hstu", length=40),
    },
}


class Mistake(Exception):
    pass


def say(text): print(f"gpu: {text}", file=sys.stderr, flush=True)


def library(name, environment):
    """The path of a driver's library, in the usual places and those of containers; None where it is nowhere."""
    places = environment.get("LD_LIBRARY_PATH", "").split(":") + [
        "/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/nvidia/lib64", "/usr/local/nvidia/lib", "/usr/lib/wsl/lib",
        "/run/opengl-driver/lib", "/usr/local/cuda/compat", "/usr/local/lib"]
    for path in [os.path.join(place, name) for place in places if place]:
        if os.path.exists(path): return path
    for below in ("/usr/local/nvidia", "/usr/lib/x86_64-linux-gnu/*", "/opt/*"):
        found = sorted(glob.glob(f"{below}/{name}") + glob.glob(f"{below}/*/{name}") + glob.glob(f"{below}/*/*/{name}"))
        if found: return found[0]
    return None


def gpu_environment():
    """The environment for augur: a driver whose libraries lie where no loader looks is named to it."""
    environment = dict(os.environ)
    vendors = glob.glob(environment.get("OCL_ICD_VENDORS", "/etc/OpenCL/vendors") + "/*.icd")
    listed = "".join(open(path, errors="replace").read() for path in vendors)
    opencl, cuda = library("libnvidia-opencl.so.1", environment), library("libcuda.so.1", environment)
    if opencl and "nvidia" not in listed: environment.setdefault("OCL_ICD_VENDORS", opencl)
    if cuda: environment.setdefault("AUGUR_LIBCUDA", cuda)
    # The driver's libraries load others of theirs by name.
    folders = [os.path.dirname(path) for path in (opencl, cuda) if path] + [environment.get("LD_LIBRARY_PATH", "")]
    environment["LD_LIBRARY_PATH"] = ":".join(dict.fromkeys(filter(None, folders)))
    return environment, opencl, cuda


def why_no_gpu(opencl, cuda):
    if os.path.exists("/dev/nvidia0") or os.path.exists("/dev/nvidiactl"):
        return (f"an NVIDIA device is here, but augur cannot use it: libnvidia-opencl.so.1 at {opencl or 'no place'}, "
                f"libcuda.so.1 at {cuda or 'no place'}")
    return "no GPU on this machine; --any-device tries the parts on what OpenCL has, with --scale small"


class Lines:
    """Lines of a process as they come, each with a deadline."""

    def __init__(self, command, environment, log):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=environment, errors="replace")
        self.queue = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout: self.queue.put(line)
        self.queue.put(None)

    def write(self, text):
        try:
            self.process.stdin.write(text + "\n")
            self.process.stdin.flush()
        except OSError: pass  # it has ended, which the next line says

    def next(self, seconds):
        """The next line; None at the end. Raises queue.Empty where none comes in time."""
        return self.queue.get(timeout=max(0.01, seconds))

    def end(self):
        self.process.kill()
        return self.process.wait()


class Run:
    def __init__(self, options):
        self.o = options
        self.augur = os.environ.get("AUGUR") or os.path.join(HERE, "augur")
        if not os.access(self.augur, os.X_OK):
            raise Mistake(f"{self.augur}: is not there; run the bundle that `make gpu-bundle` makes, or set AUGUR")
        os.makedirs(options.out, exist_ok=True)
        self.results, self.log_path = (os.path.join(options.out, name) for name in ("results.jsonl", "log.txt"))
        self.lines = [json.loads(line) for line in open(self.results)] if os.path.exists(self.results) else []
        if options.retry: self.forget_failures()
        self.log = open(self.log_path, "a")
        self.environment, self.opencl, self.cuda = gpu_environment()
        self.left, self.peer, self.has_torch = [], None, None
        self.deadline = 0

    # --- results ---

    def keep(self, part, line, **more):
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        line = dict(line, part=part, scale=self.o.scale, date=now, **more)
        self.lines.append(line)
        with open(self.results, "a") as file: file.write(json.dumps(line, sort_keys=True) + "\n")

    def forget_failures(self):
        self.lines = [l for l in self.lines if "error" not in l and l.get("within", True)]
        with open(self.results, "w") as file: file.writelines(json.dumps(line, sort_keys=True) + "\n" for line in self.lines)

    def has(self, part, case, who="ours", round=1):
        wanted = (part, case, who, round, self.o.scale)
        return any((l["part"], l["case"], l["who"], l.get("round", 1), l["scale"]) == wanted for l in self.lines)

    def seconds_left(self): return self.deadline - time.monotonic()

    # --- ours ---

    def ended(self, command, seconds):
        return subprocess.run(command, capture_output=True, text=True, errors="replace", env=self.environment, timeout=seconds)

    def call(self, arguments, seconds=60):
        """Standard output; raises Mistake with the last words where it fails."""
        done = self.ended([self.augur, *arguments], seconds)
        if done.returncode != 0: raise Mistake(f"augur {' '.join(arguments[:3])}: {last_words(done)}")
        return done.stdout

    def find_device(self):
        doctor = json.loads(self.call(["doctor", "--json"]))
        if doctor["auto"] != "cpu": self.device = doctor["auto"]
        elif self.o.any_device and doctor["opencl_devices"]: self.device = doctor["opencl_devices"][0]
        else: raise Mistake(why_no_gpu(self.opencl, self.cuda))
        for line in self.lines:
            if line["who"] == "ours" and line.get("device", self.device) != self.device:
                raise Mistake(f"{self.results}: has results of {line['device']}, not of {self.device}; give another --out")

    def measure(self, part, case, arguments, **more):
        """One work of ours in a process of its own: what it does to the device ends with it. False where the time is up."""
        limit = min(LONGEST, self.seconds_left())
        command = [self.augur, *arguments, "--device", "gpu", "--json"]
        try:
            done = self.ended(command, limit)
            found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
            if done.returncode == 0 and found: self.keep(part, dict(found[0], case=case), who="ours", **more)
            else: self.fail(part, case, last_words(done), **more)
        except subprocess.TimeoutExpired:
            if limit < LONGEST: return False
            self.fail(part, case, f"took longer than {LONGEST} s", **more)
        return True

    def fail(self, part, case, why, **more):
        say(f"{part}: {case}: {why}")
        self.keep(part, dict(case=case, error=why), **dict(dict(who="ours"), **more))

    def works(self):
        """Every op and step: name, arguments of augur, and what peers.py reads."""
        listed = self.call(["bench", "ops", "--of", "gpu", "--scale", self.o.scale, "--list", "--json"])
        found = []
        for work in map(json.loads, listed.splitlines()):
            arguments = ["bench", "ops", "--of", "gpu", "--scale", self.o.scale, "--only", work["case"]]
            found.append(("ops", work["case"], [*arguments, "--repeats", str(self.o.repeats)], work))
        for name, flags in STEPS[self.o.scale].items():
            arguments = ["bench", "train-step"] + [text for key, value in flags.items() for text in ("--" + key, str(value))]
            found.append(("steps", f"step {name}", arguments, dict(flags, op="train-step", case=f"step {name}")))
        return [work for work in found if self.o.only in work[1]]

    # --- the parts ---

    def doctor(self):
        if self.has("doctor", "doctor"): return
        text = self.call(["doctor"])
        print(text, end="")
        line = json.loads(self.call(["doctor", "--json"]))
        line.update(case="doctor", libnvidia_opencl=self.opencl, libcuda=self.cuda, loader_asked=os.environ.get("AUGUR_LOADER", ""))
        try:
            query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total,clocks.max.sm", "--format=csv,noheader"]
            line["nvidia_smi"] = subprocess.run(query, capture_output=True, text=True, timeout=30).stdout.strip()
        except (OSError, subprocess.TimeoutExpired): pass
        self.keep("doctor", line, who="ours")

    def parity(self):
        for check in CHECKS:
            if self.o.scale == "small" and "--large" in check: continue
            listed = self.call([*check, "--list", "--json"])
            named = [(i, f"{l['op']} {l['case']}") for i, l in enumerate(map(json.loads, listed.splitlines()))]
            self.cases(check, [(i, name) for i, name in named if self.o.only in name])

    def cases(self, check, named):
        """One process for cases that follow each other; behind one that ends it, another goes on."""
        while True:
            kept = {l["case"] for l in self.lines if l["part"] == "parity" and l["scale"] == self.o.scale}
            missing = [pair for pair in named if pair[1] not in kept]
            if not missing: return
            if self.seconds_left() < 1: return self.left.append(f"parity: {' '.join(check)}: {len(missing)} cases")
            row = [pair for n, pair in enumerate(missing) if pair[0] == missing[0][0] + n]
            self.cases_from(check, row[0][0], [name for _, name in row])

    def cases_from(self, check, first, names):
        command = [self.augur, *check, "--device", "gpu", "--json", "--skip", str(first)]
        lines, at = Lines(command, self.environment, self.log), 0
        while at < len(names):
            limit = min(LONGEST, self.seconds_left())
            try: text = lines.next(limit)
            except queue.Empty:
                lines.end()
                if limit == LONGEST: self.fail("parity", names[at], f"took longer than {LONGEST} s")
                return
            if text is None: return self.fail("parity", names[at], f"ended the process: exit {lines.end()}, see log.txt")
            if not text.startswith("{"): continue
            self.keep("parity", dict(json.loads(text), case=names[at]), who="ours")
            at += 1
        lines.end()

    def alone(self, part):
        for kind, case, arguments, _ in self.works():
            if kind != part or self.has(part, case): continue
            if self.seconds_left() < 2 or not self.measure(part, case, arguments): self.left.append(f"{part}: {case}")

    def ops(self): self.alone("ops")
    def steps(self): self.alone("steps")

    def peers(self):
        for _, case, arguments, work in self.works():
            for round in (1, 2):
                if not self.has("peers", case, "ours", round):
                    if self.seconds_left() < 2 or not self.measure("peers", case, arguments, round=round): break
                if not self.has("peers", case, "peer", round):
                    if not self.peer_lines(case, self.fastest(case, work) if round == 2 else work, round): break
            else: continue
            self.left.append(f"peers: {case}")
        if self.peer: self.peer.end()
        self.peer = None

    # --- the peer ---

    def torch(self):
        """Whether python has PyTorch for the device that we measure."""
        if self.has_torch is None:
            test = "import torch, sys; sys.exit(0 if torch.cuda.is_available() or len(sys.argv) > 1 else 3)"
            try: done = subprocess.run([self.o.python, "-c", test] + ["any"] * self.o.any_device, stderr=subprocess.DEVNULL, timeout=120)
            except (OSError, subprocess.TimeoutExpired): done = None
            self.has_torch = done is not None and done.returncode == 0
        return self.has_torch

    def fastest(self, case, work):
        """The work with the peer's fastest way of the first round alone."""
        own = [l for l in self.lines if (l["part"], l["case"], l["who"], l["scale"]) == ("peers", case, "peer", self.o.scale)]
        timed = [l for l in own if "milliseconds" in l]
        return dict(work, only=min(timed, key=lambda l: l["milliseconds"])["variant"]) if timed else work

    def peer_lines(self, case, work, round):
        """One process answers all works, so that PyTorch starts once. False where the time is up."""
        if self.peer is None:
            device = [] if not self.o.any_device else ["--device", "cpu"]
            command = [self.o.python, os.path.join(HERE, "peers.py"), "--repeats", str(self.o.repeats), *device]
            self.peer = Lines(command, None, self.log)
        self.peer.write(json.dumps(work))
        limit = min(LONGEST_PEER, self.seconds_left())
        end = time.monotonic() + limit
        while True:
            try: text = self.peer.next(end - time.monotonic())
            except queue.Empty: text, why = None, f"took longer than {LONGEST_PEER} s"
            else: why = "ended the process, see log.txt"
            if text is None:
                self.peer.end()
                self.peer = None
                if limit < LONGEST_PEER and why.startswith("took"): return False
                self.fail("peers", case, why, who="peer", round=round)
                return True
            if not text.startswith("{"): continue
            line = json.loads(text)
            if "done" in line: return True
            line.pop("only", None)
            self.keep("peers", line, who="peer", round=round)

    def all(self):
        try: self.find_device()
        except subprocess.TimeoutExpired: raise Mistake("augur doctor said nothing for 60 s: the driver hangs")
        parts = self.o.parts or ["doctor", "parity"] + (["peers"] if self.torch() else ["ops", "steps"])
        if "peers" in parts and not self.torch():
            raise Mistake(f"peers: {self.o.python} has no PyTorch for this device; ops and steps measure ours alone")
        say(f"{self.device}: {', '.join(parts)}, {self.o.budget} s each at most, into {self.o.out}")
        for part in parts:
            self.deadline = time.monotonic() + self.o.budget
            try: getattr(self, part)()
            except subprocess.TimeoutExpired as late: raise Mistake(f"{part}: {' '.join(late.cmd[:4])} said nothing for {late.timeout} s")
            finally: write_table(os.path.join(self.o.out, "table.md"), self.lines, self.device)
        for text in self.left: say(f"left for the next call: {text}")
        mine = [l for l in self.lines if l["who"] == "ours" and l["part"] in parts]
        failed = [l for l in mine if "error" in l or l.get("within") is False]
        say(f"{len(mine)} lines of ours, {len(failed)} of them failed, {len(self.left)} works left; table: {self.o.out}/table.md")
        return 1 if failed else 0


def last_words(done):
    words = (done.stderr.strip().splitlines() or ["said nothing"])[-1]
    return words[:300] if done.returncode > 0 else f"ended by signal {-done.returncode}: {words[:250]}"


def main():
    p = argparse.ArgumentParser(prog="run.sh", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("parts", nargs="*", metavar="part", help=", ".join(PARTS))
    p.add_argument("--out", default="gpu-results", help="folder of results.jsonl and table.md")
    p.add_argument("--budget", type=int, default=500, help="seconds of each part, 500 by default")
    p.add_argument("--only", default="", help="only the cases and works whose name holds this text")
    p.add_argument("--scale", choices=["full", "small"], default="full", help="small sizes show that everything runs")
    p.add_argument("--repeats", type=int, default=15, help="timed runs of an op")
    p.add_argument("--python", default="python3", help="the Python that has PyTorch")
    p.add_argument("--retry", action="store_true", help="run again what failed before")
    p.add_argument("--any-device", action="store_true", default=os.environ.get("AUGUR_GPU_BUNDLE_TEST") == "1",
                   help="take an OpenCL device that is no GPU too, and PyTorch on the CPU: to test this script")
    try:
        options = p.parse_args()
        unknown = [part for part in options.parts if part not in PARTS]
        if unknown: raise Mistake(f"unknown part \"{unknown[0]}\": expected {', '.join(PARTS)}")
        if options.budget < 1 or options.repeats < 1: raise Mistake("--budget and --repeats: expected at least 1")
        sys.exit(Run(options).all())
    except Mistake as mistake:
        say(mistake)
        sys.exit(2)


if __name__ == "__main__":
    main()
