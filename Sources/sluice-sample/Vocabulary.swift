import Synchronization

/// The titles of one writing system: every `first` joined with every `last`.
///
/// A title's number orders as its bytes do, because first words end in `_` and hold no other one.
/// So a dump in byte order costs no sorting.
struct Vocabulary {
  /// First words, each with its `_`, ascending in byte order.
  let firsts: WordList
  /// Last words, ascending in byte order.
  let lasts: WordList
  /// Pages that every large domain of the script has and many people visit, ascending by number;
  /// place 0 is the main page.
  let famous: [(title: Int, place: Int)]

  var titleCount: Int { firsts.count * lasts.count }

  private static let made = Mutex<[Script: Vocabulary]>([:])

  /// The vocabulary of a script, made when it is first asked for.
  static func of(_ script: Script) -> Vocabulary {
    made.withLock { made in
      if let known = made[script] { return known }
      let new = Vocabulary(script)
      made[script] = new
      return new
    }
  }

  /// 4,096 first and 4,096 last words, the same for every run.
  private init(_ script: Script) {
    var random = SplitMix(0x51 &+ UInt64(script.rawValue))
    var firsts = Set<[UInt8]>()
    var lasts = Set<[UInt8]>()
    let syllables = script.syllables.split(separator: " ").map { Array($0.utf8) }
    if script == .latin {
      firsts.formUnion(Vocabulary.knownFirsts.split(separator: " ").map { Array($0.utf8) })
      lasts.formUnion(Vocabulary.knownLasts.split(separator: " ").map { Array($0.utf8) })
    }
    // What real titles have and parsers stumble over: quotes that never close, percent signs
    // that encode nothing, bytes that are not UTF-8 once decoded.
    lasts.formUnion(Vocabulary.oddLasts.split(separator: " ").map { Array($0.utf8) })
    firsts.formUnion([Array("\"The".utf8), Array("\"Weird".utf8), Array("%C3%89cole".utf8)])

    while firsts.count < 4096 {
      var word = Vocabulary.word(from: syllables, capital: script == .latin, &random)
      // One word in 64 is percent-encoded, as old links write it.
      if random.next(below: 64) == 0 { word = Vocabulary.percentEncoded(word) }
      firsts.insert(word)
    }
    while lasts.count < 4096 {
      var word = Vocabulary.word(from: syllables, capital: random.next(below: 2) == 0, &random)
      switch random.next(below: 48) {
      case 0: word = Array("(".utf8) + word + Array(")".utf8)
      case 1: word = word + Array(",_".utf8) + Array(String(1800 + random.next(below: 230)).utf8)
      case 2: word = Vocabulary.percentEncoded(word)
      default: break
      }
      lasts.insert(word)
    }
    self.firsts = WordList(firsts.map { $0 + [0x5F] })
    self.lasts = WordList(Array(lasts))
    let (allFirsts, allLasts) = (self.firsts, self.lasts)
    famous = Vocabulary.famousPages.split(separator: " ").enumerated().compactMap { place, page in
      let words = page.split(separator: "_", maxSplits: 1)
      guard let first = allFirsts.index(of: Array((words[0] + "_").utf8)),
        let last = allLasts.index(of: Array(words[1].utf8))
      else { return nil }
      return (first * allLasts.count + last, place)
    }.sorted { $0.title < $1.title }
  }

  private static func word(
    from syllables: [[UInt8]], capital: Bool, _ random: inout SplitMix
  ) -> [UInt8] {
    var word: [UInt8] = []
    for _ in 0...(1 + random.next(below: 3)) {
      word += syllables[random.next(below: syllables.count)]
    }
    if capital, word[0] >= 0x61, word[0] <= 0x7A { word[0] -= 0x20 }
    return word
  }

