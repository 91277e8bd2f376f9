// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPMessages
import HTTPTypes
import KubeModel
import KubeServer

/// Plays the requests of one recorded command against a server in this process.
struct CommandRunner {
    let command: RecordedCommand
    private let time: ManualTime

    /// The clock shows the last moment that each recorded answer names, so that managed fields are in the same order.
    init(_ command: RecordedCommand) {
        self.command = command
        let first = command.requests.lazy.compactMap(\.response).compactMap(RecordedClock.lastTime(in:)).first
        time = first.map { ManualTime(start: $0) } ?? ManualTime()
    }

    private func advance(to moment: WallTime?) {
        if let moment, moment > time.now() { time.advance(by: moment - time.now()) }
    }

    /// The differences of all requests, as `index path: …`.
    func differences() async throws -> [String] {
        let server = try await server()
        var found: [String] = []
        var versions: [String: String] = [:]
        for (index, request) in command.requests.enumerated() {
            try await catchUp(server, request)
            advance(to: request.response.flatMap(RecordedClock.lastTime(in:)))
            let response = await server.exchange(message(request, versions))
            let got = try await got(response, request)
            if let recorded = request.response?.at("metadata", "resourceVersion")?.string {
                versions[recorded] = got.at("body", "metadata", "resourceVersion")?.string
            }
            let expected = expected(request, got)
            found += AnswerComparison.differences(expected: expected, got: got).map { "\(index) \($0)" }
        }
        return found
    }

    /// Writes what controllers wrote between two recorded requests: the status that a patch met.
    private func catchUp(_ server: APIServer, _ request: RecordedCommand.Request) async throws {
        guard request.method == "PATCH", request.status == 200, !request.path.contains("dryRun"),
            let answer = request.response, answer["kind"] == "Deployment", let status = answer["status"]
        else { return }
        let path = String(request.path.prefix { $0 != "?" })
        let bytes = try await send(server, .get, path).body.collect(upTo: 1 << 20)
        var live = try JSONValue(parsing: bytes)
        guard live["status"] != status else { return }
        let entry = answer.at("metadata", "managedFields")?.array?.first { $0["subresource"] == "status" }
        advance(to: entry?["time"]?.string.flatMap(WallTime.init(rfc3339:)))
        live["status"] = status
        _ = await send(server, .put, path + "/status?fieldManager=kube-controller-manager", live)
    }

    private func send(
        _ server: APIServer,
        _ method: HTTPRequest.Method,
        _ path: String,
        _ body: JSONValue? = nil
    ) async -> HTTPResponseMessage {
        var head = HTTPRequest(method: method, scheme: "http", authority: "localhost", path: path)
        head.headerFields[.contentType] = "application/json"
        let bytes = StreamingBody(body?.encoded() ?? [])
        return await server.exchange(HTTPRequestMessage(head: head, body: bytes))
    }

    /// A server with the world that the command met.
    private func server() async throws -> APIServer {
        let configuration = APIServerConfiguration(time: time, random: SeededRandom(seed: 7), advertisedPort: 16443)
        let maker = APIServer(configuration: configuration)
        let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        _ = await send(maker, .post, definitions, try RecordedScenario.widgetDefinition())
        let definition = await send(maker, .get, definitions + "/widgets.record.example.com")
        let bytes = try await definition.body.collect(upTo: 1 << 20)
        let world = RecordedWorld(command, definition: KubeObject(try JSONValue(parsing: bytes)))
        return APIServer(
            configuration: configuration,
            restoring: ServerSnapshot(world.objects, revision: 10, customKinds: [RecordedWorld.widgets])
        )
    }

