// Which OpenCL devices this machine has.
import COpenCL

extension OpenCLLoader {
  /// One for every device of every platform, in the order of the ICD, each with a queue of its own.
  static func makeAll() -> [OpenCLLoader] {
    platforms().flatMap { platform in
      let name = text { clGetPlatformInfo(platform, cl_platform_info(CL_PLATFORM_NAME), $0, $1, $2) }
      return devices(of: platform).compactMap { OpenCLLoader(device: $0, platform: name) }
    }
  }

  private static func platforms() -> [cl_platform_id?] {
    var count: cl_uint = 0
    guard clGetPlatformIDs(0, nil, &count) == CL_SUCCESS, count > 0 else { return [] }
    var ids = [cl_platform_id?](repeating: nil, count: Int(count))
    return clGetPlatformIDs(count, &ids, nil) == CL_SUCCESS ? ids : []
  }

  private static func devices(of platform: cl_platform_id?) -> [cl_device_id] {
    let everything = cl_device_type(CL_DEVICE_TYPE_ALL)
    var count: cl_uint = 0
    guard clGetDeviceIDs(platform, everything, 0, nil, &count) == CL_SUCCESS, count > 0 else { return [] }
    var ids = [cl_device_id?](repeating: nil, count: Int(count))
    guard clGetDeviceIDs(platform, everything, count, &ids, nil) == CL_SUCCESS else { return [] }
    return ids.compactMap { $0 }
  }

  /// The text that an OpenCL query returns; empty where the query fails.
  static func text(_ query: (Int, UnsafeMutableRawPointer?, UnsafeMutablePointer<Int>?) -> cl_int) -> String {
    var bytes = 0
    guard query(0, nil, &bytes) == CL_SUCCESS, bytes > 0 else { return "" }
    let characters = [UInt8](unsafeUninitializedCapacity: bytes) { buffer, count in
      count = query(bytes, buffer.baseAddress, nil) == CL_SUCCESS ? bytes : 0
    }
    return String(decoding: characters.prefix { $0 != 0 }, as: UTF8.self)
  }

  /// One number of a device; zero where the query fails.
  static func number<Value: FixedWidthInteger>(_ device: cl_device_id, _ what: Int32, as: Value.Type) -> Value {
    var value: Value = 0
    return clGetDeviceInfo(device, cl_device_info(what), MemoryLayout<Value>.size, &value, nil) == CL_SUCCESS
      ? value : 0
  }
}