  private static func percentEncoded(_ word: [UInt8]) -> [UInt8] {
    let digits = Array("0123456789ABCDEF".utf8)
    var encoded: [UInt8] = []
    for byte in word {
      if byte < 0x80 && byte != 0x28 && byte != 0x29 {
        encoded.append(byte)
      } else {
        encoded += [0x25, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      }
    }
    return encoded
  }

  /// Of words from the two lists below; other scripts lack them.
  private static let famousPages = """
    Main_Page Ada_Lovelace Marie_Curie Albert_Einstein Isaac_Newton Grace_Hopper Alan_Turing \
    Wolfgang_Mozart Johann_Bach Ludwig_Beethoven Football_World_Cup_2026 History_of_Japan \
    List_of_India Economy_of_France Queen_Elizabeth_II Battle_of_Waterloo Museum_of_Modern_Art \
    Lake_Victoria Mount_Everest International_Space_Station
    """

  private static let knownFirsts = """
    Main List History Battle Geography Economy University Museum Church Castle Lake Mount River \
    Saint New North South East West Great Little Upper Lower Old Royal National International \
    World First Second Third King Queen Prince Princess John Mary Anna Peter Paul James William \
    George Football Elizabeth Charles Louis Maria Marie Albert Isaac Ada Grace Alan Ludwig Johann \
    Wolfgang Special:Contributions Talk:Main User:Example File:Flag Category:Living Template:Infobox \
    Help:Getting Wikipedia:Village Portal:Current
    """

  private static let knownLasts = """
    Page Pictures (film) (album) (song) (disambiguation) River Island County Museum Party Cup \
    League Championship season station airport bridge cathedral language people cuisine music \
    cinema football cricket chess 2023 2024 World_Cup_2026 of_the_United_States of_France \
    of_Japan of_India of_the_Rings in_the_20th_century and_Sons Newton Lovelace Hopper Turing \
    Mozart Curie Einstein Bach Beethoven Windsor Elizabeth_II of_Waterloo of_Modern_Art Victoria \
    Everest Space_Station
    """

  private static let oddLasts = """
    "Live "Blue" (The_"Best") O'Neill AT&T C++ 100% 50%_off %ZZ %E9 %C3%A9t%C3%A9 %22Live%22 \\N \
    a,b ;drop "" %25 %2 é ß 🎈
    """
}

extension Script {
  /// What words of the script are put together from.
  fileprivate var syllables: String {
    switch self {
    case .latin:
      """
      ba be bi bo ca ce co da de di do el en er fa fi ga ge go ha he hi in is ja jo ka ke ki ko la \
      le li lo lu ma me mi mo na ne ni no or pa pe po ra re ri ro ru sa se si so sta ta te ti to \
      tra tri un va ve vi vo wa we za an ar on ton berg ville é è ü ö ä å ø ñ ç š ž ł ı ő
      """
    case .cyrillic:
      "ба ве ги до жи за ик ка ла ми но ов па ра ски та ун фи ха ца чи шо щи эль ю я ё"
    case .greek: "αλ βα γε δη εν ζω ημ θε ις κα λο μα νι ξε ος πα ρι στ τη υπ φω χα ψη ων ά έ ή"
    case .arabic: "ال مد ين ست بر كا نو دي سل قم را مح عب جا فر شه تا زا خو گر پا چه"
    case .hebrew: "אב בי גל דו הר וי זה חי טו יש כל לא מה נו סי עם פה צב קו רא שם תל"
    case .devanagari: "का रा मा ती दे वि शा नी पु गं हि भा जय सू लो बि"
    case .bengali: "বা কা রি মা শি দে নী পু গ ঢা লো সু জয় হি"
    case .thai: "กา มะ นา สุ ไท เมือง บาง พระ รา ชา วัด ศรี"
    case .georgian: "ბა გე დი ვა თბ ილ კა მე ნო პრ რუ სა ქა ში ცხ"
    case .armenian: "Ար եր վա նա հա մո կի սու րա տե լի գո"
    case .kana: "ア カ サ タ ナ ハ マ ヤ ラ ワ ン の と 日 本 東 京 大 学 山 川 駅 市 県 町 田 中 島"
    case .han: "中 国 大 学 北 京 上 海 山 水 人 民 天 地 东 西 南 文 明 史 王 李 张 世 界 城 市 江 湖 龙"
    case .hangul: "가 나 다 라 마 바 사 아 자 대 한 민 국 서 울 부 산 전 주 수 원 김 이 박"
    }
  }
}

/// Words of differing lengths in one block of memory, ascending in byte order.
struct WordList {
  private(set) var bytes: [UInt8] = []
  /// Where each word begins; one more entry says where the last one ends.
  private(set) var offsets: [Int32] = [0]

  init(_ words: [[UInt8]]) {
    for word in words.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
      bytes += word
      offsets.append(Int32(bytes.count))
    }
  }

  var count: Int { offsets.count - 1 }

  func word(at index: Int) -> ArraySlice<UInt8> {
    bytes[Int(offsets[index])..<Int(offsets[index + 1])]
  }

  func index(of word: [UInt8]) -> Int? {
    (0..<count).first { self.word(at: $0).elementsEqual(word) }
  }
}
