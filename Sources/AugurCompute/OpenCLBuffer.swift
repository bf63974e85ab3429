// Memory of an OpenCL device.
import COpenCL

/// One block of device memory, released in deinit.
package final class OpenCLBuffer: @unchecked Sendable {
  let memory: cl_mem
  package let bytes: Int

  init(_ memory: cl_mem, bytes: Int) { (self.memory, self.bytes) = (memory, bytes) }

  deinit { clReleaseMemObject(memory) }
}
