// swift-tools-version:6.2
import PackageDescription

/// One set of compiler settings for every target: Swift 6 mode, with the checks that catch mistakes early.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .strictMemorySafety(),
]

/// A library target of ours with the strict settings.
func room(_ name: String, _ dependencies: [Target.Dependency] = [], resources: [Resource] = []) -> Target {
    .target(name: name, dependencies: dependencies, resources: resources, swiftSettings: strict)
}

/// A test target of ours with the strict settings.
func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: strict)
}

let httpTypes: Target.Dependency = .product(name: "HTTPTypes", package: "swift-http-types")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let lifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let signals: Target.Dependency = .product(name: "UnixSignals", package: "swift-service-lifecycle")
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let hummingbird: Target.Dependency = .product(name: "HummingbirdCore", package: "hummingbird")
let deque: Target.Dependency = .product(name: "DequeModule", package: "swift-collections")
let heap: Target.Dependency = .product(name: "HeapModule", package: "swift-collections")
let nio: [Target.Dependency] = [
    .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
]
let http1: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let http2: [Target.Dependency] = [
    .product(name: "NIOTLS", package: "swift-nio"), .product(name: "NIOHTTP2", package: "swift-nio-http2"),
    .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
    .product(name: "NIOHTTPTypesHTTP2", package: "swift-nio-extras"),
]

