import Core

/// `1,234,567`.
func grouped(_ number: some BinaryInteger) -> String {
  let text = String(number)
  let digits = text.drop { $0 == "-" }
  var out = String(text.prefix(text.count - digits.count))
  for (index, digit) in digits.enumerated() {
    if index > 0, (digits.count - index) % 3 == 0 { out += "," }
    out.append(digit)
  }
  return out
}

/// `1 file`, `2 files`, `1,300 files`.
func counted(_ number: some BinaryInteger, _ noun: String, plural: String? = nil) -> String {
  "\(grouped(number)) \(number == 1 ? noun : plural ?? noun + "s")"
}

/// `812 B`, `48.2 MB`: three digits, powers of 1000.
func byteText(_ byteCount: Int64) -> String {
  var value = Double(byteCount)
  guard value >= 1000 else { return "\(byteCount) B" }
  var unit = ""
  for next in ["kB", "MB", "GB", "TB", "PB"] where value >= 999.5 {
    value /= 1000
    unit = next
  }
  return "\(threeDigits(value)) \(unit)"
}

/// `850 ms`, `3.2 s`, `1 min 05 s`, `2 h 03 min`.
func durationText(_ seconds: Double) -> String {
  if seconds < 0.9995 { return "\(Int((max(0, seconds) * 1000).rounded())) ms" }
  if seconds < 59.95 { return "\(fixed(seconds, decimals: 1)) s" }
  let whole = Int(seconds.rounded())
  func two(_ number: Int) -> String { String(number).paddedLeft(to: 2, with: "0") }
  if whole < 3600 { return "\(whole / 60) min \(two(whole % 60)) s" }
  return "\(whole / 3600) h \(two(whole / 60 % 60)) min"
}

/// `2024-01-02 05:12:03`, UTC.
func timeText(_ instant: Instant) -> String {
  Instant(seconds: instant.microseconds.floorDivided(by: 1_000_000)).sqlText
}

private func threeDigits(_ value: Double) -> String {
  fixed(value, decimals: value < 9.995 ? 2 : value < 99.95 ? 1 : 0)
}

private func fixed(_ value: Double, decimals: Int) -> String {
  let factor = (0..<decimals).reduce(1) { factor, _ in factor * 10 }
  let scaled = Int((value * Double(factor)).rounded())
  guard decimals > 0 else { return String(scaled) }
  let rest = String(scaled % factor).paddedLeft(to: decimals, with: "0")
  return "\(scaled / factor).\(rest)"
}
