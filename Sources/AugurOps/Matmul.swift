// Linear maps with everything that fits in their epilogue: bias, activation, residual.
import AugurCompute
public import AugurTensors
import CKernels

let matmulModule = KernelModule(name: "matmul") { String(cString: ck_opencl_matmul()) }
private let roundingModule = KernelModule(name: "matmul", options: "-D BFLOAT16") { String(cString: ck_opencl_matmul()) }

/// The kernels of `M` x `N` results, `batch` times, and their grid: on tensor cores where the device has them and the factors are rounded.
private func kernels(
  _ queue: DeviceQueue, _ M: Int, _ N: Int, batch: Int = 1, _ precision: DataType
) -> (module: KernelModule, grid: LaunchGrid) {
  if precision == .bfloat16, let blocks = tensorKernels(queue, M, N, batch: batch) { return blocks }
  return (precision == .bfloat16 ? roundingModule : matmulModule, queue.tuning.tileGrid(M, N, batch: batch))
}
func tensorKernels(_ queue: DeviceQueue, _ M: Int, _ N: Int, batch: Int = 1) -> (module: KernelModule, grid: LaunchGrid)? {
  guard let block = queue.tuning.productBlock(M, N, batch: batch) else { return nil }
  let options = queue.tuning.tensorOptions(block.options, registers: 128)
  let module = tensorModule("matmul_sm90", options) { String(cString: ck_opencl_matmul_sm90()) }
  return queue.builds(module) ? (module, queue.tuning.blockGrid(block, M, N, batch: batch)) : nil
}

/// y = act(x w + bias) + residual.
///
/// - Parameters:
///   - x: `[T, K]`.
///   - w: `[K, N]`, or `[N, K]` when `transposed`.
///   - bias: `[N]`.
///   - residual: `[T, N]`.
///   - precision: float32, or bfloat16: the factors of this product and of its gradients are rounded, their sums are float32.
///   - isFactor: whether only products of that precision read the result. Tensor cores then store it as those would round it, in bfloat16.
/// - Returns: `[T, N]`. The bits of a row depend neither on T nor on its place.
///
/// Where x and w are stored in bfloat16, w transposed, so is the result: without bias, residual, activation or gradient.
public func linear(
  _ x: Tensor, _ w: Tensor, bias: Tensor? = nil, residual: Tensor? = nil, activation: Activation = .none,
  transposed: Bool = false, precision: DataType = .float32, isFactor: Bool = false
) -> Tensor {
  let (T, K) = (x.shape.rows, x.shape.columns)
  let N = transposed ? w.shape[0] : w.shape[1]
  precondition(
    w.shape == (transposed ? Shape(N, K) : Shape(K, N)) && bias?.count ?? N == N && residual?.count ?? (T * N) == T * N,
    "linear: expected x [T, K], w \(transposed ? "[N, K]" : "[K, N]"), bias [N], residual [T, N], "
      + "got \(x.shape), \(w.shape), \(bias?.shape.description ?? "-"), \(residual?.shape.description ?? "-")")
  guard x.dtype == .float32 else {
    precondition(
      x.dtype == .bfloat16 && w.dtype == .bfloat16 && transposed && bias == nil && residual == nil && activation == .none,
      "linear: expected x and w alone, in bfloat16, w transposed, got \(x.dtype) and \(w.dtype)")
    return linearInBfloat16(x, w, T, K, N)
  }
  var rounding: (queue: DeviceQueue, module: KernelModule, grid: LaunchGrid)?
  if isFactor, precision == .bfloat16, !transposed, residual == nil, case .gpu(let queue) = x.device {
    rounding = tensorKernels(queue, T, N).map { (queue, $0.module, $0.grid) }
  }
  let (y, tape) = makeOutput(Shape(T, N), of: x, w, bias, residual, dtype: rounding == nil ? .float32 : .bfloat16, device: x.device)
  let pre = tape != nil && activation != .none ? Tensor([T, N], device: x.device) : nil
  if let (queue, module, grid) = rounding {
    queue.launch(
      module, "matmul_factor", grid, y.argument, pre.argument, x.argument, w.argument, bias.argument, .int(T), .int(N), .int(K),
      .int(Int(activation.code)))
  } else {
    multiply(y, pre: pre, x, w, bias: bias, residual: residual, activation, transposed: transposed, precision)
  }
  if let tape, let slot = y.slot {
    tape.record(slot) { dy in
      residual?.slot?.collect(dy, owned: false)
      let dpre = pre.map { activationGradient(dy, $0, activation) } ?? dy
      addWeightGradients(x, dpre, w, bias: bias, transposed: transposed, precision, tape)
      collectProduct(x, dpre, w, transposed: transposed, precision)
    }
  }
  return y
}

