// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HTTPMessages
import HTTPTypes
import KubeModel
import YAML

/// What a handler answers, before it becomes an HTTP response.
struct ServerAnswer: Sendable {
    /// The HTTP status.
    var status: HTTPResponse.Status = .ok
    /// The body.
    var body: StreamingBody
    /// The body's JSON text, where it is there as a whole.
    private var json: [UInt8]?
    /// The media type.
    var contentType = "application/json"
    /// `Warning` headers.
    var warnings: [String] = []
    /// Further header fields.
    var fields: HTTPFields = [:]

    /// A JSON answer.
    init(_ json: JSONValue, status: HTTPResponse.Status = .ok, warnings: [String] = []) {
        self.init(json: json.encoded(), status: status, warnings: warnings)
    }

    /// An answer whose JSON text is there already.
    init(json bytes: [UInt8], status: HTTPResponse.Status = .ok, warnings: [String] = []) {
        self.status = status
        self.warnings = warnings
        body = StreamingBody(bytes)
        json = bytes
    }

    /// A text answer.
    init(text: String, status: HTTPResponse.Status = .ok) {
        self.status = status
        contentType = "text/plain; charset=utf-8"
        body = StreamingBody(Array(text.utf8))
    }

    /// An answer with a body that is still arriving.
    init(stream: StreamingBody, contentType: String) {
        body = stream
        self.contentType = contentType
    }

    /// A failure.
    init(_ failure: APIStatus) {
        self.init(failure.responseJSON, status: HTTPResponse.Status(code: failure.code))
        if let seconds = failure.retryAfterSeconds { fields[.retryAfter] = String(seconds) }
    }

    /// The same answer in YAML; what isn't JSON, or is still arriving, stays as it is.
    var inYAML: ServerAnswer {
        guard let json, contentType == "application/json", let value = try? JSONValue(parsing: json) else {
            return self
        }
        var answer = self
        answer.json = nil
        answer.body = StreamingBody(Array(YAMLWriter(order: .sorted).text(value).utf8))
        answer.contentType = "application/yaml"
        return answer
    }

    /// The response.
    var response: HTTPResponseMessage {
        var all = fields
        all[.contentType] = contentType
        if all[.cacheControl] == nil { all[.cacheControl] = "no-cache, private" }
        for warning in WarningTexts.bounded(warnings) {
            all.append(HTTPField(name: .warning, value: "299 - \(JSONValue.string(warning).jsonText)"))
        }
        return HTTPResponseMessage(head: HTTPResponse(status: status, headerFields: all), body: body)
    }
}

extension HTTPField.Name {
    /// `Warning`, which Kubernetes uses for sentences to the user.
    static let warning: HTTPField.Name = {
        guard let name = HTTPField.Name("Warning") else { preconditionFailure("Warning is a valid field name") }
        return name
    }()
}
