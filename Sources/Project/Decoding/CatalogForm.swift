import Core

extension CatalogSettings {
  /// `storage`, or a mapping with `use`.
  static var form: Form<CatalogSettings> {
    .either(
      short: Form<CatalogSettings.Kind>.word.map(placeholder: .storage) { kind, node, reader in
        if kind == .storage { return .storage }
        reader.fail(
          .missingKey, "a REST catalog needs its address", at: node.mark,
          advice: "write catalog: {use: rest, uri: https://…}")
        return nil
      }.described(as: Form<String>.substitutable(["enum": ["storage"]])),
      long: .object { keys in
        let kind = keys.required(
          "use", Form<CatalogSettings.Kind>.word,
          "storage: metadata in the lake itself; rest: an Iceberg REST catalog.")
        let settings = RestCatalogSettings(
          uri: keys.optional("uri", .catalogAddress, "rest: its address, without /v1.") ?? "",
          warehouse: keys.optional("warehouse", .text, "rest: what it calls the place of tables."),
          prefix: keys.optional(
            "prefix", .text, "rest: a part of its paths; left out, it says so itself."),
          token: keys.optional("token", .secret, "rest: a bearer token, such as ${CATALOG_TOKEN}."),
          credential: keys.optional(
            "credential", .secret, "rest: id:secret of OAuth 2 client credentials."),
          oauthURI: keys.optional(
            "oauth2_uri", .catalogAddress, "rest: the token endpoint; left out, the catalog's own."),
          scope: keys.optional(
            "scope", .text, default: "catalog", "rest: the scope that tokens are asked for."),
          sigV4Service: keys.optional(
            "sigv4", .text,
            "rest: sign requests with AWS credentials for this service, such as glue or s3tables."),
          region: keys.optional("region", .text, "rest: the AWS region of these signatures."))
        keys.verify { reader in check(kind, settings, keys, reader) }
        return kind == .rest ? .rest(settings) : .storage
      })
  }

  private static func check(
    _ kind: Kind, _ settings: RestCatalogSettings, _ keys: Keys, _ reader: Reader
  ) {
    let identities = ["token", "credential", "sigv4"].filter { keys.mark(of: $0) != nil }
    if kind == .storage {
      keys.refuse(
        ["uri", "warehouse", "prefix", "oauth2_uri", "scope", "region"] + identities,
        because: "belongs to 'use: rest'")
      return
    }
    if keys.mark(of: "uri") == nil {
      reader.fail(.missingKey, "'uri' is missing here", at: keys.mark)
    }
    if identities.count > 1 {
      reader.fail(
        .badValue, "'\(identities[0])' and '\(identities[1])' exclude each other",
        at: keys.mark(of: identities[1]) ?? keys.mark)
    }
    if let credential = settings.credential, !credential.contains(":") {
      reader.fail(
        .badValue, "'credential' must be id:secret", at: keys.mark(of: "credential") ?? keys.mark)
    }
    if settings.sigV4Service != nil, settings.region == nil {
      reader.fail(
        .missingKey, "'region' is missing here", at: keys.mark, advice: "'sigv4' needs it")
    }
  }
}

extension Form where Value == String {
  static var catalogAddress: Form {
    .scalar(
      placeholder: "", expects: "a web address such as https://catalog.example.com",
      schema: substitutable(["type": "string", "pattern": "^https?://."])
    ) { scalar in
      scalar.text.hasPrefix("https://") || scalar.text.hasPrefix("http://") ? scalar.text : nil
    }
  }

  /// Text that no message shows.
  static var secret: Form {
    text.map(placeholder: "") { text, _, _ in
      Redaction.shared.register(text)
      return text
    }
  }
}