/// Gradients of w and bias, dpre those of x w + bias.
func addWeightGradients(
  _ x: Tensor, _ dpre: Tensor, _ w: Tensor, bias: Tensor?, transposed: Bool = false, _ precision: DataType, _ tape: Tape
) {
  let db = bias?.slot?.parameterGradient()
  if let dw = w.slot?.parameterGradient(), !transposed {
    addProduct(into: dw, x, dpre, columnSums: db, precision, on: tape)
  } else {
    if let dw = w.slot?.parameterGradient() { addProduct(into: dw, dpre, x, precision, on: tape) }
    if let db { addColumnSums(into: db, dpre, on: tape) }
  }
}

/// The gradient of x: dpre w^T, on a GPU added to what it has already in the same launch.
func collectProduct(_ x: Tensor, _ dpre: Tensor, _ w: Tensor, transposed: Bool = false, _ precision: DataType) {
  guard let slot = x.slot else { return }
  func product(_ dx: Tensor, _ r: Tensor?) {
    multiply(dx, pre: nil, dpre, w, bias: nil, residual: r, .none, transposed: !transposed, precision)
  }
  if !slot.isParameter, !x.isOnCPU { return slot.addTogether(x.shape, x.device, product) }
  let dx = Tensor(x.shape, device: x.device)
  product(dx, nil)
  slot.collect(dx)
}

/// y = x w^T, all of them stored in bfloat16, sums in float32.
private func linearInBfloat16(_ x: Tensor, _ w: Tensor, _ T: Int, _ K: Int, _ N: Int) -> Tensor {
  if case .gpu(let queue) = x.device, let (module, grid) = warpgroupKernels(queue, T, N, K) ?? tensorKernels(queue, T, N) {
    let y = Tensor([T, N], dtype: .bfloat16, device: x.device)
    queue.launch(module, "matmul_stored", grid, y.argument, x.argument, w.argument, .int(T), .int(N), .int(K))
    return y
  }
  guard x.device == .cpu, K > 0, K % 2 == 0 else {
    let sums = Tensor([T, N], device: x.device)
    multiply(
      sums, pre: nil, converted(x, to: .float32), converted(w, to: .float32), bias: nil, residual: nil, .none, transposed: true,
      .bfloat16)
    return converted(sums, to: .bfloat16)
  }
  let y = Tensor([T, N], dtype: .bfloat16, device: .cpu)
  guard T > rowGrain else {  // few rows: each strip of w is packed where it is used
    parallel(N, grain: 2 * columnGrain) {
      ck_matmul_halves(y.halfPointer, x.halfPointer, w.halfPointer, nil, 0, T, $0, $1, N, K)
    }
    return y
  }
  let panels = Tensor([ck_panel_floats_bf16(N, K)], device: .cpu)
  parallel(N, grain: 8 * Int(CK_PANEL)) { ck_pack_halves(panels.pointer, w.halfPointer, $0, $1, N, K) }
  parallel(T, grain: rowGrain) {
    ck_matmul_halves(y.halfPointer, x.halfPointer, w.halfPointer, panels.pointer, $0, $1, 0, N, N, K)
  }
  return y
}

