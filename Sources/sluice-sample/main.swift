#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

exit(SampleCommand.run(Array(CommandLine.arguments.dropFirst())))
