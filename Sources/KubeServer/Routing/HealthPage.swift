// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// One of the pages that say how the server is: `/healthz`, `/livez` and `/readyz`, with a page below it for each check.
///
/// The checks are those of the real server that mean something here; all of them hold for as long as anything is answered.
/// Its further ones (`poststarthook/…`) are of parts that this server doesn't have.
struct HealthPage {
    /// The page's name: `livez`.
    let name: String
    /// The names of its checks, in the real server's order.
    let checks: [String]

    private static let all = [
        HealthPage(name: "healthz", checks: ["ping", "log", "etcd"]),
        HealthPage(name: "livez", checks: ["ping", "log", "etcd"]),
        HealthPage(name: "readyz", checks: ["ping", "log", "etcd", "etcd-readiness", "informer-sync", "shutdown"]),
    ]

    /// The paths of all pages.
    static var paths: [String] { all.flatMap { page in ["/\(page.name)"] + page.checks.map { "/\(page.name)/\($0)" } } }

    private init(name: String, checks: [String]) {
        self.name = name
        self.checks = checks
    }

    /// The page with this name; `nil` when there is none.
    init?(_ name: String) {
        guard let page = Self.all.first(where: { $0.name == name }) else { return nil }
        self = page
    }

    /// The answer to a request of the page (`?verbose` names its checks, `?exclude=etcd` leaves one out) or of one check;
    /// `nil` for a check that it doesn't have.
    func answer(_ request: ServerRequest) -> ServerAnswer? {
        let check = request.parts.dropFirst().joined(separator: "/")
        guard check.isEmpty else { return checks.contains(check) ? ServerAnswer(text: "ok") : nil }
        guard request.query["verbose"] != nil else { return ServerAnswer(text: "ok") }
        let excluded = Set(request.query.all("exclude"))
        var text = checks.map { "[+]\($0)\(excluded.contains($0) ? " excluded:" : "") ok\n" }.joined()
        let others = excluded.subtracting(checks).sorted().map { "\"\($0)\"" }
        if !others.isEmpty {
            text += "warn: some health checks cannot be excluded: no matches for \(others.joined(separator: ","))\n"
        }
        return ServerAnswer(text: text + "\(name) check passed\n")
    }
}