/// The forward of `linear` on plain memory: y[T,N] = drop(act(x[T,K] w + bias)) + residual, `pre` the value before act. Where
/// `goesBack`, y = drop(x w) act'(pre) + residual. On the CPU without either.
func multiply(
  _ y: Tensor, pre: Tensor?, _ x: Tensor, _ w: Tensor, bias: Tensor?, residual: Tensor?, _ activation: Activation, _ drop: Dropout? = nil,
  goesBack: Bool = false, transposed: Bool, _ precision: DataType
) {
  switch x.device {
  case .cpu:
    precondition(drop == nil && !goesBack, "multiply: expected a product without dropout on the cpu")
    multiplyOnCPU(y, pre: pre, x, w, bias: bias, residual: residual, activation, transposed: transposed, precision)
  case .gpu(let queue):
    let (T, K, N) = (x.shape.rows, x.shape.columns, y.shape.columns)
    let (module, grid) = kernels(queue, T, N, precision)
    let code = Int(activation.code)
    queue.launch(
      module, transposed ? "matmul_transposed" : "matmul", grid, y.argument, pre.argument, x.argument, w.argument, bias.argument,
      residual.argument, .none, .int(T), .int(N), .int(K), .int(0), .int(goesBack ? -1 - code : code), .seed(drop?.seed ?? 0),
      .float(drop?.rate ?? 0))
  }
}

/// A weight `[K, N]` (`[N, K]` when transposed) as the register tiles read it.
struct Panels {
  private let tensor: Tensor
  private let K: Int, N: Int
  private let isRounded: Bool

  init(_ w: Tensor, transposed: Bool, _ precision: DataType) {
    let (K, N) = transposed ? (w.shape[1], w.shape[0]) : (w.shape[0], w.shape[1])
    self.init(w.pointer, K, N, transposed: transposed, precision)
  }

  init(_ w: UnsafePointer<Float>, _ K: Int, _ N: Int, transposed: Bool, _ precision: DataType) {
    let isRounded = precision == .bfloat16
    let panels = Tensor([isRounded ? ck_panel_floats_bf16(N, K) : ck_panel_floats(N, K)], device: .cpu)
    parallel(N, grain: 2 * Int(CK_PANEL)) { from, to in
      if isRounded {
        ck_pack_panels_bf16(panels.pointer, w, from, to, N, K, transposed ? 1 : 0)
      } else {
        ck_pack_panels(panels.pointer, w, from, to, N, K, transposed ? 1 : 0)
      }
    }
    (tensor, self.K, self.N, self.isRounded) = (panels, K, N, isRounded)
  }

  /// Floats of scratch that `multiply` needs for `rows` rows.
  func scratch(_ rows: Int) -> Int { isRounded ? ck_matmul_scratch_bf16(rows, K) : 0 }

  /// y = act(x w + bias) + residual in rows begin..<end of arrays that begin with row 0; y += x w where `accumulate` is set. `columns`
  /// takes some columns of w only, from a multiple of `CK_PANEL`: y has no others.
  func multiply(
    _ y: UnsafeMutablePointer<Float>, pre: UnsafeMutablePointer<Float>? = nil, _ x: UnsafePointer<Float>,
    bias: UnsafePointer<Float>? = nil, residual: UnsafePointer<Float>? = nil, _ begin: Int, _ end: Int,
    _ activation: Activation = .none, columns: Range<Int>? = nil, accumulate: Bool = false, scratch: UnsafeMutablePointer<Float>
  ) {
    let (n, panels) = (columns?.count ?? N, tensor.pointer + (columns?.lowerBound ?? 0) * (isRounded ? (K + 1) / 2 : K))
    let adds: Int32 = accumulate ? 1 : 0
    if isRounded {
      ck_matmul_panels_bf16(y, pre, x, panels, bias, residual, begin, end, n, K, activation.code, adds, scratch)
    } else {
      ck_matmul_panels(y, pre, x, panels, bias, residual, begin, end, n, K, activation.code, adds)
    }
  }
}

