/// Whether a value is there and within `tolerance` of what is expected.
func isNear(_ value: Double?, _ expected: Double, _ tolerance: Double = 1e-14) -> Bool {
  guard let value else { return false }
  return (value - expected).magnitude <= tolerance
}
