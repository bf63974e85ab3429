// The tunables of the device kernels, one line per family of devices, and the launch grids that follow from them; and which devices have
// tensor cores.
import Glibc

/// Values of the macros in Kernels/Common/opencl.h and the `.cl` files; the kernels' head comments say what each means.
package struct OpenCLTuning: Sendable {
  var lanes: Int, rows: Int, vector: Int, elements: Int
  var tileM: Int, tileN: Int, tileItems: SIMD3<Int>
  var queries: Int, selectItems: Int, selectRound: Int
  let candidates = 2048, squares = 16
  package var tensorCores = TensorCores.none
  /// Whether they multiply for whole warpgroups too, by X.sm90a.cl: Hopper alone, or emulated.
  package var hasWarpgroups = false
  /// Work-groups that run at once, at least.
  var multiprocessors = 1
  /// Groups along the second and the third axis that every NVIDIA GPU takes.
  static let mostGroups = 65535

  /// Untuned: no GPU has run it yet.
  package static let gpu = OpenCLTuning(
    lanes: 32, rows: 4, vector: 1, elements: 256, tileM: 64, tileN: 64, tileItems: SIMD3(16, 16, 1), queries: 32,
    selectItems: 128,
    selectRound: 4)
  /// Vectors of 16 and no barriers: what PoCL compiles well (reference: gpu.md 11).
  package static let cpu = OpenCLTuning(
    lanes: 1, rows: 8, vector: 16, elements: 64, tileM: 48, tileN: 64, tileItems: SIMD3(1, 1, 1), queries: 32,
    selectItems: 1,
    selectRound: 64)

  /// A GPU whose tensor cores are emulated: slow, for tests.
  static let tensor: OpenCLTuning = {
    var tuning = gpu
    (tuning.tensorCores, tuning.hasWarpgroups) = (.emulated, true)
    return tuning
  }()

  /// The family that `AUGUR_OPENCL_TUNING` asks for: tests run a GPU's work-groups on PoCL and oclgrind.
  static func named(_ name: String?) -> OpenCLTuning? { ["gpu": gpu, "cpu": cpu, "tensor": tensor][name ?? ""] }

  /// What fits an NVIDIA GPU of a compute capability, times ten; `AUGUR_TENSOR_CORES=none` or `mma` leaves out what may be at fault.
  static func of(capability: Int, multiprocessors: Int) -> OpenCLTuning {
    var tuning = gpu
    let most = getenv("AUGUR_TENSOR_CORES").map { String(cString: $0) }
    guard capability >= 90, most != "none" else { return tuning }
    (tuning.tensorCores, tuning.multiprocessors) = (.sm90, multiprocessors)
    tuning.hasWarpgroups = capability / 10 == 9 && most != "mma"
    return tuning
  }

  package var options: String {
    "-D LANES=\(lanes) -D ROWS=\(rows) -D VECTOR=\(vector) -D ELEMENTS=\(elements) -D TILE_M=\(tileM) -D TILE_N=\(tileN)"
      + " -D QUERIES=\(queries) -D SELECT_ITEMS=\(selectItems) -D SELECT_ROUND=\(selectRound)"
      + " -D CANDIDATES=\(candidates) -D SQUARES=\(squares)" + tensorCores.options
  }

  /// Rows kernels: `count` rows, spread over lanes.
  package func rowGrid(_ count: Int) -> LaunchGrid {
    let groups = parts(count, rows), folds = lanes == 1 ? 1 : parts(groups, OpenCLTuning.mostGroups)
    return LaunchGrid(groups: SIMD3(1, parts(groups, max(1, folds)), folds), local: SIMD3(lanes, rows, 1))
  }
  /// Element kernels: `count` elements.
  package func elementGrid(_ count: Int) -> LaunchGrid {
    LaunchGrid(groups: SIMD3(parts(count, elements * vector), 1, 1), local: SIMD3(elements, 1, 1))
  }
  /// Elements kernels without vectors: `count` work-items.
  package func itemGrid(_ count: Int) -> LaunchGrid {
    LaunchGrid(groups: SIMD3(parts(count, elements), 1, 1), local: SIMD3(elements, 1, 1))
  }
  /// Column kernels: `columns` columns, `chunks` runs of rows.
  package func columnGrid(_ columns: Int, chunks: Int) -> LaunchGrid {
    LaunchGrid(groups: SIMD3(parts(columns, lanes * vector), chunks, 1), local: SIMD3(lanes, 1, 1))
  }
  /// Matrix products: `M` x `N` results, `batch` times (groups, or chunks times groups).
  package func tileGrid(_ M: Int, _ N: Int, batch: Int = 1) -> LaunchGrid {
    LaunchGrid(groups: SIMD3(parts(N, tileN), parts(M, tileM), batch), local: tileItems)
  }
  /// The same on tensor cores, where the device has them: small blocks where large ones would leave multiprocessors idle. Both give the
  /// same bits.
  package func productBlock(_ M: Int, _ N: Int, batch: Int = 1) -> ProductBlock? {
    guard tensorCores != .none else { return nil }
    let large = ProductBlock.large
    return M <= 64 || parts(M, large.rows) * parts(N, large.columns) * batch < multiprocessors ? .small : large
  }
  /// The same for warpgroups. A small block reads twice as much for each product: it is for where half of the multiprocessors would
  /// be idle.
  package func warpgroupBlock(_ M: Int, _ N: Int) -> ProductBlock {
    let large = ProductBlock.warpgroups[0]
    return M <= 64 || 2 * parts(M, large.rows) * parts(N, large.columns) < multiprocessors ? ProductBlock.warpgroups[1] : large
  }
  /// As many work-groups as run at once divide the blocks: one of the large ones fills a multiprocessor's local memory, two of the small.
  package func warpgroupGrid(_ block: ProductBlock, _ M: Int, _ N: Int) -> LaunchGrid {
    let (blocks, atOnce) = (parts(N, block.columns) * parts(M, block.rows), multiprocessors * (block.rows == 128 ? 1 : 2))
    return LaunchGrid(groups: SIMD3(min(blocks, atOnce), 1, 1), local: SIMD3(32, block.warps, 1))
  }
  /// M, N and K of a product that no device has multiprocessors enough to do at once
  package var trialShape: (Int, Int, Int) { (16 * 128 - 3, (2 * multiprocessors / 16 + 1) * 256 - 5, 392) }
  package func blockGrid(_ block: ProductBlock, _ M: Int, _ N: Int, batch: Int = 1) -> LaunchGrid {
    LaunchGrid(groups: SIMD3(parts(N, block.columns), parts(M, block.rows), batch), local: SIMD3(32, block.warps, 1))
  }
  /// Options of a text for tensor cores that needs no more than `count` registers if the compiler is told so.
  package func tensorOptions(_ options: String, registers count: Int) -> String {
    tensorCores == .sm90 ? "\(options) -cl-nv-maxrregcount=\(count)" : options
  }
  /// Attention: `T` rows of the packed batch, `H` heads of `width` columns; on a GPU up to 8 work-items share a row.
  package func attentionGrid(_ T: Int, _ H: Int, width: Int) -> LaunchGrid {
    let slices = vector == 16 ? 1 : min(8, width / 16)
    return LaunchGrid(groups: SIMD3(parts(T, queries), H, 1), local: slices == 1 ? SIMD3(queries, 1, 1) : SIMD3(slices, queries, 1))
  }
  /// Attention on tensor cores: rows of one sequence that a work-group may have, 16 a warp, and the grid of `tiles` of `rows`.
  package static let tileRows = 64, smallTileRows = 16
  package func attentionTiles(_ tiles: Int, of rows: Int, _ H: Int) -> LaunchGrid {
    LaunchGrid(groups: SIMD3(tiles * H, 1, 1), local: SIMD3(32, rows / 16, 1))
  }
  /// `sum_partials`: `count` sums.
  package func sumGrid(_ count: Int) -> LaunchGrid {
    let columns = elements < 128 ? elements : 32
    return LaunchGrid(groups: SIMD3(parts(count, columns * vector), 1, 1), local: SIMD3(elements, 1, 1))
  }
  /// `norm_backward`: `chunks` runs of rows, each of which leaves `rowsOfGroup` partial sums.
  package func chunkGrid(_ chunks: Int) -> LaunchGrid {
    LaunchGrid(groups: SIMD3(1, chunks, 1), local: SIMD3(lanes, rows, 1))
  }
  package var rowsOfGroup: Int { rows }
  /// Work-groups that keep the device at work, where fewer would do too.
  package var busyGroups: Int { vector == 16 ? 16 : 264 }
  /// The loss over the catalogue on tensor cores: `count` rows of states or items, 128 a work-group, with `chunks` runs of the others.
  package func lossGrid(_ count: Int, chunks: Int = 1) -> LaunchGrid {
    LaunchGrid(groups: SIMD3(parts(count, 128), chunks, 1), local: SIMD3(32, 8, 1))
  }
  /// `top_k`: `B` users.
  package func selectGrid(_ B: Int) -> LaunchGrid {
    LaunchGrid(groups: SIMD3(B, 1, 1), local: SIMD3(selectItems, 1, 1))
  }
  /// The largest k of `top_k`.
  package var largestK: Int { candidates - selectItems * selectRound }
  /// `sum_squares`: one partial sum per work-group.
  package func squaresGrid(_ count: Int) -> LaunchGrid {
    LaunchGrid(groups: SIMD3(parts(count, squares * elements * vector), 1, 1), local: SIMD3(elements, 1, 1))
  }
  /// `clip_factor`: one work-group.
  package var oneGroup: LaunchGrid { LaunchGrid(groups: SIMD3(1, 1, 1), local: SIMD3(elements, 1, 1)) }

  private func parts(_ count: Int, _ size: Int) -> Int { (count + size - 1) / size }
}

