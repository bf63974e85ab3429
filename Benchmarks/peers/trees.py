"""Yardstick: boosted trees of LightGBM beside `augur train --model gbdt`, in turn, on the same rows; one JSON object a line.

    pip install lightgbm==4.7.0 numpy==2.4.6
    python Benchmarks/peers/trees.py --augur .build/release/augur

The clock runs, in both, while trees grow and the loss of training and validation rows is taken after each; not while rows are read
and binned. The rows are drawn here: numbers, of which some are missing, categories, and a label of both."""
import argparse, json, os, subprocess, tempfile, time
import lightgbm, numpy as np

NUMBERS, CATEGORIES = 16, [4, 12, 50, 200]


def drawn(rows, seed=7):
    """Columns of numbers [rows, 16], NaN where missing, of codes [rows, 4], and labels."""
    random = np.random.default_rng(seed)
    numbers = random.normal(size=(rows, NUMBERS))
    codes = np.stack([(size * random.random(rows) ** 2).astype(int) for size in CATEGORIES], 1)
    effects = [np.random.default_rng(seed + 1 + size).normal(size=size) for size in CATEGORIES]
    z = numbers[:, 0] * numbers[:, 1] + np.sin(2 * numbers[:, 2]) + np.abs(numbers[:, 3]) + .5 * numbers[:, 4:8].sum(1) - .8
    z += sum(.5 * effect[codes[:, c]] for c, effect in enumerate(effects))
    labels = random.random(rows) < 1 / (1 + np.exp(-z))
    numbers[:, 8:][random.random((rows, NUMBERS - 8)) < .1] = np.nan
    # What both read: four decimals.
    return numbers.round(4), codes, labels.astype(int)


def write(path, numbers, codes, labels):
    names = [f"x{n}" for n in range(NUMBERS)] + [f"c{c}" for c in range(len(CATEGORIES))] + ["y"]
    with open(path, "w") as file:
        file.write(",".join(names) + "\n")
        for xs, cs, y in zip(numbers.tolist(), codes.tolist(), labels.tolist()):
            file.write(",".join(["" if x != x else f"{x:.4f}" for x in xs] + [f"v{c}" for c in cs] + [str(y)]) + "\n")


def ours(a, data, folder):
    run = os.path.join(tempfile.mkdtemp(dir=folder), "run")
    subprocess.run(
        [a.augur, "train", "--data", data, "--model", "gbdt", "--output", run, "--threads", str(a.threads), "--epochs",
         str(a.trees), "--set", f"leaves={a.leaves}", "--set", "learning-rate=0.1", "--set", "patience=0", "--set",
         "calibration=none"],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    epochs = json.load(open(os.path.join(run, "history.json")))
    return sum(epoch["seconds"] for epoch in epochs), -epochs[-1]["metric"]


def theirs(a, parts, side):
    p = dict(objective="binary", metric="binary_logloss", num_leaves=a.leaves, learning_rate=.1, max_bin=255, min_data_in_leaf=20,
             lambda_l2=1, num_threads=a.threads, verbosity=-1, **{f"force_{side}_wise": True})
    sets = []
    for numbers, codes, labels in parts:
        categories = list(range(NUMBERS, NUMBERS + len(CATEGORIES)))
        sets.append(lightgbm.Dataset(np.hstack([numbers, codes]), labels, params=p, categorical_feature=categories,
                                     reference=sets[0] if sets else None).construct())
    losses, start = {}, time.perf_counter()
    lightgbm.train(p, sets[0], a.trees, valid_sets=sets, valid_names=["training", "validation"],
                   callbacks=[lightgbm.record_evaluation(losses)])
    return time.perf_counter() - start, losses["validation"]["binary_logloss"][-1]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--augur", default=".build/release/augur")
    for name, value in dict(rows=400_000, validation=50_000, trees=100, leaves=31, threads=os.cpu_count(), rounds=3).items():
        p.add_argument("--" + name, type=int, default=value)
    a = p.parse_args()
    ends = [0, a.rows, a.rows + a.validation, a.rows + a.validation + 1000]
    table = drawn(ends[-1])
    # The last part, for which augur asks, is not used.
    parts = [[column[start:end] for column in table] for start, end in zip(ends, ends[1:])]
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        files = [os.path.join(folder, name + ".csv") for name in ("training", "validation", "test")]
        for file, part in zip(files, parts): write(file, *part)
        data = os.path.join(folder, "data")
        subprocess.run([a.augur, "prepare", "--format", "table", "--label", "y", "--input", files[0], "--validation-input",
                        files[1], "--test-input", files[2], "--output", data], check=True, stdout=subprocess.DEVNULL)
        works = {"augur": lambda: ours(a, data, folder)}
        for side in ("col", "row"):
            works[f"lightgbm {lightgbm.__version__} force_{side}_wise"] = lambda side=side: theirs(a, parts[:2], side)
        for turn in range(a.rounds):
            for name, work in works.items():
                seconds, loss = work()
                found.setdefault(name, []).append(seconds)
                settings = {name: value for name, value in vars(a).items() if name not in ("augur", "rounds")}
                print(json.dumps(dict(op="boosted trees", by=name, round=turn + 1, **settings, seconds=round(seconds, 3),
                                      validation_logloss=round(loss, 5))), flush=True)
    # The least of the rounds: other jobs on the cores only add, and threads that spin for each other suffer most.
    least = {name: min(seconds) for name, seconds in found.items()}
    best = min((name for name in least if name != "augur"), key=least.get)
    print(json.dumps(dict(op="boosted trees", ours=round(least["augur"], 3), peer=best, peer_best=round(least[best], 3),
                          ratio=round(least["augur"] / least[best], 3))))


if __name__ == "__main__":
    main()
