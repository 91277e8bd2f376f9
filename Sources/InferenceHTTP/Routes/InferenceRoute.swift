// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// A model, and maybe a version, as a path names them.
struct ModelAddress: Hashable {
    /// The name, decoded.
    var name: String
    /// The version, decoded; `nil` for whichever is served.
    var version: String?
}

/// What a path asks for.
///
/// | path | route |
/// | --- | --- |
/// | `/v2/health/live`, `/v2/health/ready` | live, ready |
/// | `/v2` | server |
/// | `/v2/models/N[/versions/V]` | modelMetadata |
/// | `/v2/models/N[/versions/V]/ready` | modelReady |
/// | `/v2/models/N[/versions/V]/infer` | infer |
/// | `/v1/models/N[/versions/V]` | modelStatus |
/// | `/v1/models/N[/versions/V]:predict` | predict |
/// | `/metrics` | metrics |
enum InferenceRoute: Hashable {
    /// Whether the process answers.
    case live
    /// Whether the model takes work.
    case ready
    /// The server's name, version and extensions.
    case server
    /// The Prometheus page.
    case metrics
    /// Inputs and outputs.
    case modelMetadata(ModelAddress)
    /// Whether this model takes work.
    case modelReady(ModelAddress)
    /// TensorFlow Serving's status of a model.
    case modelStatus(ModelAddress)
    /// A prediction, Open Inference Protocol.
    case infer(ModelAddress)
    /// A prediction, TensorFlow Serving.
    case predict(ModelAddress)

    /// Reads a path as it was sent; `nil` where nothing is.
    init?(path: Substring) {
        var parts = path.split(separator: "/").map(String.init)
        if path.hasSuffix("/") && path.count > 1 && parts.isEmpty { return nil }
        switch parts {
        case ["metrics"]: self = .metrics
        case ["v2"]: self = .server
        case ["v2", "health", "live"]: self = .live
        case ["v2", "health", "ready"]: self = .ready
        default:
            guard parts.count >= 3, parts[1] == "models" else { return nil }
            let isV1 = parts[0] == "v1"
            guard isV1 || parts[0] == "v2" else { return nil }
            var verb: String?
            if isV1, let last = parts.last, let colon = last.lastIndex(of: ":") {
                verb = String(last[last.index(after: colon)...])
                parts[parts.count - 1] = String(last[..<colon])
            } else if !isV1, let last = parts.last, parts.count == 4 || parts.count == 6 {
                verb = last
                parts.removeLast()
            }
            guard let address = Self.address(parts[2...]) else { return nil }
            switch (isV1, verb) {
            case (true, nil): self = .modelStatus(address)
            case (true, "predict"): self = .predict(address)
            case (false, nil): self = .modelMetadata(address)
            case (false, "ready"): self = .modelReady(address)
            case (false, "infer"): self = .infer(address)
            default: return nil
            }
        }
    }

    /// The model that the path names.
    var address: ModelAddress? {
        switch self {
        case .live, .ready, .server, .metrics: nil
        case .modelMetadata(let address), .modelReady(let address), .modelStatus(let address), .infer(let address),
            .predict(let address):
            address
        }
    }

    /// Whether it is a POST that runs the model.
    var isPrediction: Bool {
        switch self {
        case .infer, .predict: true
        default: false
        }
    }

    private static func address(_ parts: ArraySlice<String>) -> ModelAddress? {
        let parts = Array(parts)
        guard let first = parts.first, let name = decodingPercents(first), !name.isEmpty else { return nil }
        if parts.count == 1 { return ModelAddress(name: name, version: nil) }
        guard parts.count == 3, parts[1] == "versions", let version = decodingPercents(parts[2]) else { return nil }
        return ModelAddress(name: name, version: version)
    }

    private static func decodingPercents(_ text: String) -> String? {
        guard text.utf8.contains(UInt8(ascii: "%")) else { return text }
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) else {
                return nil
            }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