/// Many rows share one packing of w; few rows of a wide product are cut into columns. Neither changes a bit.
private func multiplyOnCPU(
  _ y: Tensor, pre: Tensor?, _ x: Tensor, _ w: Tensor, bias: Tensor?, residual: Tensor?, _ activation: Activation,
  transposed: Bool, _ precision: DataType
) {
  let (T, K, N) = (x.shape.rows, x.shape.columns, y.shape.columns)
  let scratchFloats = ck_matmul_scratch(N, K)
  if precision == .bfloat16 || (T > rowGrain && scratchFloats == 0) {
    let panels = Panels(w, transposed: transposed, precision)
    parallel((T + rowGrain - 1) / rowGrain, scratch: panels.scratch(rowGrain)) { task, scratch in
      let begin = task * rowGrain
      panels.multiply(
        y.pointer, pre: pre?.pointer, x.pointer, bias: bias?.pointer, residual: residual?.pointer, begin,
        min(T, begin + rowGrain), activation, scratch: scratch)
    }
    return
  }
  let columns = scratchFloats == 0 ? columnGrain : max(1, N)
  let strips = (N + columns - 1) / columns
  parallel((T + rowGrain - 1) / rowGrain * strips, scratch: scratchFloats) { task, scratch in
    let (begin, from) = (task / strips * rowGrain, task % strips * columns)
    ck_matmul(
      y.pointer, pre?.pointer, x.pointer, w.pointer, bias?.pointer, residual?.pointer, begin, min(T, begin + rowGrain), from,
      min(N, from + columns), N, K, transposed ? 1 : 0, activation.code, scratch)
  }
}

/// Floats of scratch that `addProductRows` needs.
func productScratch(_ K: Int, _ N: Int, _ precision: DataType) -> Int {
  precision == .bfloat16 ? ck_matmul_tn_scratch_bf16(K, N) : 0
}

/// dw[K,N] = (or +=) x^T dy over rows begin..<end, and db[N] the same of the column sums of dy.
func addProductRows(
  _ dw: UnsafeMutablePointer<Float>, _ db: UnsafeMutablePointer<Float>?, _ x: UnsafePointer<Float>, _ dy: UnsafePointer<Float>,
  _ begin: Int, _ end: Int, _ K: Int, _ N: Int, accumulate: Bool, _ precision: DataType, scratch: UnsafeMutablePointer<Float>
) {
  if precision == .bfloat16 {
    ck_matmul_tn_bf16(dw, db, x, dy, begin, end, K, N, accumulate ? 1 : 0, scratch)
  } else {
    ck_matmul_tn(dw, db, x, dy, begin, end, K, N, accumulate ? 1 : 0)
  }
}

/// dw[K,N] += x[T,K]^T dy[T,N], and db[N] += the column sums of dy, as fixed splits of T added in order; with a tape at the end of its pass.
func addProduct(
  into dw: Tensor, _ x: Tensor, _ dy: Tensor, columnSums db: Tensor? = nil, _ precision: DataType = .float32, on tape: Tape? = nil
) {
  let (T, K, N) = (x.shape.rows, x.shape.columns, dy.shape.columns)
  guard T > 0 else { return }
  let splits = RowSplits(T)
  switch x.device {
  case .cpu:
    let partials = Tensor([splits.count, K * N], device: .cpu)
    let sums = db.map { Tensor([splits.count, $0.count], device: .cpu) }
    parallel(splits.count, scratch: productScratch(K, N, precision)) { split, scratch in
      let (begin, end) = splits.range(split)
      addProductRows(
        partials.pointer + split * K * N, sums.map { $0.pointer + split * N }, x.pointer, dy.pointer, begin, end, K, N,
        accumulate: false, precision, scratch: scratch)
    }
    sumPartials(into: dw.pointer, partials.pointer, splits: splits.count, count: K * N)
    if let db, let sums { sumPartials(into: db.pointer, sums.pointer, splits: splits.count, count: N) }
  case .gpu(let queue):
    addProductOnQueue(queue, into: dw, x, dy, columnSums: db, precision, on: tape)
  }
}

/// s[N] += weight * (sum over rows of x[T,N]), as fixed splits of T added in order.
func addColumnSums(into s: Tensor, _ x: Tensor, weight: Float = 1, on tape: Tape? = nil) {
  let (T, N) = (x.shape.rows, x.shape.columns)
  guard T > 0 else { return }
  let splits = RowSplits(T, on: x.device)
  switch x.device {
  case .cpu:
    let partials = Tensor([splits.count, N], device: .cpu)
    parallel(splits.count) { split in
      let (begin, end) = splits.range(split)
      ck_column_sum(partials.pointer + split * N, x.pointer, begin, end, N, 0)
    }
    if weight != 1 { for i in 0..<splits.count * N { partials.pointer[i] *= weight } }
    sumPartials(into: s.pointer, partials.pointer, splits: splits.count, count: N)
  case .gpu(let queue):
    let partials = Tensor([splits.count, N], device: x.device)
    queue.launch(
      matmulModule, "column_sum", queue.tuning.columnGrid(N, chunks: splits.count), partials.argument, x.argument, .int(T), .int(N),
      .int(splits.chunk), .int(0), .float(weight))
    sumPartials(queue, into: s, partials, on: tape)
  }
}

