// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient
public import HTTPMessages

/// What an `APIServer` is made of.
public struct APIServerConfiguration: Sendable {
    /// Where time comes from.
    public var time: any TimeSource
    /// Where uids and generated names come from.
    public var random: any RandomSource
    /// The bearer tokens that are let in; `nil` lets everyone in, for tests in the same process.
    public var tokens: Set<String>?
    /// The version that `/version` answers.
    public var serverVersion: String
    /// Judges of every write, in their order.
    public var admission: [any AdmissionPlugin]
    /// Who answers `pods/log`; without one the server refuses with 501.
    public var podLogs: (any PodLogSource)?
    /// Who carries requests to the servers behind APIServices; without it their groups answer 503.
    public var aggregation: (any AggregationTransport)?
    /// Servers of further API versions in this process, by the name of their APIService (`v1beta1.metrics.k8s.io`). An
    /// APIService that names a Service goes before.
    public var extensions: [String: any HTTPExchange]
    /// The authority (PEM) of the certificate that `aggregation` shows to other servers; with it, they can read in
    /// `kube-system/extension-apiserver-authentication` whom to trust.
    public var frontProxyAuthority: String?
    /// The addresses that Services get, as `address/bits` (IPv4).
    public var serviceRange: String
    /// The address and port of the `kubernetes` Service's only endpoint: where the server listens.
    public var advertisedPort: Int
    /// How many changes are kept for watches that start in the past.
    public var historyLimit: Int
    /// How many events may wait for one slow watcher before its watch is closed.
    public var watchBufferLimit: Int
    /// The largest request body in bytes (3 MiB, as in the real server).
    public var maximumBodyBytes: Int
    /// How many requests may be worked on at once; more are answered 429 (600, as in the real server: 400 reads and 200
    /// writes). A watch counts until it has begun.
    public var maximumRequestsInFlight: Int
    /// How often a watch that allows bookmarks gets one.
    public var bookmarkInterval: Duration

    /// A server for tests in the same process, unless told otherwise.
    public init(
        time: any TimeSource = SystemTime(),
        random: any RandomSource = SystemRandom(),
        tokens: Set<String>? = nil,
        serverVersion: String = "v1.36.2",
        admission: [any AdmissionPlugin] = [],
        podLogs: (any PodLogSource)? = nil,
        aggregation: (any AggregationTransport)? = nil,
        extensions: [String: any HTTPExchange] = [:],
        frontProxyAuthority: String? = nil,
        serviceRange: String = "127.96.0.0/16",
        advertisedPort: Int = 6443,
        historyLimit: Int = 20_000,
        watchBufferLimit: Int = 4096,
        maximumBodyBytes: Int = 3 << 20,
        maximumRequestsInFlight: Int = 600,
        bookmarkInterval: Duration = .seconds(60)
    ) {
        self.time = time
        self.random = random
        self.tokens = tokens
        self.serverVersion = serverVersion
        self.admission = admission
        self.podLogs = podLogs
        self.aggregation = aggregation
        self.extensions = extensions
        self.frontProxyAuthority = frontProxyAuthority
        self.serviceRange = serviceRange
        self.advertisedPort = advertisedPort
        self.historyLimit = historyLimit
        self.watchBufferLimit = watchBufferLimit
        self.maximumBodyBytes = maximumBodyBytes
        self.maximumRequestsInFlight = maximumRequestsInFlight
        self.bookmarkInterval = bookmarkInterval
    }

    /// Whether a bearer token is let in; any is where everyone is.
    ///
    /// Compares without telling by its duration how much of a token was right.
    func accepts(_ token: String) -> Bool {
        guard let tokens else { return true }
        let given = Array(token.utf8)
        return tokens.reduce(false) { found, known in
            let known = Array(known.utf8)
            guard known.count == given.count else { return found }
            return zip(known, given).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0 || found
        }
    }
}

/// The front proxy that this server is for the servers behind APIServices.
public enum FrontProxy {
    /// The common name of its certificate.
    public static let commonName = "front-proxy-client"
    /// The header with the user's name.
    static let userHeader = "X-Remote-User"
    /// The header with the user's uid.
    static let uidHeader = "X-Remote-Uid"
    /// The header with one of the user's groups.
    static let groupHeader = "X-Remote-Group"
    /// What the headers with further facts begin with.
    static let extraPrefix = "X-Remote-Extra-"
}
