// Jagged causal attention: softmax over the rows of one sequence, tiled so that no L x L matrix is ever in memory.
// Dao et al. 2022 (FlashAttention); Milakov and Gimelshein 2018 for the running normaliser.
import AugurCompute
public import AugurTensors
import CKernels

/// Options of a program for heads of width K, rounded up: the tiles are arrays of that size. Wide heads take half the keys at a time: two
/// tiles of them would be 64 KiB, and GPUs give 48. A row's sums go key by key, so its bits are the same.
func headOptions(width K: Int, _ precision: DataType) -> String {
  let width = tileWidth(K)
  return "-D WIDTH=\(width)" + (width > 128 ? " -D KEYS=16" : "") + (precision == .bfloat16 ? " -D BFLOAT16" : "")
}

/// Columns that a tile has for heads of width K.
func tileWidth(_ K: Int) -> Int { [16, 32, 64, 128, 256].first { $0 >= K } ?? 256 }

private func module(width K: Int, _ precision: DataType) -> KernelModule {
  KernelModule(name: "attention", options: headOptions(width: K, precision)) { String(cString: ck_opencl_attention()) }
}

/// What runs attention of one shape on a device: a text and the grid it wants.
struct AttentionTier {
  let module: KernelModule
  let grid: LaunchGrid
  /// On tensor cores the tiles of the grid; nil: the portable text finds its rows by the offsets.
  let tiles: Tensor?
  private let offsets: Tensor

  /// H heads of width K on tensor cores, where the device has them and the factors are rounded; wider heads would not fit the registers.
  /// - Parameter sizes: rows of a tile, of which `tensor` makes one kind of work-groups each.
  init(
    _ queue: DeviceQueue, _ rows: Jagged, heads H: Int, width K: Int, _ precision: DataType, isCausal: Bool = true,
    sizes: [Int] = [OpenCLTuning.tileRows], tensor: (_ width: Int, _ tileRows: Int) -> KernelModule, portable: () -> KernelModule
  ) {
    offsets = rows.offsets
    let width = tileWidth(K)
    if precision == .bfloat16, width <= 128, queue.tuning.tensorCores != .none {
      let (tiles, size) = rows.tiles(of: sizes, isCausal: isCausal)
      let module = tensor(width, size)
      if queue.builds(module) {
        (self.module, grid, self.tiles) = (module, queue.tuning.attentionTiles(tiles.shape.rows, of: size, H), tiles)
        return
      }
    }
    (module, grid, tiles) = (portable(), queue.tuning.attentionGrid(rows.rows, H, width: width), nil)
  }

  /// Where a work-group finds its rows: the argument in the place of the offsets.
  var rows: KernelArgument { tiles?.argument ?? offsets.argument }

  /// x as the text reads factors: in bfloat16 on tensor cores, in float32 by the portable one.
  func factor(_ x: Tensor) -> Tensor { converted(x, to: tiles == nil ? .float32 : .bfloat16) }
}

/// Columns `offset ..< offset + width` of the rows of a tensor.
private struct Columns {
  let tensor: Tensor
  let offset: Int
  var stride: Int { tensor.shape.columns }
  var pointer: UnsafeMutablePointer<Float> { tensor.pointer + offset }
}

/// o = softmax(q k^T / sqrt(K)) v over the rows j <= i of each sequence, for each head; a sequence may be empty.
///
/// - Parameters:
///   - qkv: `[T, 3 D]`: queries, keys and values side by side.
///   - heads: H; D is a multiple of H, K = D / H is at most 256.
///   - dropout: drops cells of the softmax.
///   - precision: float32, or bfloat16: the factors of every product are rounded; sums and softmax are float32.
/// - Returns: `[T, D]`.
public func attention(
  qkv: Tensor, _ rows: Jagged, heads: Int, dropout: Dropout? = nil, precision: DataType = .float32
) -> Tensor {
  let D = qkv.shape.columns / 3
  precondition(qkv.shape == [rows.rows, 3 * D], "attention: expected qkv [\(rows.rows), 3 D], got \(qkv.shape)")
  return attend(
    Columns(tensor: qkv, offset: 0), Columns(tensor: qkv, offset: D), Columns(tensor: qkv, offset: 2 * D), D, rows,
    heads: heads, dropout, precision)
}

/// The same with queries `[T, D]` and `kv` `[T, 2 D]`: keys and values side by side; without `isCausal` over all rows of each sequence.
public func attention(
  q: Tensor, kv: Tensor, _ rows: Jagged, heads: Int, dropout: Dropout? = nil, precision: DataType = .float32, isCausal: Bool = true
) -> Tensor {
  let D = q.shape.columns
  precondition(
    q.shape == [rows.rows, D] && kv.shape == [rows.rows, 2 * D],
    "attention: expected q [\(rows.rows), D] and kv [\(rows.rows), 2 D], got \(q.shape) and \(kv.shape)")
  return attend(
    Columns(tensor: q, offset: 0), Columns(tensor: kv, offset: 0), Columns(tensor: kv, offset: D), D, rows, heads: heads,
    dropout, precision, isCausal: isCausal)
}

