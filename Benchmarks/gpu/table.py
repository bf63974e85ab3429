"""The table of a run on a GPU: what `run.py` writes beside its lines."""
import statistics


def median(lines, key="milliseconds"): return statistics.median(line[key] for line in lines)


def head(lines, device):
    ours = [l for l in lines if l["who"] == "ours"]
    def field(key): return next((str(l[key]) for l in ours if l.get(key)), "")
    peers = sorted({l["peer"] + (" on " + l["device"] if l.get("device") else "") for l in lines if l.get("peer")})
    dates = sorted(l["date"] for l in lines)
    yield f"# {device}"
    yield ""
    loader = f"{field('loader') or 'unknown'} ({field('platform') or 'no platform'})"
    yield f"Driver {field('driver') or 'unknown'}, loader {loader}, {dates[0]} to {dates[-1]}."
    if field("nvidia_smi"): yield f"nvidia-smi: {field('nvidia_smi')}."
    if peers: yield f"Peer: {', '.join(peers)}."
    if any(l.get("is_cpu") for l in ours): yield "This device is a CPU that stands in for a GPU: the times say nothing."


def parity(lines):
    cases = [l for l in lines if l["part"] == "parity"]
    if not cases: return
    failed = [l for l in cases if "error" in l or not l.get("within")]
    yield ""
    yield f"## Parity: {len(cases)} cases, {len(failed)} of them failed"
    yield ""
    yield "Largest error of an element, as a share of its tolerance:"
    yield ""
    yield "| op | cases | largest share | case |"
    yield "|---|---|---|---|"
    for op in sorted({l["case"].split(" ")[0] for l in cases}):
        own = [l for l in cases if l["case"].split(" ")[0] == op]
        worst = max((l for l in own if l.get("share") is not None), key=lambda l: l["share"], default=None)
        words = f"{worst['share']:.3f} | {worst['case'][len(op) + 1:]}, {worst['worst']}" if worst else " | "
        yield f"| {op} | {len(own)} | {words} |"
    if failed: yield ""
    for l in failed:
        yield f"* {l['case']}: " + (l.get("error") or f"{l.get('worst')} is {l.get('value')}, not {l.get('expected')}")


def times(lines):
    timed = [l for l in lines if l["part"] in ("ops", "steps", "peers") and "milliseconds" in l]
    if not timed: return
    yield ""
    yield "## Times"
    yield ""
    yield "Medians in milliseconds; a ratio below 1 is faster than the peer's fastest way, from the same part of the run."
    yield ""
    yield "| work | ours | TFLOP/s | GB/s | of the peak | peer | its way | ratio |"
    yield "|---|---|---|---|---|---|---|---|"
    for case in dict.fromkeys(l["case"] for l in timed):
        own = [l for l in timed if l["case"] == case]
        ours = [l for l in own if l["who"] == "ours" and l["part"] == "peers"] or [l for l in own if l["who"] == "ours"]
        ways = {}
        for l in own:
            if l["who"] == "peer": ways.setdefault(l["variant"], []).append(l)
        cells = [case] + [""] * 7
        if ours:
            cells[1] = f"{median(ours):.4g}"
            if ours[0].get("gflops"): cells[2] = f"{median(ours, 'gflops') / 1e3:.3g}"
            if ours[0].get("gb_per_s"): cells[3] = f"{median(ours, 'gb_per_s'):.4g}"
            if ours[0].get("limit_share") is not None: cells[4] = f"{100 * median(ours, 'limit_share'):.0f} %"
        if ways:
            # After the first round only its fastest way runs again.
            most = max(map(len, ways.values()))
            way, best = min(((name, own) for name, own in ways.items() if len(own) == most), key=lambda pair: median(pair[1]))
            cells[5], cells[6] = f"{median(best):.4g}", way
            if ours: cells[7] = f"{median(ours) / median(best):.3f}"
        yield f"| {' | '.join(cells)} |"


def failures(lines):
    failed = [l for l in lines if "error" in l and l["part"] != "parity"]
    if not failed: return
    yield ""
    yield "## What did not run"
    yield ""
    texts = [f"* {l['case']}, {l['who']}{' ' + l['variant'] if l.get('variant') else ''}: {l['error']}" for l in failed]
    yield from dict.fromkeys(texts)


def write_table(path, lines, device):
    if not lines: return
    with open(path, "w") as file:
        for part in (head(lines, device), parity(lines), times(lines), failures(lines)):
            for text in part: file.write(text + "\n")
