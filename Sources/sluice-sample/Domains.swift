/// A wiki's code in the dumps, and how its titles are written.
struct Domain {
  let code: String
  let script: Script
}

/// The domains of an hour, most visited first: about 1,300, shared out like the real ones.
///
/// A code is a language with `.m` for the mobile site and a letter for the project: `en`, `en.m`,
/// `en.d` (Wiktionary), `en.m.d`.
enum Domains {
  static let byTraffic: [Domain] = {
    var scored: [(score: Double, domain: Domain)] = []
    let languages = languageCodes.split(separator: " ").map(String.init)
    for (place, language) in languages.enumerated() {
      for site in sites where place < site.languages {
        let domain = Domain(code: language + site.suffix, script: Script(language: language))
        scored.append((Double(place + 1) * site.weight, domain))
      }
    }
    for (place, code) in specialCodes.split(separator: " ").enumerated() {
      scored.append((Double(14 + place * 16), Domain(code: String(code), script: .latin)))
    }
    // The code decides between equal scores, so that the order does not hang on the sort.
    scored.sort { ($0.score, $0.domain.code) < ($1.score, $1.domain.code) }
    return scored.map(\.domain)
  }()

  /// How many of `count` lines each domain of `byTraffic` has; the sum is `count`.
  static func shares(of count: Int) -> [Int] {
    let weights = byTraffic.indices.map { place -> Double in
      let shifted = Double(place) + 3.5
      // shifted^-1.8 without libm, whose last digit differs between systems: x^-2 * x^(1/5).
      return fifthRoot(shifted) / (shifted * shifted)
    }
    let total = weights.reduce(0, +)
    let least = count >= 4 * byTraffic.count ? 1 : 0
    var shares = weights.map { max(least, Int($0 / total * Double(count))) }
    shares[0] += count - shares.reduce(0, +)
    return shares
  }

  private static func fifthRoot(_ x: Double) -> Double {
    var root = x
    for _ in 0..<60 {
      let fourth = root * root * root * root
      root = (4 * root + x / fourth) / 5
    }
    return root
  }

  /// Suffix, how many languages have the site, and how much rarer its visits are.
  private static let sites: [(suffix: String, languages: Int, weight: Double)] = [
    ("", 310, 1), (".m", 310, 1.2), (".d", 140, 9), (".m.d", 140, 11), (".s", 48, 22),
    (".m.s", 48, 30), (".b", 62, 28), (".m.b", 62, 38), (".q", 56, 26), (".m.q", 56, 34),
    (".n", 24, 60), (".v", 14, 60), (".voy", 18, 45), (".m.voy", 18, 50),
  ]

  private static let specialCodes = """
    commons.m www.wd commons.m.m meta.m m.wd incubator.m species.m www.w meta.m.m \
    species.m.m www.f advisory.m outreach.m incubator.m.m advisory.m.m
    """

  /// Wikipedia's language codes, roughly by traffic.
  private static let languageCodes = """
    en ja de es ru fr it zh pt pl ar nl fa id tr cs sv he ko uk vi hu fi el ro no da th hi bg sk \
    simple hr ca sr lt bn sl et az ms kk ta ka lv mr te ml sq eu gl uz hy be mk is bs ur kn gu pa \
    tl af si ne my km mn sw cy ky lb la eo sh arz zh-yue ckb tg am ga tt ba jv su sco oc ast an br \
    nn fy als bar ku yi ps sd so yo ha ig zu xh st sn rw mg ln ht qu ay gn nah scn nap vec lmo pms \
    lij fur sc co rm wa li nds nds-nl frr stq vls zea pdc ksh lld eml rgn pcd frp nrm roa-tara \
    ace bjn ban min map-bms bug ceb war ilo pam pag bcl cbk-zam tet ch haw mi sm to ty fj na pih \
    bi tpi hif azb mzn glk lrc pnb ug ce cv os ab ady kbd av lez inh krc xal tyv sah bxr mhr mrj \
    myv mdf udm kv koi crh gag diq lad ext mwl arc cu got ang enm ia ie io vo nov jbo lfn avk kab \
    shi zgh ary aeb din ee ff ki kg lg lo bo dz as or sa bh mai new pi dty bpy awa gom tcy sat mni \
    ks dv za ii wuu gan hak cdo zh-classical zh-min-nan szl csb hsb dsb rue be-tarask rmy \
    atj cr chy chr ik iu kl nv mus cho ts ve tn tw ss nso ny om ti tum sg rn bm wo ak srn pap gcr \
    gor mad nia blk shn mnw anp bew btm dga fon gpe guc guw gur igl kcg kus knc mos nr nup pcm pwn \
    rsk rup sgs skr smn szy tay tdd tig tly trv vep vro xmf smj se fo gd gv kw lbe alt \
    hyw inc avs bat-smg fiu-vro
    """
}

/// The writing systems that titles are made in.
enum Script: Int, CaseIterable {
  case latin, cyrillic, greek, arabic, hebrew, devanagari, bengali, thai, georgian, armenian
  case kana, han, hangul

  init(language: String) {
    switch language {
    case "ru", "uk", "be", "be-tarask", "bg", "sr", "mk", "kk", "ky", "mn", "tg", "tt", "ba", "ce",
      "cv", "os", "ab", "ady", "kbd", "av", "lez", "inh", "krc", "xal", "tyv", "sah", "bxr", "mhr",
      "mrj", "myv", "mdf", "udm", "kv", "koi", "rue", "cu", "lbe", "alt":
      self = .cyrillic
    case "el": self = .greek
    case "ar", "fa", "arz", "ur", "ps", "ckb", "sd", "azb", "mzn", "glk", "lrc", "pnb", "ug", "ks",
      "ary", "aeb", "skr":
      self = .arabic
    case "he", "yi": self = .hebrew
    case "hi", "mr", "ne", "sa", "bh", "mai", "new", "pi", "dty", "awa", "gom", "anp":
      self = .devanagari
    case "bn", "as", "bpy": self = .bengali
    case "th": self = .thai
    case "ka", "xmf": self = .georgian
    case "hy", "hyw": self = .armenian
    case "ja": self = .kana
    case "zh", "zh-yue", "zh-classical", "wuu", "gan": self = .han
    case "ko": self = .hangul
    default: self = .latin
    }
  }
}