/// Keys and values of one history, packed as the tiles of attention read them, so that a new row costs its own packing alone.
public final class KeptKeys {
  fileprivate let memory: Tensor
  private let capacity: Int, H: Int, K: Int
  private let precision: DataType

  /// Room for `capacity` rows of `columns` = D keys and D values, on the CPU.
  public init(capacity: Int, width D: Int, heads H: Int, precision: DataType) {
    precondition(H > 0 && D % H == 0 && D / H <= 256, "KeptKeys: expected heads that divide \(D) into at most 256, got \(H)")
    (self.capacity, self.H, K, self.precision) = (capacity, H, D / H, precision)
    memory = Tensor(Shape(ck_attention_kept_floats(K, capacity), H), device: .cpu)
  }

  /// Writes rows `kv` `[n, 2 D]` behind the first `length` ones and returns the output `[m, D]` of the last m rows, whose queries
  /// are `q` `[m, D]`: the bits of `attention` over all rows. Precondition: there is room, and m is at most n.
  public func attention(q: Tensor, kv: Tensor, after length: Int) -> Tensor {
    let (n, m, D) = (kv.shape.rows, q.shape.rows, H * K)
    precondition(
      q.shape == Shape(m, D) && kv.shape == Shape(n, 2 * D) && m <= n && length + n <= capacity && q.isOnCPU,
      "KeptKeys: expected q [m, \(D)] and at most \(capacity - length) rows of kv, got \(q.shape) and \(kv.shape)")
    let (o, L) = (Tensor(q.shape, device: .cpu), length + n)
    parallel(H, scratch: ck_attention_scratch(K, 0) + m, work: 2 * m * L * D + n * D) { h, scratch in
      ck_attention_kept(
        o.pointer, q.pointer, kv.pointer, memory.pointer, length, L, m, h, H, K, capacity, 1 / Float(K).squareRoot(),
        precision.isBfloat16, scratch)
    }
    return o
  }
}

/// The output of the last rows of each sequence only, with the bits that all rows would have given them.
///
/// - Parameters:
///   - q: `[B * n, D]`: queries of the last n rows of every sequence; each has at least n rows.
///   - kv: `[T, 2 D]`: keys and values of all rows.
/// - Returns: `[B * n, D]`. Precondition: on the CPU.
public func lastAttention(
  q: Tensor, kv: Tensor, _ rows: Jagged, heads H: Int, precision: DataType = .float32
) -> Tensor {
  let (D, B) = (q.shape.columns, rows.count)
  let n = B > 0 ? q.shape.rows / B : 0
  precondition(
    q.shape.rows == B * n && kv.shape == Shape(rows.rows, 2 * D) && D % H == 0 && D / H <= 256 && q.device == .cpu,
    "lastAttention: expected q [\(B) n, D] and kv [\(rows.rows), 2 D] on the cpu, got \(q.shape) and \(kv.shape)")
  let (o, lse) = (Tensor(q.shape, device: .cpu), Tensor(Shape(q.shape.rows, H), device: .cpu))
  guard n > 0 else { return o }
  let K = D / H
  parallel(B * H, scratch: ck_attention_scratch(K, rows.longest), work: 2 * n * rows.rows * D) { task, scratch in
    ck_attention_forward(
      o.pointer, lse.pointer, q.pointer, kv.pointer, kv.pointer + D, rows.offsets.intPointer, task, task + 1, n, 1, H, K, D, 2 * D,
      2 * D, D, 1 / Float(K).squareRoot(), 0, 0, precision.isBfloat16, scratch)
  }
  return o
}

/// Pairs of sequence and head that one thread takes at a time: while it computes one it asks memory for the next.
func attentionGrain(_ pairs: Int) -> Int { max(1, min(8, pairs / 32)) }

/// One call on a device: the text that takes it, and the factors as that reads them.
private struct DeviceCall {
  private let queue: DeviceQueue
  private let tier: AttentionTier
  /// Columns of queries, keys and values.
  private let factors: [KernelArgument]
  /// What these are the memory of
  private let held: [Tensor]
  private let sizes: [KernelArgument]
  private let H: Int

  init(
    _ queue: DeviceQueue, _ q: Columns, _ k: Columns, _ v: Columns, _ D: Int, _ rows: Jagged, heads H: Int, _ dropout: Dropout?,
    _ precision: DataType, isCausal: Bool
  ) {
    let K = D / H
    (self.queue, self.H) = (queue, H)
    tier = Self.tier(queue, rows, H, width: K, precision, isCausal: isCausal)
    let queries = tier.factor(q.tensor)
    let keys = q.tensor.storage === k.tensor.storage ? queries : tier.factor(k.tensor)
    held = [queries, keys]
    factors = [queries.argument, keys.argument, keys.argument]
    sizes = [
      tier.rows, .int(rows.rows), .int(rows.count), .int(H), .int(K), .int(q.stride), .int(k.stride), .int(v.stride), .int(D),
      .float(1 / Float(K).squareRoot()), .seed(dropout?.seed ?? 0), .float(dropout?.rate ?? 0), .int(q.offset), .int(k.offset),
      .int(v.offset), .int(isCausal ? 1 : 0),
    ]
  }

