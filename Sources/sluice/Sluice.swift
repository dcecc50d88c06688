import Kernels

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

@main
enum Sluice {
  static func main() {
    // Planning a large source leaves holes behind that the run would only add to.
    mapLargeBlocks(ofAtLeast: 4 << 20)
    exit(Command.main(Array(CommandLine.arguments.dropFirst())))
  }
}
