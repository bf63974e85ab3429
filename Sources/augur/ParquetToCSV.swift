// Reads Parquet in a process of its own: `prepare` starts it and reads its output.
import ArgumentParser
import AugurEvents

struct ParquetToCSV: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "parquet-to-csv", abstract: "Writes a Parquet file to standard output as CSV.", shouldDisplay: false)
  @Argument(help: "The file.") var file: String

  func run() throws { try writeParquetAsCSV(file) }
}
