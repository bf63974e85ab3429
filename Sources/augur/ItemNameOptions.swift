// Options of `augur prepare` that name the items of a log.
import ArgumentParser
import AugurEvents

struct ItemNameOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Names of items: CSV, TSV or JSON lines with a header (item_id, item_name or title), or lines as --name-delimiter says.", valueName: "file"))
  var itemNames: String?
  @Option(
    help: ArgumentHelp("The names are lines of an id, this text such as ::, a name, and perhaps more; without a header.", valueName: "text"))
  var nameDelimiter: String?
  @Option(help: ArgumentHelp("Encoding of the names: utf8 or latin1. utf8.", valueName: "name"))
  var nameEncoding: String?
  @Option(help: ArgumentHelp("Lines of two ids, the log's and that of the names, where they differ.", valueName: "file"))
  var nameIds: String?

  /// The first option that was given, for formats that know none of them.
  var given: String? {
    let all = [
      ("item-names", itemNames), ("name-delimiter", nameDelimiter), ("name-encoding", nameEncoding), ("name-ids", nameIds),
    ]
    return all.first { $0.1 != nil }.map { "--\($0.0)" }
  }

  func file() throws -> ItemNameFile? {
    guard let itemNames else {
      if let given { throw UserMistake("\(given): says how to read --item-names, which is missing") }
      return nil
    }
    var file = ItemNameFile(path: itemNames)
    (file.delimiter, file.ids) = (nameDelimiter, nameIds)
    if let nameEncoding {
      guard let encoding = NameEncoding(rawValue: nameEncoding) else {
        throw UserMistake("--name-encoding: expected utf8 or latin1, got '\(nameEncoding)'")
      }
      file.encoding = encoding
    }
    return file
  }
}