  private static func tier(
    _ queue: DeviceQueue, _ rows: Jagged, _ H: Int, width K: Int, _ precision: DataType, isCausal: Bool
  ) -> AttentionTier {
    AttentionTier(
      queue, rows, heads: H, width: K, precision, isCausal: isCausal, sizes: [OpenCLTuning.smallTileRows, OpenCLTuning.tileRows]
    ) { width, tileRows in
      let options = "-D WIDTH=\(width)" + (tileRows == OpenCLTuning.tileRows ? "" : " -D WARPS=\(tileRows / 16)")
      return tensorModule("attention_sm90", queue.tuning.tensorOptions(options, registers: width > 64 ? 255 : 168)) {
        String(cString: ck_opencl_attention_sm90())
      }
    } portable: {
      module(width: K, precision)
    }
  }

  func forward(_ o: Tensor, _ lse: Tensor) {
    queue.launch(tier.module, "attention_forward", tier.grid, [o.argument, lse.argument] + factors + sizes)
  }

  /// On tensor cores the first kernel leaves for the second what it made of lse, and dy in bfloat16.
  func backward(_ dq: Tensor, _ dkv: Tensor, _ dy: Tensor, _ o: Tensor, _ lse: Tensor) {
    let isTensor = tier.tiles != nil
    let delta = Tensor([o.shape.rows, isTensor ? 2 * H : H], device: o.device)
    let stored = isTensor ? Tensor(dy.shape, dtype: .bfloat16, device: o.device) : dy
    queue.launch(
      tier.module, "attention_backward_queries", tier.grid,
      [dq.argument, delta.argument] + (isTensor ? [stored.argument] : []) + [dy.argument] + factors + [o.argument, lse.argument] + sizes)
    queue.launch(
      tier.module, "attention_backward_keys", tier.grid,
      [dkv.argument, dkv.argument, stored.argument] + factors + (isTensor ? [] : [lse.argument]) + [delta.argument] + sizes)
  }
}

private func attend(
  _ q: Columns, _ k: Columns, _ v: Columns, _ D: Int, _ rows: Jagged, heads H: Int, _ dropout: Dropout?,
  _ precision: DataType, isCausal: Bool = true
) -> Tensor {
  precondition(H > 0 && D % H == 0 && D / H <= 256, "attention: expected heads that divide \(D) into at most 256, got \(H)")
  let K = D / H
  let scale = 1 / Float(K).squareRoot()
  let device = q.tensor.device
  let (seed, rate) = (dropout?.seed ?? 0, dropout?.rate ?? 0)
  let (o, tape) = makeOutput([rows.rows, D], of: q.tensor, k.tensor, v.tensor, device: device)
  let lse = Tensor([rows.rows, H], device: device)
  let floats = ck_attention_scratch(K, rows.longest)
  let causal: Int32 = isCausal ? 1 : 0
  var call: DeviceCall?
  switch device {
  case .cpu:
    parallel(rows.count * H, grain: attentionGrain(rows.count * H), scratch: floats) { begin, end, scratch in
      ck_attention_forward(
        o.pointer, lse.pointer, q.pointer, k.pointer, v.pointer, rows.offsets.intPointer, begin, end, 0, causal, H, K, q.stride,
        k.stride, v.stride, D, scale, seed, rate, precision.isBfloat16, scratch)
    }
  case .gpu(let queue):
    call = DeviceCall(queue, q, k, v, D, rows, heads: H, dropout, precision, isCausal: isCausal)
    call?.forward(o, lse)
  }
  guard let tape, let slot = o.slot else { return o }
  tape.record(slot) { [call] dy in
    let dqTensor = Tensor(q.tensor.shape, device: device)
    let packed = q.tensor.storage === k.tensor.storage
    let dkvTensor = packed ? dqTensor : Tensor(k.tensor.shape, device: device)
    let dq = Columns(tensor: dqTensor, offset: q.offset)
    let (dk, dv) = (Columns(tensor: dkvTensor, offset: k.offset), Columns(tensor: dkvTensor, offset: v.offset))
    switch device {
    case .cpu:
      parallel(rows.count * H, grain: attentionGrain(rows.count * H), scratch: floats) { begin, end, scratch in
        ck_attention_backward(
          dq.pointer, dk.pointer, dv.pointer, dy.pointer, q.pointer, k.pointer, v.pointer, o.pointer, lse.pointer,
          rows.offsets.intPointer, begin, end, causal, H, K, q.stride, k.stride, v.stride, D, scale, seed, rate, precision.isBfloat16,
          scratch)
      }
    case .gpu: call?.backward(dqTensor, dkvTensor, dy, o, lse)
    }
    q.tensor.slot?.collect(dqTensor)
    if !packed { k.tensor.slot?.collect(dkvTensor) }
  }
  return o
}
