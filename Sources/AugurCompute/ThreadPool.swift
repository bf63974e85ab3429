// The engine's only threads. One function runs a loop over fixed tasks; who runs which task never changes a result.
import CKernels
import Glibc
import Synchronization

/// Runs `body(task)` once for each task in `0..<tasks`, on the calling thread and the pool's workers; returns when all are done.
///
/// Every thread begins with its own share of the tasks, the same in every loop over the same rows, in order; then it helps the
/// others. A call from inside a task runs on that thread alone.
package func parallel(_ tasks: Int, _ body: (Int) -> Void) {
  ThreadPool.shared.run(tasks, threads: ThreadPool.shared.threads) { task, _ in body(task) }
}

/// The same on at most `threads` threads, with the number of the one that runs the task, in `0..<threads`.
package func parallel(_ tasks: Int, threads: Int, _ body: (_ task: Int, _ thread: Int) -> Void) {
  ThreadPool.shared.run(tasks, threads: threads, body)
}

/// Cuts `0..<count` into ranges of `grain` elements (the last one shorter) and runs `body(begin, end)` for each.
package func parallel(_ count: Int, grain: Int, _ body: (Int, Int) -> Void) {
  let grain = max(1, grain)
  parallel((count + grain - 1) / grain) { task in
    body(task * grain, min(count, (task + 1) * grain))
  }
}

package final class ThreadPool: @unchecked Sendable {
  package static let shared = ThreadPool()

  /// Threads that share the work, the caller included: 1...64. The default is what the affinity mask allows, lowered by `AUGUR_THREADS`
  /// or `OMP_NUM_THREADS`.
  package var threads: Int {
    get { active.load(ordering: .relaxed) }
    set {
      precondition((1...64).contains(newValue), "threads: expected 1...64, got \(newValue)")
      active.store(newValue, ordering: .relaxed)
      startWorkers(newValue - 1)
    }
  }

  private let active = Atomic<Int>(1)
  private let busy = Atomic<Bool>(false)
  private let generation = Atomic<Int>(0)  // rises by one for each job
  /// The next task to claim of each thread's share, a pair of cache lines each.
  private let next = UnsafeMutablePointer<Atomic<Int>>.allocate(capacity: 64 * line)
  private static let line = 16
  /// Workers inside the job; negative while none may enter. A worker that wakes too late is not waited for.
  private let inside = Atomic<Int>(closed)
  private static let closed = Int.min / 2
  private var tasks = 0
  private var limit = 0  // threads that may take part, the caller included
  private var body: ((Int, Int) -> Void)?
  private var started = 0
  private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let wake = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  private init() {
    for i in 0..<64 * ThreadPool.line { (next + i).initialize(to: Atomic(0)) }
    pthread_mutex_init(lock, nil)
    pthread_cond_init(wake, nil)
    threads = ThreadPool.defaultThreads()
  }

  private static func defaultThreads() -> Int {
    var count = Int(ck_cpu_count())
    for name in ["AUGUR_THREADS", "OMP_NUM_THREADS"] {
      if let text = getenv(name), let asked = Int(String(cString: text)), asked >= 1 { count = min(count, asked) }
    }
    return max(1, min(count, 64))
  }

  func run(_ tasks: Int, threads: Int, _ body: (Int, Int) -> Void) {
    guard tasks > 0 else { return }
    let helpers = min(threads, tasks) - 1
    guard helpers > 0, !busy.exchange(true, ordering: .acquiring) else {
      for task in 0..<tasks { body(task, 0) }
      return
    }
    withoutActuallyEscaping(body) { body in
      self.tasks = tasks
      self.limit = helpers + 1
      self.body = body
      for thread in 0...helpers { next[thread * ThreadPool.line].store(firstTask(of: thread), ordering: .relaxed) }
      inside.store(0, ordering: .releasing)
      pthread_mutex_lock(lock)
      generation.add(1, ordering: .releasing)
      pthread_cond_broadcast(wake)
      pthread_mutex_unlock(lock)
      drain(0, body)
      inside.add(ThreadPool.closed, ordering: .acquiringAndReleasing)
      waitForWorkers()
      self.body = nil
    }
    busy.store(false, ordering: .releasing)
  }

  private func firstTask(of share: Int) -> Int { share * tasks / limit }

  private func drain(_ thread: Int, _ body: (Int, Int) -> Void) {
    for turn in 0..<limit {
      let share = (thread + turn) % limit
      let end = firstTask(of: share + 1)
      while true {
        let task = next[share * ThreadPool.line].add(1, ordering: .relaxed).oldValue
        guard task < end else { break }
        body(task, thread)
      }
    }
  }

  private func startWorkers(_ wanted: Int) {
    pthread_mutex_lock(lock)  // two callers may ask for more threads at once
    defer { pthread_mutex_unlock(lock) }
    while started < wanted {
      started += 1
      let index = started
      var thread = pthread_t()
      let argument = Unmanaged.passRetained(Start(pool: self, index: index, seen: generation.load(ordering: .relaxed))).toOpaque()
      guard
        pthread_create(&thread, nil, { pointer in
          let start = Unmanaged<Start>.fromOpaque(pointer!).takeRetainedValue()
          start.pool.work(start.index, start.seen)
          return nil
        }, argument) == 0
      else {
        started -= 1
        return
      }
      pthread_detach(thread)
    }
  }

  private final class Start {
    let pool: ThreadPool, index: Int, seen: Int
    init(pool: ThreadPool, index: Int, seen: Int) { (self.pool, self.index, self.seen) = (pool, index, seen) }
  }

  private func work(_ index: Int, _ first: Int) {
    var seen = first
    while true {
      seen = waitForJob(after: seen)
      guard enter() else { continue }
      if index < limit, let body { drain(index, body) }
      inside.subtract(1, ordering: .releasing)
    }
  }

  /// Joins the job under way; false when it is closed.
  private func enter() -> Bool {
    var count = inside.load(ordering: .relaxed)
    while count >= 0 {
      let (exchanged, original) = inside.weakCompareExchange(
        expected: count, desired: count + 1, successOrdering: .acquiring, failureOrdering: .relaxed)
      if exchanged { return true }
      count = original
    }
    return false
  }

  /// Spins for the tasks that end within microseconds; a worker without a core gets this one.
  private func waitForWorkers() {
    var spins = 0
    while inside.load(ordering: .acquiring) != ThreadPool.closed {
      spins += 1
      if spins < 4000 { ThreadPool.pause() } else { sched_yield() }
    }
  }

  /// Spins a short while (a training step launches loops back to back), then sleeps.
  private func waitForJob(after seen: Int) -> Int {
    for _ in 0..<4000 {
      let now = generation.load(ordering: .acquiring)
      if now != seen { return now }
      ThreadPool.pause()
    }
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    while generation.load(ordering: .acquiring) == seen { pthread_cond_wait(wake, lock) }
    return generation.load(ordering: .acquiring)
  }

  @inline(__always) private static func pause() { ck_pause() }
}
