// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HTTPMessages
import HTTPTypes
import KubeModel

/// One request with its parts decoded and its body read.
struct ServerRequest: Sendable {
    /// The head as it was sent.
    var head: HTTPRequest
    /// The method.
    var method: HTTPRequest.Method
    /// The decoded parts of the path.
    var parts: [String]
    /// The query.
    var query: QueryItems
    /// The form of answer that the client wants.
    var accept: AcceptHeader
    /// The media type of the body, without parameters; empty when missing.
    var contentType: String
    /// Who sends it: the product name of `User-Agent`.
    var agent: String
    /// Who asks.
    var caller: Caller
    /// The body.
    var body: [UInt8]

    /// Decodes the head.
    init(_ message: HTTPRequestMessage, body: [UInt8]) {
        head = message.head
        method = message.head.method
        parts = message.path.split(separator: "/", omittingEmptySubsequences: true).map { PercentCoding.decoded($0) }
        query = QueryItems(message.query)
        accept = AcceptHeader(message.head.headerFields[.accept])
        let type = message.head.headerFields[.contentType] ?? ""
        contentType = String(type.prefix { $0 != ";" }.filter { $0 != " " }).lowercased()
        let product = (message.head.headerFields[.userAgent] ?? "").prefix { $0 != "/" }
        agent = product.isEmpty ? "unknown" : String(product.prefix(128))
        caller = Caller.reading(message.head.headerFields)
        self.body = body
    }

    /// The options of a write; `kind` names them in errors: `CreateOptions`.
    func writeOptions(_ kind: String, isApply: Bool = false) throws(APIStatus) -> WriteOptions {
        var causes: [APIStatus.Cause] = []
        let manager = query["fieldManager"].flatMap { $0.isEmpty ? nil : $0 }
        if isApply, manager == nil {
            causes.append(.required("fieldManager", "is required for apply patch"))
        }
        if let manager, manager.utf8.count > 128 {
            causes.append(
                APIStatus.Cause(
                    reason: "FieldValueTooLong",
                    message: "Too long: may not be more than 128 bytes",
                    field: "fieldManager"
                )
            )
        }
        var options = WriteOptions(manager: manager ?? agent)
        let dryRuns = query.all("dryRun").filter { !$0.isEmpty }
        if dryRuns.contains(where: { $0 != "All" }) {
            causes.append(.unsupported("dryRun", .array(dryRuns.map(JSONValue.string)), supported: ["All"]))
        }
        options.dryRun = !dryRuns.isEmpty
        options.force = query["force"] == "true"
        if options.force, kind == "PatchOptions", !isApply {
            causes.append(.forbidden("force", "may not be specified for non-apply patch"))
        }
        let level = query["fieldValidation"] ?? ""
        if let validation = WriteOptions.Validation(rawValue: level) {
            options.validation = validation
        } else if !level.isEmpty {
            causes.append(
                .unsupported("fieldValidation", .string(level), supported: ["", "Ignore", "Strict", "Warn"])
            )
        }
        if !causes.isEmpty { throw .invalidOptions(kind, causes) }
        return options
    }
}
