"""Yardstick: one training epoch of SASRec in PyTorch, every history padded to --length. Beside `augur bench epoch`.

Reads `user item item ...` lines. The last two items of a user are held out, as augur does. One JSON object a line."""
import argparse, json, math, time
import torch, torch.nn as nn, torch.nn.functional as F


class Layer(nn.Module):
    """x + drop(MHA(norm(x))), then x + drop(FFN(norm(x)))."""

    def __init__(self, width, heads, drop):
        super().__init__()
        self.heads, self.drop = heads, drop
        self.before_attention, self.before_hidden = nn.LayerNorm(width), nn.LayerNorm(width)
        self.project, self.merge = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        q, k, v = self.project(self.before_attention(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
        x = x + F.dropout(self.merge(mixed), self.drop, self.training)
        hidden = F.gelu(self.widen(self.before_hidden(x)), approximate="tanh")
        return x + F.dropout(self.narrow(hidden), self.drop, self.training)


class SASRec(nn.Module):
    def __init__(self, items, length, width, heads, blocks, drop=0.2):
        super().__init__()
        self.items, self.places = nn.Embedding(items + 1, width, padding_idx=0), nn.Embedding(length, width)
        self.layers = nn.Sequential(*(Layer(width, heads, drop) for _ in range(blocks)))
        self.norm, self.drop = nn.LayerNorm(width), drop
        for table in (self.items, self.places): nn.init.normal_(table.weight, std=0.02)

    def loss(self, inputs, targets, negatives):
        """BCE with one negative a position, mean over the positions that are no padding."""
        x = self.items(inputs) * math.sqrt(self.items.embedding_dim) + self.places.weight
        h = self.norm(self.layers(F.dropout(x, self.drop, self.training)))
        positive, negative = (h * self.items(targets)).sum(-1), (h * self.items(negatives)).sum(-1)
        real = targets > 0
        return ((F.softplus(-positive) + F.softplus(negative)) * real).sum() / real.sum()


def padded(path, length, side):
    """Inputs and targets [users, length]; 0 is padding. A history on the left never sees it under the causal mask."""
    ids, rows = {}, []
    for line in open(path):
        items = [ids.setdefault(word, len(ids) + 1) for word in line.split()[1:]]
        train = items if len(items) < 3 else items[:-2]
        if len(train) >= 2: rows.append(train[-(length + 1):])
    inputs, targets = torch.zeros(2, len(rows), length, dtype=torch.long)
    for r, row in enumerate(rows):
        n = len(row) - 1
        span = slice(0, n) if side == "left" else slice(length - n, length)
        inputs[r, span], targets[r, span] = torch.tensor(row[:-1]), torch.tensor(row[1:])
    return inputs, targets, len(ids)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("sequences")
    for name, value in dict(length=50, dim=64, heads=2, blocks=2, batch=128, threads=2, warmup=4, epochs=1).items():
        p.add_argument("--" + name, type=int, default=value)
    p.add_argument("--side", choices=["left", "right"], default="left", help="where the history stands")
    p.add_argument("--compile", action="store_true")
    a = p.parse_args()
    torch.set_num_threads(a.threads); torch.manual_seed(0)
    inputs, targets, items = padded(a.sequences, a.length, a.side)
    model = SASRec(items, a.length, a.dim, a.heads, a.blocks)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    loss_of = torch.compile(model.loss, dynamic=False) if a.compile else model.loss

    def step(users):
        negatives = torch.randint(1, items + 1, (len(users), a.length))
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(inputs[users], targets[users], negatives)
        loss.backward(); optimizer.step()
        return loss.item()

    def parts(): return torch.randperm(len(inputs)).split(a.batch)

    # The last batch is smaller: it is compiled before the clock starts, too.
    for users in (*parts()[:a.warmup], parts()[-1]): step(users)
    seconds = []
    for _ in range(a.epochs):
        start = time.perf_counter()
        for users in parts(): loss = step(users)
        seconds.append(time.perf_counter() - start)
    median, events = sorted(seconds)[len(seconds) // 2], int((targets > 0).sum())
    settings = {name: value for name, value in vars(a).items() if name != "sequences"}
    print(json.dumps(dict(peer="pytorch " + torch.__version__, op="epoch", **settings, events=events, loss=round(loss, 4),
                          seconds=round(median, 4), tokens_per_second=round(events / median))), flush=True)


if __name__ == "__main__":
    main()
