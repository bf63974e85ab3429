// The indices of all decoders brought together: one table of items and of each label for the whole log.

struct EventDictionaries {
  let layout: EventLayout
  private(set) var items = IDTable()
  /// By attribute; empty for numbers.
  private(set) var labels: [IDTable]
  /// [decoders][indices of the decoder] to indices here.
  private var itemMaps: [[UInt32]]
  private var labelMaps: [[[UInt32]]]

  init(layout: EventLayout, decoders: Int) {
    self.layout = layout
    labels = layout.attributes.map { _ in IDTable() }
    itemMaps = Array(repeating: [], count: decoders)
    labelMaps = Array(repeating: layout.attributes.map { _ in [] }, count: decoders)
  }

  var bytes: Int { items.bytes + itemMaps.reduce(0) { $0 + 4 * $1.count } }

  /// Takes in what the decoders have met since the last call.
  mutating func extend(with decoders: [EventDecoder]) {
    for (place, decoder) in decoders.enumerated() {
      Self.extend(&items, &itemMaps[place], with: decoder.items)
      for (label, table) in decoder.labels.enumerated() where !layout.attributes[label].isNumber {
        Self.extend(&labels[label], &labelMaps[place][label], with: table)
      }
    }
  }

  private static func extend(_ table: inout IDTable, _ map: inout [UInt32], with other: IDTable) {
    for index in map.count..<other.count {
      map.append(UInt32(bitPattern: table.index(adding: index, of: other)))
    }
  }

  /// The labels of an attribute by index; empty where the log has none.
  func names(of attribute: EventAttribute) -> [String] {
    guard let table = layout.attributes.firstIndex(of: attribute).map({ labels[$0] }) else { return [] }
    return (0..<table.count).map { index in table.withID(index) { String(decoding: $0, as: UTF8.self) } }
  }

  /// The index of an id that a data set brings along.
  mutating func item(_ id: UnsafeRawBufferPointer) -> UInt32 { UInt32(bitPattern: items.index(adding: id)) }
  mutating func label(_ place: Int, _ id: UnsafeRawBufferPointer) -> UInt32 { UInt32(bitPattern: labels[place].index(adding: id)) }

  /// Changes a chunk's indices to those of this table.
  func translate(_ chunk: inout EventChunk) {
    Self.translate(&chunk.words[0], itemMaps[chunk.decoder])
    for (place, attribute) in layout.attributes.enumerated() where !attribute.isNumber {
      Self.translate(&chunk.words[1 + place], labelMaps[chunk.decoder][place])
    }
  }

  /// The names that the decoders know, by the items of this table.
  func names(_ decoders: [EventDecoder]) -> ItemNames {
    var names = ItemNames()
    for decoder in decoders {
      for (index, item) in itemMaps[decoder.number].enumerated() { decoder.names.withName(index) { names.add($0, item: Int(item)) } }
    }
    return names
  }

  private static func translate(_ column: inout [UInt32], _ map: [UInt32]) {
    column.withUnsafeMutableBufferPointer { column in
      map.withUnsafeBufferPointer { map in
        for row in column.indices { column[row] = map[Int(column[row])] }
      }
    }
  }
}