let package = Package(
    name: "modelfleet",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "modelfleet", targets: ["modelfleet"]),
        .executable(name: "modelfleet-server", targets: ["modelfleet-server"]),
    ],
    dependencies: [
        // The commands' flags and help texts.
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.5.0"),
        // Queues and heaps: the work queue, the watch history, timers.
        .package(url: "https://github.com/apple/swift-collections.git", from: "1.1.0"),
        // The currency types for HTTP methods, statuses and header fields.
        .package(url: "https://github.com/apple/swift-http-types.git", from: "1.3.0"),
        // Structured logs.
        .package(url: "https://github.com/apple/swift-log.git", from: "1.6.0"),
        // The sockets of the local cluster's Service proxies; also below the HTTP server.
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.80.0"),
        // The HTTP server behind `HTTPServing`, its only importer.
        .package(url: "https://github.com/hummingbird-project/hummingbird.git", from: "2.15.0"),
        // HTTP/2 for `HTTPServing`: frames and streams, and their messages in the currency types.
        .package(url: "https://github.com/apple/swift-nio-http2.git", from: "1.46.0"),
        .package(url: "https://github.com/apple/swift-nio-extras.git", from: "1.35.0"),
        // Long-lived parts start in order and stop in reverse.
        .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.6.0"),
    ],
    targets: [
        // Floor 0: doors to C.
        .systemLibrary(
            name: "CCurl",
            pkgConfig: "libcurl",
            providers: [.apt(["libcurl4-openssl-dev"]), .brew(["curl"])]
        ),
        .systemLibrary(
            name: "CYAML",
            pkgConfig: "yaml-0.1",
            providers: [.apt(["libyaml-dev"]), .brew(["libyaml"])]
        ),
        .target(name: "COnnxRuntime"),

        // Floor 1: words.
        room("Ambient"),
        room("YAML", ["CYAML", "KubeModel"]),
        room("KubeModel", ["Ambient"]),
        room("HTTPMessages", [httpTypes]),

        // Floor 2: decisions.
        room("FleetAPI", ["Ambient", "KubeModel"]),
        room("Scaling", ["Ambient", "KubeModel"]),
        room("Rollouts", ["Ambient"]),
        room("Templates", ["KubeModel", "YAML"], resources: [.embedInCode("Resources")]),

        // Floor 3: machines.
        room("KubeAPI", ["Ambient", "KubeModel", "HTTPMessages", "YAML", deque, logging, httpTypes]),
        room("CurlHTTP", ["Ambient", "CCurl", "HTTPMessages", deque, httpTypes]),
        room("KubeRuntime", ["Ambient", "KubeModel", "KubeAPI", "HTTPMessages", lifecycle, logging, deque, heap]),
        room("KubeServer", ["Ambient", "KubeModel", "HTTPMessages", "YAML", httpTypes, deque, logging]),
        // TLS and SHA-256 through the OpenSSL that libcurl brings: the packages that carry BoringSSL double the build time.
        room("TransportSecurity", ["Ambient"]),
        room(
            "HTTPServing",
            ["Ambient", "HTTPMessages", "TransportSecurity", hummingbird, httpTypes, lifecycle, logging, http1] + nio
                + http2
        ),
        room(
            "ExtensionServer",
            [
                "Ambient", "HTTPMessages", "KubeAPI", "KubeModel", "KubeRuntime", "TransportSecurity", deque, httpTypes,
                lifecycle, logging,
            ]
        ),
        room("Telemetry", ["Ambient", "HTTPMessages", "KubeModel", "Scaling", httpTypes, deque, heap]),

        // Floor 4: rooms.
        room(
            "Controllers",
            [
                "Ambient", "ExtensionServer", "FleetAPI", "KubeAPI", "KubeModel", "KubeRuntime", "HTTPMessages",
                "Rollouts",
                "Scaling", "Telemetry", "Templates", "TransportSecurity", "YAML", httpTypes, lifecycle, logging,
            ]
        ),
        room(
            "LocalCluster",
            [
                "Ambient", "FleetAPI", "HTTPMessages", "KubeAPI", "KubeModel", "KubeRuntime", "KubeServer", "Scaling",
                lifecycle,
                logging, httpTypes, http1, deque,
            ] + nio
        ),
        room(
            "Inference",
            [
                "Ambient", "COnnxRuntime", "HTTPMessages", "KubeModel", "TransportSecurity", logging, deque, httpTypes,
            ]
        ),
        room("InferenceHTTP", ["Ambient", "HTTPMessages", "Inference", "KubeModel", "Telemetry", httpTypes]),
        room("LoadGeneration", ["Ambient", "HTTPMessages", httpTypes]),
        room("Simulation", ["Ambient", "KubeModel", "Scaling"]),

        // Floor 5: the programs.
        .executableTarget(
            name: "modelfleet",
            dependencies: [
                "Ambient", "Controllers", "CurlHTTP", "ExtensionServer", "FleetAPI", "HTTPMessages", "HTTPServing",
                "KubeAPI", "KubeModel", "KubeRuntime", "KubeServer", "LoadGeneration", "LocalCluster", "Scaling",
                "Simulation",
                "Telemetry", "Templates",
                "TransportSecurity", "YAML", arguments, lifecycle, signals, logging, httpTypes,
            ],
            swiftSettings: strict
        ),
        .executableTarget(
            name: "modelfleet-server",
            dependencies: [
                "Ambient", "CurlHTTP", "HTTPMessages", "HTTPServing", "Inference", "InferenceHTTP", arguments,
                lifecycle, signals, logging, httpTypes,
            ],
            swiftSettings: strict
        ),

        // Measures the programs from outside (`make bench`); no product.
        .executableTarget(
            name: "modelfleet-bench",
            dependencies: [
                "Ambient", "CurlHTTP", "FleetAPI", "HTTPMessages", "KubeAPI", "KubeModel", "KubeRuntime", arguments,
                httpTypes,
            ] + nio,
            swiftSettings: strict
        ),
        // Measures Telemetry: `make bench-metrics`, `make bench-scrape`.
        .executableTarget(
            name: "telemetry-bench",
            dependencies: ["Ambient", "CurlHTTP", "Telemetry", arguments] + nio,
            swiftSettings: strict
        ),
        // Measures the canary judge: `make bench-judge`.
        .executableTarget(
            name: "judge-bench",
            dependencies: ["Rollouts", arguments],
            swiftSettings: strict
        ),

        // Runs as a pod of the end-to-end tests and shows what they tell it to.
        .executableTarget(
            name: "fixture-server",
            dependencies: ["HTTPMessages", "HTTPServing", httpTypes, lifecycle, signals, logging],
            path: "Tests/FixtureServer",
            swiftSettings: strict
        ),

        // Test kit and tests.
        .target(
            name: "KubeTesting",
            dependencies: ["Ambient", "HTTPMessages", "KubeAPI", "KubeModel", httpTypes, heap],
            path: "Tests/KubeTesting",
            swiftSettings: strict
        ),
        .target(
            name: "FaultSimulation",
            dependencies: [
                "Ambient", "Controllers", "FleetAPI", "HTTPMessages", "KubeAPI", "KubeModel", "KubeServer",
                "KubeTesting",
                "KubeRuntime", "LocalCluster", httpTypes, logging,
                .product(name: "ServiceLifecycleTestKit", package: "swift-service-lifecycle"),
            ],
            path: "Tests/FaultSimulation",
            swiftSettings: strict
        ),
        .executableTarget(
            name: "soak",
            dependencies: ["FaultSimulation"],
            path: "Tests/Soak",
            swiftSettings: strict
        ),
        // A model server whose errors and slowness are asked for, for the end-to-end tests of rollouts.
        .executableTarget(
            name: "test-model-server",
            dependencies: ["Ambient", "HTTPMessages", "HTTPServing", lifecycle, signals, logging, httpTypes],
            path: "Tests/ModelServer",
            swiftSettings: strict
        ),
        tests("FaultSimulationTests", ["FaultSimulation", "KubeTesting", "Ambient"], exclude: ["TrackRecord.md"]),
        tests("AmbientTests", ["Ambient"]),
        tests("TransportSecurityTests", ["TransportSecurity", "Ambient"]),
        tests("YAMLTests", ["YAML", "KubeModel", "Ambient"]),
        tests("KubeModelTests", ["KubeModel", "KubeTesting", "Ambient"]),
        tests("FleetAPITests", ["FleetAPI", "KubeModel", "YAML", "KubeTesting"]),
        tests("ScalingTests", ["Scaling", "Rollouts", "Ambient"]),
        tests("RolloutsTests", ["Rollouts", "Ambient"]),
        tests("TraceSimulationTests", ["Simulation", "Scaling", "KubeModel", "KubeTesting", "Ambient"]),
        tests("TemplatesTests", ["Templates", "KubeModel", "YAML"], exclude: ["Golden"]),
        tests(
            "KubeAPITests",
            ["KubeAPI", "KubeRuntime", "KubeModel", "HTTPMessages", "KubeTesting", "Ambient", httpTypes]
        ),
        tests(
            "KubeRuntimeTests",
            [
                "KubeRuntime", "KubeServer", "KubeAPI", "KubeModel", "HTTPMessages", "KubeTesting", "Ambient",
                httpTypes, lifecycle, logging,
            ]
        ),
        tests(
            "CurlHTTPTests",
            [
                "CurlHTTP", "HTTPServing", "LoadGeneration", "HTTPMessages", "TransportSecurity", "Ambient", httpTypes,
                lifecycle, logging,
            ] + nio
        ),
        tests(
            "KubeServerTests",
            ["KubeServer", "KubeModel", "HTTPMessages", "KubeTesting", "YAML", "Ambient", httpTypes]
        ),
        tests(
            "TelemetryTests",
            [
                "Telemetry", "CurlHTTP", "Scaling", "HTTPMessages", "FleetAPI", "KubeModel", "KubeTesting", "YAML",
                "Ambient", httpTypes,
            ]
        ),
        tests(
            "ExtensionServerTests",
            [
                "ExtensionServer", "KubeServer", "KubeAPI", "KubeModel", "HTTPMessages", "KubeTesting", "Ambient",
                "TransportSecurity", httpTypes, logging,
            ]
        ),
        tests(
            "ControllersTests",
            [
                "Controllers", "ExtensionServer", "FleetAPI", "KubeServer", "KubeAPI", "KubeRuntime", "KubeModel",
                "HTTPMessages", "KubeTesting", "Ambient", "Rollouts", "Telemetry", "Scaling", "Templates",
                "TransportSecurity", "YAML", httpTypes, logging,
            ]
        ),
        tests(
            "LocalClusterTests",
            [
                "LocalCluster", "FleetAPI", "KubeServer", "KubeAPI", "KubeRuntime", "KubeModel", "HTTPMessages",
                "KubeTesting", "Ambient", "CurlHTTP", "HTTPServing", httpTypes, logging, http1,
            ]
        ),
        tests(
            "InferenceTests",
            [
                "Inference", "InferenceHTTP", "HTTPMessages", "KubeModel", "KubeTesting", "TransportSecurity",
                "Ambient",
                "Telemetry", httpTypes,
            ],
            exclude: ["Models"]
        ),
        tests(
            "ContractTests",
            [
                "CurlHTTP", "FleetAPI", "HTTPServing", "HTTPMessages", "KubeAPI", "KubeModel", "KubeServer",
                "KubeTesting", "LocalCluster", "TransportSecurity", "YAML", "Ambient", httpTypes, logging,
            ]
        ),
        tests(
            "EndToEndTests",
            [
                "modelfleet", "modelfleet-server", "test-model-server", "fixture-server", "CurlHTTP", "FleetAPI",
                "HTTPMessages", "HTTPServing", "KubeAPI", "KubeModel", "KubeServer", "YAML", "Ambient", httpTypes,
                logging,
            ] + nio,
            exclude: ["Python"]
        ),
    ],
    swiftLanguageModes: [.v6]
)

// `MODELFLEET_ROOMS=ScalingTests,YAML swift build` keeps only these targets and what they need: a room can be built and
// tested alone, in seconds, while another is being rebuilt.
if let rooms = Context.environment["MODELFLEET_ROOMS"], !rooms.isEmpty {
    var wanted = rooms.split(separator: ",").map(String.init)
    var kept: Set<String> = []
    while let name = wanted.popLast() {
        guard kept.insert(name).inserted, let target = package.targets.first(where: { $0.name == name }) else {
            continue
        }
        for case .byNameItem(let dependency, _) in target.dependencies { wanted.append(dependency) }
    }
    package.targets.removeAll { !kept.contains($0.name) }
    package.products.removeAll { product in !kept.contains(product.name) }
}