    /// The request, with this server's resource versions in the place of the recorded ones.
    private func message(
        _ request: RecordedCommand.Request,
        _ versions: [String: String]
    ) -> HTTPRequestMessage {
        var fields = HTTPFields()
        fields[.userAgent] = "kubectl/v1.32.4"
        for (name, value) in request.headers { if let name = HTTPField.Name(name) { fields[name] = value } }
        // Pages of this server are numbered otherwise: a watch begins where its list ended, which is now.
        let path = request.isWatch ? request.path.replacing(#/&?resourceVersion=[0-9]+/#, with: "") : request.path
        let head = HTTPRequest(
            method: HTTPRequest.Method(rawValue: request.method) ?? .get,
            scheme: "http",
            authority: "localhost",
            path: path,
            headerFields: fields
        )
        let body = request.body.map { Self.replacing(versions, in: $0) }
        let bytes = body.map { $0.string.map { Array($0.utf8) } ?? $0.encoded() } ?? []
        return HTTPRequestMessage(head: head, body: StreamingBody(bytes))
    }

    private static func replacing(_ versions: [String: String], in value: JSONValue) -> JSONValue {
        switch value {
        case .string(let text): .string(versions[text] ?? text)
        case .array(let elements): .array(elements.map { replacing(versions, in: $0) })
        case .object(let members): .object(members.mapValues { replacing(versions, in: $0) })
        default: value
        }
    }

    private func got(_ response: HTTPResponseMessage, _ request: RecordedCommand.Request) async throws -> JSONValue {
        var got: JSONValue = [
            "status": JSONValue(response.head.status.code),
            "contentType": .string(response.head.headerFields[.contentType] ?? ""),
        ]
        guard !request.isWatch, !request.isOpenAPI else { return got }
        let bytes = try await response.body.collect(upTo: 1 << 22)
        got["body"] = (try? JSONValue(parsing: bytes)) ?? .string(String(decoding: bytes, as: UTF8.self))
        return got
    }

    private func expected(_ request: RecordedCommand.Request, _ got: JSONValue) -> JSONValue {
        var expected: JSONValue = [
            "status": JSONValue(request.status), "contentType": .string(request.contentType),
        ]
        guard !request.isWatch, !request.isOpenAPI else { return expected }
        if request.isBinary {
            expected["body"] = got["body"]
        } else if let response = request.response {
            let isReference = response.string?.hasPrefix("<as in") == true
            expected["body"] = isReference ? got["body"] : Discovery.served(response, by: got["body"] ?? .null)
        }
        return expected
    }
}

/// Recorded discovery documents list more kinds than this server has; those it has must be described alike.
enum Discovery {
    /// `recorded` without what isn't in `own`, where both are lists of resources.
    static func served(_ recorded: JSONValue, by own: JSONValue) -> JSONValue {
        var result = recorded
        switch recorded["kind"]?.string {
        case "APIGroupDiscoveryList":
            result["items"] = kept(recorded["items"], of: own["items"], [["metadata", "name"]]) { recorded, own in
                inside(recorded, own, "versions", ["version"]) { recorded, own in
                    inside(recorded, own, "resources", ["resource"]) { recorded, own in
                        inside(recorded, own, "subresources", ["subresource"]) { recorded, _ in recorded }
                    }
                }
            }
        case "APIResourceList":
            result["resources"] = kept(recorded["resources"], of: own["resources"], [["name"]]) { recorded, _ in
                recorded
            }
        case "APIGroupList":
            result["groups"] = kept(recorded["groups"], of: own["groups"], [["name"]]) { recorded, _ in recorded }
        default: break
        }
        return result
    }

    private static func inside(
        _ recorded: JSONValue,
        _ own: JSONValue,
        _ list: String,
        _ name: [String],
        _ below: (JSONValue, JSONValue) -> JSONValue
    ) -> JSONValue {
        guard recorded[list] != nil else { return recorded }
        var result = recorded
        let elements = kept(recorded[list], of: own[list], [name], below)
        result[list] = elements.array?.isEmpty == true ? nil : elements
        return result
    }

    private static func kept(
        _ recorded: JSONValue?,
        of own: JSONValue?,
        _ names: [[String]],
        _ below: (JSONValue, JSONValue) -> JSONValue
    ) -> JSONValue {
        func name(_ element: JSONValue) -> [JSONValue?] { names.map { element.value(at: $0) } }
        let served = own?.array ?? []
        return .array(
            (recorded?.array ?? []).compactMap { element in
                served.first { name($0) == name(element) }.map { below(element, $0) }
            }
        )
    }
}
