// Features of users alone: what rows as of a moment can have, for churn, value and the like.
import AugurTensors

extension BehaviourDescription {
  /// What of it is about users, without features of items, of the event itself and of the clock.
  public var ofUsers: BehaviourDescription {
    BehaviourDescription(groups: groups, features: features.compactMap(\.ofUser), zoneName: zoneName)
  }

  /// Throws where a feature is about more than users; `place` names the description.
  public func checkOfUsers(place: String) throws(EventsError) {
    for (index, feature) in features.enumerated() where feature.ofUser != feature {
      throw EventsError(
        file: place, field: "features[\(index)]", problem: "is not about the user alone, and a row as of a moment has no event",
        advice: "keep \"of\": [\"user\"], and leave out clock and event")
    }
  }
}

extension BehaviourFeature {
  fileprivate var ofUser: BehaviourFeature? {
    func users(_ entities: [BehaviourEntity]) -> [BehaviourEntity]? {
      let own = entities.filter { $0 == .user || $0 == .log }
      return own.isEmpty ? nil : own
    }
    return switch self {
    case .count(let of, let events, let windows): users(of).map { .count(of: $0, events: events, windows: windows) }
    case .frequency(let of, let events, let windows): users(of).map { .frequency(of: $0, events: events, windows: windows) }
    case .money(let of, let statistics, let windows): users(of).map { .money(of: $0, statistics: statistics, windows: windows) }
    case .recency(let of, let events): users(of).map { .recency(of: $0, events: events) }
    case .age(let of): users(of).map { .age(of: $0) }
    case .conversion(let of, let prior, let strength, let windows):
      users(of).map { .conversion(of: $0, prior: prior, strength: strength, windows: windows) }
    case .weight(let of, let weights, let windows): users(of).map { .weight(of: $0, weights: weights, windows: windows) }
    case .history: self
    case .join(let join): join.entity == .user ? self : nil
    case .priceRatio, .clock, .event: nil
    }
  }
}

/// Reads a moment as options name it: `2024-05-31`, `2024-05-31T12:00:00Z`, or epoch seconds or milliseconds.
public func moment(_ text: String, option: String) throws(EventsError) -> Int64 { try RuleText(text: text, place: option).time() }
