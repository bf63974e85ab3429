// Readable item names of synthetic logs: colour, material, noun of the category, number.
import AugurTensors

enum SyntheticNames {
  static let colours = [
    "red", "blue", "green", "black", "white", "grey", "yellow", "orange", "purple", "brown",
    "teal", "navy", "ivory", "olive", "coral", "silver",
  ]
  static let materials = [
    "linen", "cotton", "wool", "oak", "steel", "leather", "glass", "bamboo", "ceramic",
    "canvas", "velvet", "copper", "marble", "paper", "silk", "cork",
  ]
  static let nouns = [
    "shirt", "lamp", "chair", "mug", "notebook", "bag", "scarf", "clock", "bowl", "cushion",
    "jacket", "pan", "vase", "rug", "belt", "kettle", "pillow", "basket", "wallet", "mirror", "blanket", "shelf",
    "tray", "boots", "hat", "teapot", "stool", "frame", "candle", "towel", "gloves", "desk", "plate", "coat", "jar", "bench",
    "spoon", "curtain", "sandals", "box", "dress", "knife", "sofa", "bottle", "sweater", "bookend", "apron", "bed",
  ]

  /// Colour in the low 4 bits, material in the next.
  static func hash(_ item: Int) -> UInt64 { RandomStream.mix(UInt64(item) &+ 0x6e61_6d65) }

  static func appendName(item: Int, category: Int, to text: inout [UInt8]) {
    let hash = hash(item)
    for word in [colours[Int(hash & 15)], materials[Int(hash >> 4 & 15)], nouns[category % nouns.count]] {
      text.append(contentsOf: word.utf8)
      text.append(UInt8(ascii: " "))
    }
    for bound in [1000, 100, 10] where item + 1 < bound { text.append(UInt8(ascii: "0")) }
    append(item + 1, to: &text)
  }
}