/// What runs the texts for tensor cores, X.sm90.cl.
package enum TensorCores: Sendable {
  /// Nothing: the portable texts do.
  case none
  /// Any device, in plain OpenCL C.
  case emulated
  /// An NVIDIA device of compute capability 9.0 or above.
  case sm90

  /// The macros of Kernels/Common/warp.h. Compilers other than NVIDIA's never see NV_SM: they abort on its assembly.
  var options: String {
    switch self {
    case .none: ""
    case .emulated: " -D WARP_EMULATION"
    case .sm90: " -D NV_SM=90"
    }
  }
}

/// What one work-group computes of a product on tensor cores.
package struct ProductBlock: Sendable, Equatable {
  let rows: Int, columns: Int, warpRows: Int, warpColumns: Int
  static let large = ProductBlock(rows: 128, columns: 128, warpRows: 2, warpColumns: 4)
  static let small = ProductBlock(rows: 64, columns: 64, warpRows: 2, warpColumns: 2)
  /// With wgmma, the large one first
  package static let warpgroups = [
    ProductBlock(rows: 128, columns: 256, warpRows: 8, warpColumns: 1),
    ProductBlock(rows: 64, columns: 128, warpRows: 4, warpColumns: 1),
  ]
  var warps: Int { warpRows * warpColumns }
  package var options: String { "-D BLOCK_M=\(rows) -D BLOCK_N=\(columns) -D WARPS_M=\(warpRows) -D WARPS_N=\(warpColumns)" }
}

