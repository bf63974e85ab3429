// How rows are spoiled, each kind counted in the truth so that cleaning can be held to it.

/// One way to spoil a row. A row is spoiled in one way only, and what is copied is clean.
enum SyntheticDirt: UInt32, CaseIterable, Sendable {
  case clean
  /// A second row equal to the one before it in the user's order.
  case duplicate
  case emptyPrice, nanPrice, negativePrice, textPrice
  case emptyTime, negativeTime, impossibleTime
  case emptyUser, emptyItem, unknownEvent
  /// The fields behind the time are missing; there is one field too many.
  case shortRow, longRow
  /// A byte 0xff in the name; blanks around the user id.
  case badUTF8, strayBlanks

  /// Key in the truth.
  var name: String {
    switch self {
    case .clean: "clean"
    case .duplicate: "duplicate"
    case .emptyPrice: "empty_price"
    case .nanPrice: "nan_price"
    case .negativePrice: "negative_price"
    case .textPrice: "text_price"
    case .emptyTime: "empty_time"
    case .negativeTime: "negative_time"
    case .impossibleTime: "impossible_time"
    case .emptyUser: "empty_user"
    case .emptyItem: "empty_item"
    case .unknownEvent: "unknown_event"
    case .shortRow: "short_row"
    case .longRow: "long_row"
    case .badUTF8: "bad_utf8"
    case .strayBlanks: "stray_blanks"
    }
  }

  /// The spoiled line made of the fields of the clean one: user, item, event, time, category, price, name.
  func line(_ fields: [[UInt8]]) -> [UInt8] {
    var fields = fields
    switch self {
    case .clean, .duplicate: break
    case .emptyPrice: fields[5] = []
    case .nanPrice: fields[5] = Array("NaN".utf8)
    case .negativePrice: fields[5].insert(UInt8(ascii: "-"), at: 0)
    case .textPrice: fields[5] = Array("n/a".utf8)
    case .emptyTime: fields[3] = []
    case .negativeTime: fields[3].insert(UInt8(ascii: "-"), at: 0)
    case .impossibleTime: fields[3] = Array("99999999999999999".utf8)
    case .emptyUser: fields[0] = []
    case .emptyItem: fields[1] = []
    case .unknownEvent: fields[2] = Array("veiw".utf8)
    case .shortRow: fields.removeLast(3)
    case .longRow: fields.append(Array("extra".utf8))
    case .badUTF8: fields[6].insert(0xff, at: 1)
    case .strayBlanks: fields[0] = [0x20] + fields[0] + [0x20, 0x20]
    }
    return Array(fields.joined(separator: [UInt8(ascii: ",")])) + [UInt8(ascii: "\n")]
  }
}
