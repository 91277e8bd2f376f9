// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HTTPMessages
import HTTPTypes
import KubeModel
import KubeServer
import Testing

@Suite("How the server is")
struct HealthPageTests {
    private struct Row {
        var path: String
        var answer: String?

        init(_ path: String, _ answer: String?) { (self.path, self.answer) = (path, answer) }
    }

    private static let rows = [
        Row("/livez", "ok"), Row("/readyz?timeout=32s", "ok"), Row("/healthz", "ok"), Row("/livez?exclude=etcd", "ok"),
        Row("/healthz/ping", "ok"), Row("/livez/etcd", "ok"), Row("/readyz/informer-sync", "ok"),
        Row("/livez/informer-sync", nil), Row("/healthz/nothing", nil), Row("/livez/etcd/more", nil),
        Row("/livez?verbose", "[+]ping ok\n[+]log ok\n[+]etcd ok\nlivez check passed\n"),
        Row(
            "/readyz?verbose=1&exclude=etcd&exclude=none",
            "[+]ping ok\n[+]log ok\n[+]etcd excluded: ok\n[+]etcd-readiness ok\n[+]informer-sync ok\n[+]shutdown ok\n"
                + "warn: some health checks cannot be excluded: no matches for \"none\"\nreadyz check passed\n"
        ),
    ]

    @Test("as a whole, check by check, and one check", arguments: rows.indices)
    func page(_ index: Int) async throws {
        let row = Self.rows[index]
        let response = await TestClient().send(.get, row.path)
        let text = String(decoding: try await response.body.collect(upTo: 1 << 16), as: UTF8.self)
        #expect(response.head.status == (row.answer == nil ? .notFound : .ok), "\(row.path)")
        #expect(text == row.answer ?? "404 page not found\n", "\(row.path)")
    }

    @Test("the index of all paths has them")
    func index() async throws {
        let paths = try await TestClient().json(.get, "/").body["paths"]?.array ?? []
        #expect(paths.contains("/livez/etcd") && paths.contains("/readyz/shutdown") && paths.contains("/metrics"))
    }
}
