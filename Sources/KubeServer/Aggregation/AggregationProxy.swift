// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HTTPMessages
import HTTPTypes
import KubeModel

/// Hands requests of a group on to the server behind its APIService, as kube-aggregator does.
struct AggregationProxy: Sendable {
    /// The state of the server.
    let state: StateBox
    /// Who carries the requests; without it every such group is unavailable.
    let transport: (any AggregationTransport)?
    /// Servers in this process, by the name of their APIService.
    var extensions: [String: any HTTPExchange] = [:]

    /// The longest that a request which is no watch may take: the API server's `--request-timeout`.
    static let limit = Duration.seconds(60)
    /// The longest that discovery waits for one server: kube-aggregator's discovery check.
    static let discoveryLimit = Duration.seconds(5)

    /// The versions that other servers answer for.
    var versions: [AggregatedVersion] {
        let table = state.with { APIServiceTable($0).versions }
        let known = Set(table.map(\.name))
        return table + extensions.keys.sorted().filter { !known.contains($0) }.compactMap(AggregatedVersion.init(name:))
    }

    /// Whether a version of a group is another server's.
    func serves(group: String, version: String) -> Bool {
        if extensions["\(version).\(group)"] != nil { return true }
        return state.with { APIServiceTable($0).serves(group: group, version: version) }
    }

    /// The other server's answer, whose body may still be arriving.
    func answer(_ request: ServerRequest, group: String, version: String) async throws(APIStatus) -> ServerAnswer {
        let isWatch = ["true", "1"].contains(request.query["watch"] ?? "")
        let response = try await send(
            request.head,
            body: request.body,
            group: group,
            version: version,
            timeout: isWatch ? nil : Self.limit
        )
        var answer = ServerAnswer(
            stream: response.body,
            contentType: response.head.headerFields[.contentType] ?? "application/json"
        )
        answer.status = response.head.status
        for field in response.head.headerFields where !Self.hopByHop.contains(field.name.canonicalName) {
            if field.name != .contentType { answer.fields.append(field) }
        }
        return answer
    }

    /// What the other server says of the resources of a version; `nil` when it doesn't answer.
    func resources(group: String, version: String) async -> [JSONValue]? {
        var head = HTTPRequest(method: .get, scheme: "https", authority: nil, path: "/apis/\(group)/\(version)")
        head.headerFields[.accept] = "application/json"
        do {
            let response = try await send(
                head,
                body: [],
                group: group,
                version: version,
                timeout: Self.discoveryLimit
            )
            guard response.head.status.code == 200 else { return nil }
            return try JSONValue(parsing: try await response.body.collect(upTo: 1 << 20))["resources"]?.array
        } catch { return nil }
    }

    private func send(
        _ original: HTTPRequest,
        body: [UInt8],
        group: String,
        version: String,
        timeout: Duration?
    ) async throws(APIStatus) -> HTTPResponseMessage {
        let name = "\(version).\(group)"
        if let own = extensions[name], !state.with({ APIServiceTable($0).serves(group: group, version: version) }) {
            do { return try await own.exchange(HTTPRequestMessage(head: original, body: StreamingBody(body))) } catch {
                throw .aggregatedUnavailable(name, "\(error)")
            }
        }
        let backend = try state.with { state throws(APIStatus) in
            try APIServiceTable(state).backend(group: group, version: version)
        }
        guard let transport else {
            throw .aggregatedUnavailable(name, "this server was started without a way to other servers")
        }
        var head = original
        head.scheme = "https"
        head.authority = backend.authority
        head.headerFields = Self.fields(original.headerFields)
        do {
            return try await transport.exchange(
                HTTPRequestMessage(head: head, body: StreamingBody(body), timeout: timeout),
                with: backend
            )
        } catch {
            throw .aggregatedUnavailable(name, "\(backend.authority): \(error)")
        }
    }

    /// The header for the other server: without the client's token and claims, with who the client is.
    private static func fields(_ original: HTTPFields) -> HTTPFields {
        var fields = HTTPFields()
        let caller = Caller.reading(original)
        for field in original {
            let name = field.name.canonicalName
            if hopByHop.contains(name) || name == "authorization" || name.hasPrefix("x-remote-")
                || name.hasPrefix("impersonate-")
            {
                continue
            }
            fields.append(field)
        }
        var claims = [(FrontProxy.userHeader, caller.name)] + caller.groups.map { (FrontProxy.groupHeader, $0) }
        if let uid = caller.uid { claims.append((FrontProxy.uidHeader, uid)) }
        for (key, values) in caller.extra.sorted(by: { $0.key < $1.key }) {
            claims += values.map { (FrontProxy.extraPrefix + PercentCoding.encoded(key), $0) }
        }
        for (name, value) in claims {
            if let name = HTTPField.Name(name) { fields.append(HTTPField(name: name, value: value)) }
        }
        return fields
    }

    private static let hopByHop: Set<String> = [
        "connection", "content-length", "host", "keep-alive", "proxy-connection", "te", "trailer",
        "transfer-encoding", "upgrade",
    ]
}