/// y[T,N] = x op(w rows from `firstRow`) + residual: `[T, n]` scores of a tile of items, or their way back.
func multiplyRows(
  _ queue: DeviceQueue, _ y: Tensor, _ x: Tensor, _ w: Tensor, firstRow: Int, transposed: Bool, residual: Tensor?,
  _ precision: DataType
) {
  let (T, K, N) = (x.shape.rows, x.shape.columns, y.shape.columns)
  let (module, grid) = kernels(queue, T, N, precision)
  queue.launch(
    module, transposed ? "matmul_transposed" : "matmul", grid, y.argument, .none, x.argument, w.argument,
    .none, residual.argument, .none, .int(T), .int(N), .int(K), .int(firstRow), .int(Int(Activation.none.code)), .seed(0), .float(0))
}

/// For each group g of rows: y = x op(w of the group) + residual; w holds the groups' matrices one after the other.
func multiplyGroups(
  _ queue: DeviceQueue, _ y: Tensor, _ x: Tensor, _ w: Tensor, _ groups: Jagged, inner K: Int, columns N: Int, transposed: Bool,
  residual: Tensor?
) {
  queue.launch(
    matmulModule, transposed ? "matmul_transposed" : "matmul", queue.tuning.tileGrid(groups.longest, N, batch: groups.count), y.argument,
    .none, x.argument, w.argument, .none, residual.argument, groups.offsets.argument, .int(groups.rows), .int(N), .int(K),
    .int(0), .int(Int(Activation.none.code)), .seed(0), .float(0))
}

/// For each group g of rows: dw[g] = x^T dy over its rows.
func groupProducts(_ queue: DeviceQueue, _ dw: Tensor, _ x: Tensor, _ dy: Tensor, _ groups: Jagged) {
  let (T, K, N) = (x.shape.rows, x.shape.columns, dy.shape.columns)
  queue.launch(
    matmulModule, "matmul_tn", queue.tuning.tileGrid(K, N, batch: groups.count), dw.argument, .none, x.argument, dy.argument,
    groups.offsets.argument, .int(T), .int(K), .int(N), .int(groups.count), .int(0), .int(max(1, T)), .int(0))
}

/// dw rows from `firstRow` += x^T dy, and db += the column sums of dy, as fixed splits of T added in order; one split goes straight there.
func addProductOnQueue(
  _ queue: DeviceQueue, into dw: Tensor, _ x: Tensor, _ dy: Tensor, columnSums db: Tensor? = nil, _ precision: DataType = .float32,
  firstRow: Int = 0, on tape: Tape? = nil
) {
  let (T, K, N) = (x.shape.rows, x.shape.columns, dy.shape.columns)
  let tiles = queue.tuning.tileGrid(K, N).groups
  let splits = RowSplits(T, groups: tiles.x * tiles.y, atLeast: 128, on: x.device)
  let isWhole = splits.count == 1 || firstRow != 0 || dw.count != K * N
  let (module, grid) = kernels(queue, K, N, batch: isWhole ? 1 : splits.count, precision)
  func launch(_ dw: Tensor, _ db: Tensor?, chunk: Int, accumulate: Int) {
    queue.launch(
      module, "matmul_tn", grid, dw.argument, db.argument, x.argument, dy.argument, .none, .int(T), .int(K), .int(N), .int(1),
      .int(firstRow), .int(chunk), .int(accumulate))
  }
  if isWhole { return launch(dw, db, chunk: max(1, T), accumulate: 1) }
  let partials = Tensor([splits.count, K * N], device: x.device)
  let sums = db.map { _ in Tensor([splits.count, N], device: x.device) }
  launch(partials, sums, chunk: splits.chunk, accumulate: 0)
  sumPartials(queue, into: dw, partials, on: tape)
  if let db, let sums { sumPartials(queue, into: db, sums, on: tape) }
}
