// The next batches, made on a thread of their own while a step runs.
import AugurEvents
import Glibc

/// A place in the training run; what is drawn depends on it alone.
struct BatchPlace: Equatable, Sendable {
  var epoch: Int
  var index: Int
  /// Updates before this one.
  var step: Int
}

/// Hands out the batches of consecutive places; at most `ahead` of them are ready and one is being made.
///
/// The thread does host work only. Uploads, the arena and the engine's threads stay with the caller: what a step allocates cannot
/// depend on timing, and batches have the bytes of those that a caller makes alone.
final class BatchFeed {
  private let state: FeedState
  private var thread = pthread_t()
  private let isRunning: Bool

  init(_ batches: SequenceBatches, _ maker: BatchMaker, ahead: Int) {
    state = FeedState(batches, maker, slots: ahead + 1)
    isRunning =
      pthread_create(
        &thread, nil,
        { argument in
          guard let argument else { return nil }
          Unmanaged<FeedState>.fromOpaque(argument).takeRetainedValue().work()
          return nil
        }, Unmanaged.passRetained(state).toOpaque()) == 0
    if !isRunning { Unmanaged.passUnretained(state).release() }
  }

  deinit {
    state.stop()
    if isRunning { pthread_join(thread, nil) }
  }

  /// Calls `body` with the batch of a place; waits where it is not ready. Any place is right, the next one is quick.
  func withBatch<R>(at place: BatchPlace, _ body: (HostBatch) -> R) -> R {
    // Without a thread (none to be had from the system) the batch is made here.
    let slot = isRunning ? state.take(place) : state.make(place)
    defer { state.giveBack(slot) }
    return body(slot.batch)
  }
}

private final class FeedSlot {
  var batch = HostBatch()
  var place = BatchPlace(epoch: 0, index: 0, step: 0)
}

/// What both threads see, under one lock.
private final class FeedState: @unchecked Sendable {
  private let batches: SequenceBatches
  private let maker: BatchMaker
  private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var free: [FeedSlot]
  private var ready: [FeedSlot] = []  // at consecutive places
  private var next: BatchPlace?  // the place to make after those
  private var isStopped = false

  init(_ batches: SequenceBatches, _ maker: BatchMaker, slots: Int) {
    (self.batches, self.maker) = (batches, maker)
    free = (0..<slots).map { _ in FeedSlot() }
    pthread_mutex_init(lock, nil)
    pthread_cond_init(changed, nil)
  }

  deinit {
    pthread_cond_destroy(changed)
    pthread_mutex_destroy(lock)
    changed.deallocate()
    lock.deallocate()
  }

  func stop() {
    pthread_mutex_lock(lock)
    isStopped = true
    pthread_cond_broadcast(changed)
    pthread_mutex_unlock(lock)
  }

  func take(_ place: BatchPlace) -> FeedSlot {
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    if ready.first?.place != place, !(ready.isEmpty && next == place) {
      free.append(contentsOf: ready)
      ready.removeAll(keepingCapacity: true)
      next = place
      pthread_cond_broadcast(changed)
    }
    while ready.first?.place != place { pthread_cond_wait(changed, lock) }
    return ready.removeFirst()
  }

  func giveBack(_ slot: FeedSlot) {
    pthread_mutex_lock(lock)
    free.append(slot)
    pthread_cond_broadcast(changed)
    pthread_mutex_unlock(lock)
  }

  /// A batch on the calling thread.
  func make(_ place: BatchPlace) -> FeedSlot {
    let slot = free.popLast() ?? FeedSlot()
    fill(slot, place)
    return slot
  }

  private func fill(_ slot: FeedSlot, _ place: BatchPlace) {
    slot.place = place
    batches.fill(&slot.batch.sequences, epoch: place.epoch, index: place.index)
    maker.complete(&slot.batch, step: place.step)
  }

  private func place(after place: BatchPlace) -> BatchPlace {
    place.index + 1 < batches.batchCount(ofEpoch: place.epoch)
      ? BatchPlace(epoch: place.epoch, index: place.index + 1, step: place.step + 1)
      : BatchPlace(epoch: place.epoch + 1, index: 0, step: place.step + 1)
  }

  func work() {
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    while !isStopped {
      guard let place = next, let slot = free.popLast() else {
        pthread_cond_wait(changed, lock)
        continue
      }
      pthread_mutex_unlock(lock)
      fill(slot, place)
      let following = self.place(after: place)
      pthread_mutex_lock(lock)
      // Asked for another place meanwhile: this batch is of no use.
      guard next == place else {
        free.append(slot)
        continue
      }
      ready.append(slot)
      next = following
      pthread_cond_broadcast(changed)
    }
  }
}
