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

  static func name(item: Int, category: Int) -> String {
    let hash = hash(item)
    let number = String(item + 1)
    let padded = String(repeating: "0", count: max(0, 4 - number.utf8.count)) + number
    return "\(colours[Int(hash & 15)]) \(materials[Int(hash >> 4 & 15)]) \(nouns[category % nouns.count]) \(padded)"
  }
}
