import Core
import Kernels

public enum FormatDomain: FailureDomain {
  public static let name = "format"
}

/// What reading a file reports: the file, the line, what went wrong, what to do.
public typealias FormatError = Failure<FormatDomain>

extension Failure.Code where Domain == FormatDomain {
  /// A row does not fit its format, and the source says `malformed: fail`.
  public static var malformed: Self { .init(rawValue: "malformed") }
  /// The header lacks a declared column, or names one twice.
  public static var badHeader: Self { .init(rawValue: "badHeader") }
  /// The packed bytes are cut off, contradict their checksum, or are not what they claim.
  public static var damaged: Self { .init(rawValue: "damaged") }
  /// The file is not the one that was listed, or changed while it was read.
  public static var changed: Self { .init(rawValue: "changed") }
  public static var notFound: Self { .init(rawValue: "notFound") }
  /// A directory or device where a file should be.
  public static var notAFile: Self { .init(rawValue: "notAFile") }
  /// The system refuses to open or read.
  public static var unreadable: Self { .init(rawValue: "unreadable") }
  /// The format itself makes no sense.
  public static var badFormat: Self { .init(rawValue: "badFormat") }
  /// Rejected rows cannot be written aside.
  public static var spill: Self { .init(rawValue: "spill") }
}

extension Failure where Domain == FormatDomain {
  /// A file that is no longer the one that was opened.
  public static func changed(_ file: InputFile) -> FormatError {
    FormatError(
      .changed, "the file was changed while it was read", at: Place(file: file.name),
      advice: "write new files under new names, and run again")
  }

  /// A damaged packed file, in words for people.
  static func damaged(_ error: CompressionError, file: String) -> FormatError {
    let advice =
      switch error.reason {
      case .notCompressed: "correct the source's `compression`, or the file's name"
      case .trailingGarbage: "remove what follows, or replace the file at its source"
      default: "fetch it again, or have it replaced at its source"
      }
    return FormatError(
      .damaged, "the file \(error)", at: Place(file: file), advice: advice)
  }
}
