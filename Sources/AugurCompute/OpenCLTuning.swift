// The tunables of the device kernels, one line per family of devices, and the launch grids that follow from them.

/// Values of the macros in Kernels/Common/opencl.h and the `.cl` files; the kernels' head comments say what each means.
package struct OpenCLTuning: Sendable {
  var lanes: Int, rows: Int, vector: Int, elements: Int
  var tileM: Int, tileN: Int, tileItems: SIMD3<Int>
  var queries: Int, selectItems: Int, selectRound: Int
  let candidates = 2048, squares = 16

  /// Untuned: no GPU has run it yet.
  static let gpu = OpenCLTuning(
    lanes: 32, rows: 4, vector: 1, elements: 256, tileM: 64, tileN: 64, tileItems: SIMD3(16, 16, 1), queries: 32,
    selectItems: 128,
    selectRound: 4)
  /// Vectors of 16 and no barriers: what PoCL compiles well (reference: gpu.md 11).
  static let cpu = OpenCLTuning(
    lanes: 1, rows: 8, vector: 16, elements: 64, tileM: 48, tileN: 64, tileItems: SIMD3(1, 1, 1), queries: 32,
    selectItems: 1,
    selectRound: 64)

  /// The family that `AUGUR_OPENCL_TUNING` asks for: tests run a GPU's work-groups on PoCL and oclgrind.
  static func named(_ name: String?) -> OpenCLTuning? { name == "gpu" ? gpu : name == "cpu" ? cpu : nil }

  var options: String {
    "-D LANES=\(lanes) -D ROWS=\(rows) -D VECTOR=\(vector) -D ELEMENTS=\(elements) -D TILE_M=\(tileM) -D TILE_N=\(tileN)"
      + " -D QUERIES=\(queries) -D SELECT_ITEMS=\(selectItems) -D SELECT_ROUND=\(selectRound)"
      + " -D CANDIDATES=\(candidates) -D SQUARES=\(squares)"
  }

  /// Rows kernels: `count` rows, spread over lanes.
  package func rowGrid(_ count: Int) -> LaunchGrid {
    LaunchGrid(groups: SIMD3(1, parts(count, rows), 1), local: SIMD3(lanes, rows, 1))
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
  /// Attention: `T` rows of the packed batch, `H` heads of `width` columns; on a GPU up to 8 work-items share a row.
  package func attentionGrid(_ T: Int, _ H: Int, width: Int) -> LaunchGrid {
    let slices = vector == 16 ? 1 : min(8, width / 16)
    return LaunchGrid(groups: SIMD3(parts(T, queries), H, 1), local: slices == 1 ? SIMD3(queries, 1, 1) : SIMD3(slices, queries, 1))
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
