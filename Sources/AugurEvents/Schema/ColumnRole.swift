// What a column is for.

/// Roles of columns; raw values are those of schema files.
public enum ColumnRole: String, Sendable, CaseIterable, Codable {
  case user, item, time, event, category, price, quantity, name

  /// The attribute of an event that it is.
  var attribute: EventAttribute? {
    switch self {
    case .user, .item, .time, .name: nil
    case .event: .kind
    case .category: .category
    case .price: .price
    case .quantity: .quantity
    }
  }

  var isID: Bool { self == .user || self == .item }

  private var names: [String] {
    switch self {
    case .user: LogColumns.userNames
    case .item: LogColumns.itemNames
    case .time: LogColumns.timeNames
    case .name: LogColumns.nameNames
    case .event, .category, .price, .quantity: attribute.flatMap { LogColumns.attributeNames[$0] } ?? []
    }
  }

  /// The roles that columns have by their usual names, as `prepare` finds them; by place in the header.
  static func detected(_ header: [String]) -> [Int: ColumnRole] {
    let plain = header.map(ColumnPositions.normalised)
    var roles: [Int: ColumnRole] = [:]
    for role in allCases {
      guard let place = ColumnPositions.position(role.names, plain), roles[place] == nil else { continue }
      roles[place] = role
    }
    return roles
  }
}
