// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import HTTPMessages
import HTTPTypes
import KubeModel
import Scaling

/// Serves the signals of models with engine `HorizontalPodAutoscaler` as `external.metrics.k8s.io/v1beta1`.
///
/// Missing is not zero: where a value is missing or stale, it answers 404 with the reason, and an HPA holds its count.
/// It asks nobody who the caller is: what listens on the network must, before it hands a request over.
struct ExternalMetricsAPI: HTTPExchange {
    /// Group and version.
    static let groupVersion = "external.metrics.k8s.io/v1beta1"
    private static let root = "/apis/\(groupVersion)"

    /// The readings.
    let state: ScalingState
    /// The time.
    let time: any TimeSource

    /// Answers discovery and the values of a metric; anything else with a `Status`.
    func exchange(_ request: HTTPRequestMessage) async throws -> HTTPResponseMessage {
        do {
            return Self.response(.ok, try answer(request))
        } catch let status as APIStatus {
            return Self.response(HTTPResponse.Status(code: status.code), status.json)
        }
    }

    private func answer(_ request: HTTPRequestMessage) throws -> JSONValue {
        guard request.head.method == .get else {
            throw APIStatus(
                code: 405,
                reason: "MethodNotAllowed",
                message: "\(Self.groupVersion) can only be read: use GET"
            )
        }
        if request.path == Self.root || request.path == Self.root + "/" { return Self.resources }
        guard request.path.hasPrefix(Self.root + "/namespaces/") else { throw Self.unknownPath }
        let parts = request.path.dropFirst(Self.root.utf8.count).split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 4, let namespace = Self.decoded(parts[2]), let name = Self.decoded(parts[3]) else {
            throw Self.unknownPath
        }
        guard let signal = ExternalMetric.signal(named: name) else {
            let known = Signal.allCases.map(ExternalMetric.name).joined(separator: ", ")
            throw Self.notFound("no metric \"\(name.prefix(100))\" is served; there are \(known)")
        }
        return try values(signal, namespace: namespace, selector: try Self.selector(request.query))
    }

    /// The values of all models that match; one without a value fails them all, since an HPA adds them up.
    private func values(_ signal: Signal, namespace: String, selector: LabelSelector) throws -> JSONValue {
        let now = time.now()
        let name = ExternalMetric.name(of: signal)
        let models = state.offered(namespace: namespace).filter {
            selector.matches([FleetAPI.modelLabel: $0.key.name])
        }
        if models.isEmpty {
            throw Self.notFound(
                "\(name): no model in namespace \(namespace.prefix(63)) that matches is scaled by engine "
                    + "HorizontalPodAutoscaler and has been read; the selector is \(FleetAPI.modelLabel)=NAME"
            )
        }
        let items = try models.map { model -> JSONValue in
            guard let reading = model.readings[signal] else {
                throw Self.notFound("\(name): no ready replica of model \(model.key.name) reports it")
            }
            let age = now - reading.time
            guard age <= ModelSignals.staleAfter else {
                throw Self.notFound(
                    "\(name): the last reading of model \(model.key.name) is \(Int(age.inSeconds)) s old"
                )
            }
            return [
                "metricName": .string(name), "metricLabels": [FleetAPI.modelLabel: .string(model.key.name)],
                "timestamp": .string(reading.time.rfc3339),
                "value": .string("\(Int((reading.total * 1000).rounded(.up)))m"),
            ]
        }
        return [
            "kind": "ExternalMetricValueList", "apiVersion": .string(Self.groupVersion), "metadata": [:],
            "items": .array(items),
        ]
    }

    private static let resources: JSONValue = [
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": .string(groupVersion),
        "resources": .array(
            Signal.allCases.map { signal in
                [
                    "name": .string(ExternalMetric.name(of: signal)), "singularName": "", "namespaced": true,
                    "kind": "ExternalMetricValueList", "verbs": ["get"],
                ]
            }
        ),
    ]

    private static var unknownPath: APIStatus {
        notFound("try \(root) or \(root)/namespaces/NAMESPACE/METRIC?labelSelector=\(FleetAPI.modelLabel)=NAME")
    }

    private static func notFound(_ message: String) -> APIStatus {
        APIStatus(code: 404, reason: "NotFound", message: message)
    }

    /// The label selector of a query; everything when there is none.
    private static func selector(_ query: Substring) throws -> LabelSelector {
        guard let text = query.split(separator: "&").first(where: { $0.hasPrefix("labelSelector=") }) else {
            return .everything
        }
        do {
            guard let text = decoded(text.dropFirst("labelSelector=".utf8.count), plusIsSpace: true) else {
                throw APIStatus(code: 400, reason: "BadRequest", message: "labelSelector is not percent-encoded UTF-8")
            }
            return try LabelSelector(parsing: text)
        } catch let error as SelectorError {
            throw APIStatus(code: 400, reason: "BadRequest", message: "labelSelector: \(error)")
        }
    }

    /// The text of a part of a URL; `nil` for broken percent signs or bytes that aren't UTF-8.
    private static func decoded(_ text: Substring, plusIsSpace: Bool = false) -> String? {
        var bytes: [UInt8] = []
        var rest = text.utf8
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%") {
                let digits = rest.prefix(2)
                guard digits.count == 2, let high = Character(Unicode.Scalar(digits[digits.startIndex])).hexDigitValue,
                    let low = Character(Unicode.Scalar(digits[digits.index(after: digits.startIndex)])).hexDigitValue
                else { return nil }
                bytes.append(UInt8(high * 16 + low))
                rest = rest.dropFirst(2)
            } else {
                bytes.append(plusIsSpace && byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func response(_ status: HTTPResponse.Status, _ json: JSONValue) -> HTTPResponseMessage {
        HTTPResponseMessage(status: status, contentType: "application/json", bytes: json.encoded())
    }
}
