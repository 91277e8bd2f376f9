// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HTTPMessages
import HTTPTypes
import KubeModel

/// Finds the handler of a path.
struct Router: Sendable {
    /// The state of the server.
    let state: StateBox
    /// What the server was made of.
    let configuration: APIServerConfiguration
    /// The OpenAPI documents that were made so far.
    let openAPIDocuments: OpenAPIDocuments

    /// Answers any request that was let in.
    func answer(_ request: ServerRequest) async throws(APIStatus) -> ServerAnswer {
        let parts = request.parts
        switch parts.first {
        case "api" where parts.count > 2:
            return try await resource(request, group: "", version: parts[1], rest: parts.dropFirst(2))
        case "apis" where parts.count > 3:
            return try await resource(request, group: parts[1], version: parts[2], rest: parts.dropFirst(3))
        case "apis" where parts.count == 3 && proxies(group: parts[1], version: parts[2]):
            return try await proxy.answer(request, group: parts[1], version: parts[2])
        default: break
        }
        if parts == ["version"], request.method != .get { throw .methodNotAllowed }
        guard request.method == .get || request.method == .head else { return Self.pageNotFound }
        return try await document(request)
    }

    private func resource(
        _ request: ServerRequest,
        group: String,
        version: String,
        rest: ArraySlice<String>
    ) async throws(APIStatus) -> ServerAnswer {
        if proxies(group: group, version: version) {
            return try await proxy.answer(request, group: group, version: version)
        }
        guard let target = RequestTarget(group: group, version: version, rest: rest) else {
            throw .unknownResource
        }
        guard state.with({ $0.registry.serves(group: group, version: version) }) else {
            if state.with({ $0.registry.builtInServes(group: group) }) { throw .unknownResource }
            return Self.pageNotFound
        }
        return try await ResourceHandler(state: state, configuration: configuration).answer(request, target)
    }

    private var proxy: AggregationProxy {
        AggregationProxy(
            state: state,
            transport: configuration.aggregation,
            extensions: configuration.extensions
        )
    }

    /// Whether another server answers for a version; what this server has itself it answers itself.
    private func proxies(group: String, version: String) -> Bool {
        guard !group.isEmpty, proxy.serves(group: group, version: version) else { return false }
        return !state.with { $0.registry.serves(group: group, version: version) }
    }

    private func document(_ request: ServerRequest) async throws(APIStatus) -> ServerAnswer {
        let parts = request.parts
        switch parts.first {
        case nil:
            let others = ["/api", "/api/v1", "/apis", "/metrics", "/openapi/v2", "/openapi/v3", "/version"]
            return ServerAnswer(["paths": .array((others + HealthPage.paths).sorted().map(JSONValue.string))])
        case "version" where parts.count == 1: return ServerAnswer(ServerVersion.json(configuration.serverVersion))
        case "healthz", "livez", "readyz": return HealthPage(parts[0])?.answer(request) ?? Self.pageNotFound
        case "api", "apis": return await discovery(request, parts)
        case "openapi" where parts.count > 1 && parts[1] == "v3": return openAPI(request, parts.dropFirst(2))
        case "openapi" where parts == ["openapi", "v2"]:
            return OpenAPIVersion2.answer(request, version: configuration.serverVersion)
        default: return Self.pageNotFound
        }
    }

    private func discovery(_ request: ServerRequest, _ parts: [String]) async -> ServerAnswer {
        var documents = DiscoveryDocuments(resources: state.with { $0.registry.all })
        if parts[0] == "apis", parts.count < 3 { documents.aggregatedVersions = proxy.versions }
        if parts.count == 1, request.accept.form(isDiscovery: true) == .discovery {
            var document = documents.aggregated(core: parts[0] == "api")
            if !documents.aggregatedVersions.isEmpty {
                document["items"] = .array(
                    (document["items"]?.array ?? []) + (await AggregatedDiscovery(proxy: proxy).items(documents))
                )
            }
            var answer = ServerAnswer(document)
            answer.contentType = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
            answer.fields[.cacheControl] = "public"
            return answer
        }
        let json: JSONValue? =
            switch (parts[0], parts.count) {
            case ("api", 1): documents.coreVersions(address: "127.0.0.1:\(configuration.advertisedPort)")
            case ("api", 2): documents.resourceList(group: "", version: parts[1])
            case ("apis", 1): documents.groupList
            case ("apis", 2): documents.group(parts[1])
            case ("apis", 3): documents.resourceList(group: parts[1], version: parts[2])
            default: nil
            }
        return json.map { ServerAnswer($0) } ?? Self.pageNotFound
    }

    private func openAPI(_ request: ServerRequest, _ path: ArraySlice<String>) -> ServerAnswer {
        let registry = state.with { $0.registry }
        if path.isEmpty {
            var answer = ServerAnswer(openAPIDocuments.index(registry))
            // As the real server has it; clients read it as JSON all the same.
            answer.contentType = "text/plain; charset=utf-8"
            return answer
        }
        guard let document = openAPIDocuments.document(path: Array(path), registry) else { return Self.pageNotFound }
        var answer = ServerAnswer(stream: StreamingBody(document.bytes), contentType: "application/json")
        answer.fields[.eTag] = "\"\(document.hash)\""
        answer.fields[.cacheControl] = "public"
        return answer
    }

    /// What the server says of paths that it doesn't know.
    static let pageNotFound = ServerAnswer(text: "404 page not found\n", status: .notFound)
}

/// What `/version` answers.
enum ServerVersion {
    /// The version object of `v1.36.2`.
    static func json(_ version: String) -> JSONValue {
        let numbers = version.drop { $0 == "v" }.split(separator: ".").map(String.init)
        let major = numbers.first ?? "1"
        let minor = numbers.count > 1 ? numbers[1] : "0"
        return [
            "major": .string(major), "minor": .string(minor), "gitVersion": .string(version), "gitCommit": "",
            "gitTreeState": "", "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": "swift",
            "platform": "modelfleet/local", "emulationMajor": .string(major), "emulationMinor": .string(minor),
            "minCompatibilityMajor": .string(major),
            "minCompatibilityMinor": .string(Int(minor).map { String(max(0, $0 - 1)) } ?? minor),
        ]
    }
}
