// Every file of the fuzzing corpus goes through the readers: a past crash stays fixed without a fuzzer at hand.
import AugurEvents
import AugurTensors
import Foundation
import Testing

@Suite struct CorpusTests {
  private static func files(_ name: String) -> [String] {
    let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    let folder = tests.appendingPathComponent("Fuzz/Corpus/\(name)").path
    return ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted().map { "\(folder)/\($0)" }
  }

  @Test func logs() throws {
    let files = Self.files("LogReader")
    #expect(files.count > 5)
    let folder = TestFolder()
    for file in files {
      let bytes = FileManager.default.contents(atPath: file).map { Array($0) } ?? []
      let log = folder.write("log", Array(bytes.dropFirst()))
      for format in LogFormat.allCases {
        do throws(EventsError) {
          try prepareDataset(input: log, output: "\(folder.path)/data", options: PrepareOptions(format: format))
          _ = try Dataset(path: "\(folder.path)/data")
        } catch { #expect(!error.description.contains("\n")) }
      }
    }
  }

  @Test func jsonLines() throws {
    let files = Self.files("JSONLines")
    #expect(files.count > 10)
    let folder = TestFolder()
    var read = 0
    for file in files {
      do throws(EventsError) { read += try groupEvents(inputs: [file]).rows } catch { #expect(!error.description.contains("\n")) }
      do throws(EventsError) {
        let profile = try profileLog(inputs: [folder.write("log", FileManager.default.contents(atPath: file).map { Array($0) } ?? [])])
        #expect(profile.columns.allSatisfy { $0.missing + $0.distinct <= profile.rows } && !profile.json.contains("\n"))
      } catch { #expect(!error.description.contains("\n")) }
    }
    #expect(read > 0)
  }

  /// As FuzzTable reads them, for every ask that its first byte can make.
  @Test func tables() throws {
    let files = Self.files("Table")
    #expect(files.count > 10)
    let folder = TestFolder()
    var made = 0
    for file in files {
      let bytes = FileManager.default.contents(atPath: file).map { Array($0) } ?? []
      let table = folder.write("table", Array(bytes.dropFirst()))
      for kind in [SplitKind?.none, .random] {
        var options = TableOptions(label: "y")
        (options.kind, options.allowsLeaks) = (kind, true)
        if kind != nil { (options.categorical, options.minimumCount) = (["*"], 1) }
        do throws(EventsError) {
          try prepareTable(inputs: [table], output: "\(folder.path)/data", options: options)
          #expect(try TableDataset(path: "\(folder.path)/data").numbers.allSatisfy(\.isFinite))
          made += 1
        } catch { #expect(!error.description.contains("\n")) }
      }
    }
    #expect(made > files.count, "most of the corpus are tables")
  }

  /// As FuzzBehaviour reads them: a description behind any other byte than s, which stands before a state.
  @Test func behaviour() throws {
    let files = Self.files("Behaviour")
    #expect(files.count > 8)
    let folder = TestFolder()
    var read = 0
    for file in files {
      let bytes = FileManager.default.contents(atPath: file).map { Array($0) } ?? []
      let path = folder.write("behaviour", Array(bytes.dropFirst()))
      do throws(EventsError) {
        var state = try bytes.first == UInt8(ascii: "s") ? BehaviourState(path: path, verify: .skipped) : BehaviourState(BehaviourDescription(file: path))
        let event = state.event(user: "u", item: "i", time: state.clock + 3_600_000, kind: "view", price: 3)
        try state.observe(event)
        _ = try state.features(of: event)
        read += 1
      } catch { #expect(!error.description.contains("\n")) }
    }
    #expect(read > 3)
  }

  @Test func safetensors() {
    let files = Self.files("Safetensors")
    #expect(files.count > 3)
    for file in files {
      for verify in [SafetensorsFile.Verification.skipped, .whenPresent, .required] {
        do throws(SafetensorsError) { _ = try SafetensorsFile(path: file, verify: verify) } catch {
          #expect(!error.description.contains("\n"))
        }
      }
    }
  }
}
