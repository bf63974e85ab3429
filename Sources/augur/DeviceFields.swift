// What a line of results says of the device that it is about.
import AugurCompute

func fields(of device: Device) -> [String: Any] {
  switch device {
  case .cpu: ["device": "cpu", "threads": ThreadPool.shared.threads]
  case .gpu(let queue):
    ["device": queue.name, "driver": queue.driver, "loader": queue.loaderName, "platform": queue.platform, "is_cpu": queue.isCPU]
  }
}

extension Device {
  /// A CPU behind OpenCL, which is slow and there for tests.
  var isStandIn: Bool { fields(of: self)["is_cpu"] as? Bool ?? false }
}
