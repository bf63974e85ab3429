// Readable names of items. Of several names of an item the first in byte order wins, so that the order of rows does not matter.

struct ItemNames {
  private var names = Vocabulary()
  private var nameOfItem: [Int32] = []
  /// Hash of the name that an item was seen with last: most rows repeat it.
  private var lastSeen: [UInt64] = []

  var isEmpty: Bool { names.count == 0 }
  var bytes: Int { 2 * names.bytes.count + 32 * names.count + 12 * nameOfItem.count }

  /// Whether the item was last seen with this name.
  func has(_ name: UnsafeRawBufferPointer, item: Int) -> Bool { item < lastSeen.count && lastSeen[item] == Vocabulary.wideHash(name) }

  mutating func add(_ name: UnsafeRawBufferPointer, item: Int) {
    if nameOfItem.count <= item {
      nameOfItem.append(contentsOf: repeatElement(-1, count: item + 1 - nameOfItem.count))
      lastSeen.append(contentsOf: repeatElement(0, count: item + 1 - lastSeen.count))
    }
    lastSeen[item] = Vocabulary.wideHash(name)
    let current = nameOfItem[item]
    if current >= 0, names.withID(Int(current), { !name.lexicographicallyPrecedes($0) }) { return }
    nameOfItem[item] = names.index(adding: name).index
  }

  /// The name of an item in place of all that it was called before.
  mutating func set(_ name: UnsafeRawBufferPointer, item: Int) {
    if item < nameOfItem.count { nameOfItem[item] = -1 }
    add(name, item: item)
  }

  /// Calls `body` with the name of an item where it has one.
  func withName(_ item: Int, _ body: (UnsafeRawBufferPointer) -> Void) {
    guard item < nameOfItem.count, nameOfItem[item] >= 0 else { return }
    names.withID(Int(nameOfItem[item]), body)
  }
}
