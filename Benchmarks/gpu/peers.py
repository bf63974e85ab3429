"""PyTorch beside `augur bench ops --of gpu` and `augur bench train-step`: the same work, sizes and JSON keys.

    augur bench ops --of gpu --list --json | python3 peers.py [--device cuda|cpu] [--threads N]

Reads one JSON object a line: a work of that list, or {"op": "train-step", ...} with the flags of `bench train-step` as keys. For each it
prints a line for every way that PyTorch has (`variant`; with "only" that one alone), then {"done": CASE}. On a GPU times are those of CUDA
events around runs of calls, elsewhere of the clock. A way that this PyTorch or this device cannot go is a line with `error`."""
import argparse, contextlib, gc, json, math, sys, time
import torch, torch.nn as nn, torch.nn.functional as F

BF16, F32 = torch.bfloat16, torch.float32


class Timer:
    def __init__(self, device, repeats):
        self.gpu, self.repeats = device.type == "cuda", repeats

    def run(self, body, calls):
        """Milliseconds of one call in a run of several."""
        if not self.gpu:
            start = time.perf_counter()
            for _ in range(calls): body()
            return (time.perf_counter() - start) * 1e3 / calls
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        for _ in range(calls): body()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) / calls

    def __call__(self, body, warmup=3):
        """As ours: runs of about 5 ms after a warm-up, at least 3 where they would take longer than 10 s together."""
        for _ in range(warmup): body()
        if self.gpu: torch.cuda.synchronize()
        calls = max(1, min(50, int(5 / max(self.run(body, 1), 1e-3))))
        times, start = [], time.perf_counter()
        while len(times) < self.repeats and (len(times) < 3 or time.perf_counter() - start < 10): times.append(self.run(body, calls))
        times.sort()
        median, best = round(times[len(times) // 2], 5), round(times[0], 5)
        return dict(milliseconds=median, best_milliseconds=best, repeats=len(times), calls=calls)


def backward(y, dy, *leaves):
    y.backward(dy)
    for leaf in leaves: leaf.grad = None


def skewed_lengths(B, L):
    """Lengths from 8 to L, few of them long: the same integers as in BenchGPUOps.swift."""
    return [8 + (L - 8) * p ** 3 // max(1, (B - 1) ** 3) for p in (b * 7919 % B for b in range(B))]


def zipf_ids(n, V, device):
    """Ids whose r-th most frequent is drawn about as often as 1 / r, scattered over the table."""
    rank = torch.exp(torch.rand(n, device=device, dtype=torch.float64) * math.log(V + 1)).long().clamp(max=V) - 1
    return rank * 7919 % V


def hstu_attention(q, k, v, position):
    """SiLU(q k^T + position bias) / n v under the causal mask; n is the length of the bias. Zhai et al. 2024."""
    L, n = q.shape[-2], position.shape[0]
    place = torch.arange(L, device=q.device)
    gap = (place[None, :] - place[:, None] + n - 1).clamp(max=n - 1)
    scores = F.silu(q @ k.transpose(-1, -2) + position.to(q.dtype)[gap]) / n
    return scores.tril() @ v


class Works:
    """Each method yields (variant, body) for one op."""

    def __init__(self, device): self.device = device

    def random(self, *shape, dtype=F32, grad=False):
        return (torch.rand(*shape, device=self.device) - 0.5).to(dtype).requires_grad_(grad)

    def gemm(self, shape, dtype):
        M, N, K = shape
        x, w = self.random(M, K, dtype=dtype), self.random(N, K, dtype=dtype)
        yield "eager", lambda: x @ w.T

    def linear(self, shape, dtype):
        M, N, K = shape
        x, w, b = self.random(M, K), self.random(N, K), self.random(N)
        def eager():
            with torch.autocast(self.device.type, dtype=dtype): return F.linear(x, w, b)
        yield "autocast", eager
        def narrow(x, w, b): return F.linear(x.to(dtype), w.to(dtype), b.to(dtype)).float()
        compiled = torch.compile(narrow)
        yield "compiled, float32 out", lambda: compiled(x, w, b)

    def attention(self, shape, dtype, both):
        q, k, v = (self.random(*shape, dtype=dtype, grad=both) for _ in range(3))
        dy = self.random(*shape, dtype=dtype)
        call = lambda: F.scaled_dot_product_attention(q, k, v, is_causal=True)
        yield "sdpa", (lambda: backward(call(), dy, q, k, v)) if both else call
        from torch.nn.attention import SDPBackend, sdpa_kernel
        for backend in ("FLASH_ATTENTION", "CUDNN_ATTENTION") if self.device.type == "cuda" else ():
            def body():
                with sdpa_kernel(getattr(SDPBackend, backend)):
                    if both: backward(call(), dy, q, k, v)
                    else: call()
            yield f"sdpa {backend.lower()}", body

    def jagged_attention(self, shape, dtype, both):
        B, H, L, K = shape
        lengths = skewed_lengths(B, L)
        # Padding stands behind a sequence, so the causal mask keeps it from every real row.
        for variant, body in self.attention(shape, dtype, both): yield f"padded, {variant}", body
        T = sum(lengths)
        q, k, v, dy = (self.random(T, H, K, dtype=dtype, grad=both and i < 3) for i in range(4))
        offsets = torch.tensor([0] + lengths, device=self.device).cumsum(0)
        def packed():
            from torch.nn.attention.varlen import varlen_attn
            ends = offsets.to(torch.int32)
            try: varlen_attn(q, k, v, ends, ends, L, L, is_causal=True); named = dict(is_causal=True)
            except TypeError: named = dict(window_size=(-1, 0))
            return lambda: varlen_attn(q, k, v, ends, ends, L, L, **named)
        def nested():
            make = torch.nested.nested_tensor_from_jagged
            a, b, c = (make(t, offsets, min_seqlen=8, max_seqlen=L).transpose(1, 2) for t in (q, k, v))
            return F.scaled_dot_product_attention(a, b, c, is_causal=True).transpose(1, 2).values()
        def made():
            call = packed()
            return (lambda: backward(call(), dy, q, k, v)) if both else call
        if self.device.type == "cuda": yield "varlen", made
        yield "nested", (lambda: backward(nested(), dy, q, k, v)) if both else nested

    def hstu(self, shape, dtype, both):
        q, k, v = (self.random(*shape, dtype=dtype, grad=both) for _ in range(3))
        position, dy = self.random(shape[2], grad=both), self.random(*shape, dtype=dtype)
        for variant, call in (("eager", hstu_attention), ("compiled", torch.compile(hstu_attention))):
            def body(call=call):
                y = call(q, k, v, position)
                if both: backward(y, dy, q, k, v, position)
            yield variant, body

    def embedding_lookup(self, shape, dtype):
        V, D, n = shape
        table, ids = self.random(V, D), zipf_ids(n, V, self.device)
        yield "eager", lambda: F.embedding(ids, table)

    def embedding_update(self, shape, optimizer):
        V, D, n = shape
        ids, dy = zipf_ids(n, V, self.device), self.random(n, D)
        adam = dict(betas=(0.9, 0.98), eps=1e-8)
        made = {"SGD": [("sparse", True, lambda p: torch.optim.SGD(p, lr=0.01)),
                        ("dense fused", False, lambda p: torch.optim.SGD(p, lr=0.01, fused=True))],
                "Adagrad by row": [("sparse, by element", True, lambda p: torch.optim.Adagrad(p, lr=0.01)),
                                   ("dense, by element", False, lambda p: torch.optim.Adagrad(p, lr=0.01, foreach=True))],
                "lazy Adam": [("sparse", True, lambda p: torch.optim.SparseAdam(p, **adam)),
                              ("dense fused", False, lambda p: torch.optim.Adam(p, fused=True, **adam))]}
        for variant, sparse, make in made[optimizer]:
            table = self.random(V, D, grad=True)
            stepper = make([table])
            def body(table=table, stepper=stepper, sparse=sparse):
                F.embedding(ids, table, sparse=sparse).backward(dy)
                stepper.step()
                stepper.zero_grad(set_to_none=True)
            yield variant, body

    def embedding_ids_grouped(self, shape, dtype):
        ids = zipf_ids(shape[0], shape[1], self.device)
        yield "stable sort", lambda: torch.sort(ids, stable=True)

    def rows_exchanged(self, shape, dtype):
        """The host gathers and scatters rows of its table; they travel through pinned memory."""
        V, D, n = shape
        pinned, half = self.device.type == "cuda", V // 2
        table = torch.ones(V, D)
        rows, leaving = self.random(n, D), torch.arange(n) * 7919 % half
        up, down = (torch.empty(n, D, pin_memory=pinned) for _ in range(2))
        def body():
            torch.index_select(table, 0, half + leaving, out=up)
            down.copy_(rows)
            rows.copy_(up, non_blocking=True)
            table.index_copy_(0, leaving, down)
        yield "gathered on the host", body

    def softmax_loss(self, shape, dtype):
        T, V, D = shape
        h, table = self.random(T, D, dtype=dtype, grad=True), self.random(V, D, dtype=dtype, grad=True)
        targets = torch.arange(T, device=self.device) * 7919 % V
        def loss(h, table, targets): return F.cross_entropy((h @ table.T).float(), targets)
        def narrow(h, table, targets): return F.cross_entropy(h @ table.T, targets)
        for variant, call in (("eager, float32 logits", loss), ("eager", narrow), ("compiled", torch.compile(loss))):
            def body(call=call):
                call(h, table, targets).backward()
                h.grad = table.grad = None
            yield variant, body

    def sampled_loss(self, shape, dtype):
        T, D, N, V = shape
        h, table = self.random(T, D, grad=True), self.random(V, D, grad=True)
        targets, drawn = zipf_ids(T, V, self.device), torch.arange(N, device=self.device) * 104_729 % V
        def loss(h, table, sparse=False):
            vectors, others = F.embedding(targets, table, sparse=sparse), F.embedding(drawn, table, sparse=sparse)
            positive, negative = (h * vectors).sum(-1, keepdim=True), h @ others.T
            negative = negative.masked_fill(targets[:, None] == drawn, -math.inf)
            return (torch.logsumexp(torch.cat([positive, negative], -1), -1) - positive[:, 0]).mean()
        sparse = lambda h, table: loss(h, table, True)
        for variant, call in (("eager", loss), ("eager, sparse", sparse), ("compiled", torch.compile(loss))):
            def body(call=call):
                with torch.autocast(self.device.type, dtype=dtype, enabled=dtype != F32): value = call(h, table)
                value.backward()
                h.grad = table.grad = None
            yield variant, body

    def scores(self, shape, dtype):
        B, V, D, k = shape
        table = torch.cat([self.random(min(1 << 20, V - v), D) for v in range(0, V, 1 << 20)])
        for dtype in (F32, BF16):
            h, items = self.random(B, D, dtype=dtype), table.to(dtype)
            def body():
                best, found = None, None
                for v in range(0, V, 1 << 19):
                    score, place = (h @ items[v:v + (1 << 19)].T).topk(min(k, V - v), dim=1)
                    place = place + v
                    if best is not None: score, place = torch.cat([best, score], 1), torch.cat([found, place], 1)
                    best, order = score.topk(min(k, score.shape[1]), dim=1)
                    found = place.gather(1, order)
                return best.cpu(), found.cpu()
            yield f"matmul and topk in chunks, {str(dtype)[6:]}", body

    def of(self, work):
        op, shape, dtype = work["op"], work["shape"], getattr(torch, work["dtype"])
        both = op.endswith("forward+backward")
        if op in ("gemm", "linear"): return getattr(self, op)(shape, dtype)
        if op.startswith("attention"): return self.attention(shape, dtype, both)
        if op.startswith("jagged attention"): return self.jagged_attention(shape, dtype, both)
        if op.startswith("hstu"): return self.hstu(shape, dtype, both)
        if op.startswith("embedding forward+backward+"): return self.embedding_update(shape, op.split("+", 2)[2])
        table = {"embedding lookup": self.embedding_lookup, "embedding ids grouped": self.embedding_ids_grouped,
                 "rows exchanged with the host": self.rows_exchanged,
                 "scores and top k": self.scores, "softmax cross-entropy forward+backward": self.softmax_loss,
                 "sampled softmax forward+backward": self.sampled_loss}
        return table[op](shape, dtype)


class Block(nn.Module):
    """One block of a pre-norm transformer, or of HSTU with its plain norms: x [B, L, D]."""

    def __init__(self, model, D, heads, length, drop):
        super().__init__()
        self.model, self.heads, self.drop = model, heads, drop
        self.mix = nn.Linear(D, 4 * D if model == "hstu" else 3 * D, bias=model != "hstu")
        self.out = nn.Linear(D, D)
        if model == "hstu": self.position = nn.Parameter(0.02 * torch.randn(length))
        else: self.first, self.second = nn.LayerNorm(D), nn.LayerNorm(D)
        if model != "hstu": self.up, self.down = nn.Linear(D, 4 * D), nn.Linear(4 * D, D)

    def split(self, x): return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(self, x):
        D = x.shape[-1:]
        if self.model == "hstu":
            u, q, k, v = F.silu(self.mix(F.layer_norm(x, D, eps=1e-6))).chunk(4, -1)
            o = hstu_attention(self.split(q), self.split(k), self.split(v), self.position).transpose(1, 2).flatten(2)
            return x + self.out(F.dropout(u * F.layer_norm(o, D, eps=1e-6), self.drop, self.training))
        q, k, v = (self.split(part) for part in self.mix(self.first(x)).chunk(3, -1))
        o = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
        x = x + F.dropout(self.out(o), self.drop, self.training)
        return x + F.dropout(self.down(F.gelu(self.up(self.second(x)), approximate="tanh")), self.drop, self.training)


class Model(nn.Module):
    def __init__(self, a, drop=0.2):
        super().__init__()
        self.loss, self.drop = a["loss"], drop
        self.items, self.places = nn.Embedding(a["items"], a["dim"]), nn.Embedding(a["length"], a["dim"])
        for table in (self.items, self.places): nn.init.normal_(table.weight, std=0.02)
        self.blocks = nn.Sequential(*(Block(a["model"], a["dim"], a["heads"], a["length"], drop) for _ in range(a["blocks"])))
        self.norm = nn.LayerNorm(a["dim"]) if a["model"] == "sasrec" else nn.Identity()

    def forward(self, inputs, targets, negatives):
        x = self.items(inputs) * math.sqrt(self.items.embedding_dim) + self.places.weight
        h = self.norm(self.blocks(F.dropout(x, self.drop, self.training)))
        if self.loss == "ce": return F.cross_entropy((h @ self.items.weight.T).flatten(0, 1).float(), targets.flatten())
        positive, vectors = (h * self.items(targets)).sum(-1).float(), self.items(negatives)
        if self.loss == "bce":
            negative = (h[..., None, :] * vectors).sum(-1).float()
            return (F.softplus(-positive) + F.softplus(negative).sum(-1)).mean()
        scores = torch.cat([positive[..., None], (h @ vectors.T).float()], -1)
        return (torch.logsumexp(scores, -1) - positive).mean()


def train_step(a, device):
    ids = lambda *shape: torch.randint(0, a["items"], shape, device=device)
    for variant in ("eager", "compiled"):
        torch.manual_seed(0)
        model = Model(a).to(device)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
        loss_of = torch.compile(model, dynamic=False) if variant == "compiled" else model

        def body():
            shape = (a["batch"], a["length"])
            negatives = ids(*shape, a["negatives"]) if a["loss"] == "bce" else ids(a["negatives"])
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast(device.type, dtype=BF16, enabled=a["dtype"] == "bfloat16"):
                loss = loss_of(ids(*shape), ids(*shape), negatives)
            loss.backward()
            optimizer.step()
        yield variant, body
        del model, optimizer, loss_of


def device_fields(device):
    found = dict(device=torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu", threads=torch.get_num_threads())
    if device.type == "cuda": found["cuda"] = torch.version.cuda
    return found


def measure(work, device, timer):
    """A line for each variant; one that fails says why, and the others go on."""
    only = work.pop("only", None)
    makers = train_step(work, device) if work["op"] == "train-step" else Works(device).of(work)
    stem = dict(work, peer="pytorch " + torch.__version__, **device_fields(device))
    while True:
        variant = None
        try:
            variant, body = next(makers, (None, None))
            if variant is None: return
            if only not in (None, variant): continue
            if variant == "varlen": body = body()
            line = dict(stem, variant=variant, **timer(body))
            if work["op"] == "train-step":
                line["tokens_per_second"] = round(work["batch"] * work["length"] / line["milliseconds"] * 1e3)
        except Exception as error:
            words = (str(error).strip().splitlines() or [""])[0][:160]
            line = dict(stem, variant=variant or "all", error=f"{type(error).__name__}: {words}")
        print(json.dumps(line), flush=True)
        if variant is None: return
        body = None
        clear(device)


def clear(device):
    gc.collect()
    torch._dynamo.reset()
    if device.type == "cuda": torch.cuda.empty_cache()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    p.add_argument("--threads", type=int, default=0)
    p.add_argument("--repeats", type=int, default=15)
    a = p.parse_args()
    if a.threads: torch.set_num_threads(a.threads)
    device = torch.device(a.device)
    timer = Timer(device, a.repeats)
    for text in sys.stdin:
        if not text.strip(): continue
        work = json.loads(text)
        torch.manual_seed(0)
        with torch.set_grad_enabled("backward" in work["op"] or work["op"] == "train-step"): measure(work, device, timer)
        clear(device)
        print(json.dumps(dict(done=work.get("case", work["op"]))), flush=True)


if __name__ == "__main__":
    main()
