// Hour and weekday of local clocks, and their points on a circle.
import Glibc

/// The clock at one minute at a time; each minute of a week is looked up.
struct BehaviourCalendar: Sendable {
  private static let minutesOfWeek = 10_080
  private let zone: ClockZone
  private var stretch = ClockZone.Stretch(offset: 0, from: 0, until: 0)
  private let dayCircle: [Float]  // [1440, 2] sine and cosine
  private let weekCircle: [Float]  // [10080, 2]
  private var minute = 0  // of the week, from Monday

  init(_ zone: ClockZone) {
    self.zone = zone
    func circle(_ minutes: Int) -> [Float] {
      (0..<minutes).flatMap { minute in
        let angle = 2 * Double.pi * Double(minute) / Double(minutes)
        return [Float(sin(angle)), Float(cos(angle))]
      }
    }
    (dayCircle, weekCircle) = (circle(1440), circle(Self.minutesOfWeek))
  }

  mutating func move(to time: Int64) {
    let second = floorDivide(time, 1000)
    if !stretch.contains(second) { stretch = zone.stretch(at: second) }
    let local = floorDivide(second + stretch.offset, 60)
    // 1970-01-01 was a Thursday.
    let shifted = local + 3 * 1440
    minute = Int(shifted - floorDivide(shifted, Int64(Self.minutesOfWeek)) * Int64(Self.minutesOfWeek))
  }

  subscript(part: BehaviourClockPart) -> Float {
    switch part {
    case .hour: Float(minute % 1440 / 60)
    case .weekday: Float(minute / 1440)
    case .hourSine: dayCircle[2 * (minute % 1440)]
    case .hourCosine: dayCircle[2 * (minute % 1440) + 1]
    case .weekdaySine: weekCircle[2 * minute]
    case .weekdayCosine: weekCircle[2 * minute + 1]
    }
  }
}
