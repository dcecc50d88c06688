#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

@main
enum Sluice {
  static func main() { exit(Command.main(Array(CommandLine.arguments.dropFirst()))) }
}
