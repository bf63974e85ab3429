// Host memory that small uploads are copied to, so that a step need not wait for the device before it hands over the
// next batch.
import COpenCL
import Glibc

struct OpenCLStaging {
  private struct Block {
    let memory: UnsafeMutableRawPointer
    var event: cl_event?
  }
  private static let blockBytes = 1 << 18
  private static let blockLimit = 64
  private var blocks: [Block] = []
  private var next = 0

  /// A copy of `source` and its place, or nil where it is too large: the caller waits for the device then.
  mutating func copy(_ source: UnsafeRawBufferPointer) -> (UnsafeMutableRawPointer, Int)? {
    guard source.count <= OpenCLStaging.blockBytes else { return nil }
    let place = freeBlock()
    memcpy(blocks[place].memory, source.baseAddress!, source.count)
    return (blocks[place].memory, place)
  }

  mutating func inUse(_ place: Int, until event: cl_event?) { blocks[place].event = event }

  /// The oldest block when its upload is over, else a new one, else the oldest after a wait.
  private mutating func freeBlock() -> Int {
    if !blocks.isEmpty, isDone(next) || blocks.count >= OpenCLStaging.blockLimit {
      let place = next
      next = (next + 1) % blocks.count
      if let event = blocks[place].event {
        var waited: cl_event? = event
        clWaitForEvents(1, &waited)
        clReleaseEvent(event)
        blocks[place].event = nil
      }
      return place
    }
    blocks.insert(Block(memory: malloc(OpenCLStaging.blockBytes)!), at: next)
    let place = next
    next = (next + 1) % blocks.count
    return place
  }

  private func isDone(_ place: Int) -> Bool {
    guard let event = blocks[place].event else { return true }
    var status: cl_int = 0
    let query = cl_event_info(CL_EVENT_COMMAND_EXECUTION_STATUS)
    return clGetEventInfo(event, query, MemoryLayout<cl_int>.size, &status, nil) == CL_SUCCESS && status <= CL_COMPLETE
  }
}