extension DeviceQueue {
  /// What multiplies rounded factors here.
  package var products: String {
    switch tuning.tensorCores {
    case .none: "portable kernels"
    case .emulated: "tensor cores, emulated"
    case .sm90: "mma.sync\(tuning.hasWarpgroups ? "; factors stored in bfloat16 wgmma, if its trial passes" : "")"
    }
  }
  private static let trials = Guarded<[String: Bool]>([:])

  /// Whether `module` builds on this device. Where it does not, one line says so and the portable text has to do.
  package func builds(_ module: KernelModule) -> Bool {
    passes("\(module.name) \(module.options)", else: "without tensor cores, by the portable kernels") { () throws(ComputeError) in
      try prepare(module)
    }
  }

  /// Whether `trial`, made once for each device and name, throws nothing; where it does, one line says what happens instead.
  package func passes(_ trialName: String, else instead: String, _ trial: () throws(ComputeError) -> Void) -> Bool {
    DeviceQueue.trials.withLock { known in
      let key = "\(name) \(trialName)"
      if let answer = known[key] { return answer }
      do throws(ComputeError) {
        try trial()
        known[key] = true
      } catch {
        let reason = "\(error)".prefix { $0 != "\n" }
        DeviceFailure.say("\(instead): \(reason)")
        known[key] = false
      }
      return known[key] ?? false
    }
  }
}
