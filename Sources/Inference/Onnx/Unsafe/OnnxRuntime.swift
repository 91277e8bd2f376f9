// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import COnnxRuntime

#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Glibc)
    internal import Glibc
#else
    internal import Musl
#endif

/// ONNX Runtime's function table, environment and default allocator. Opened once a process; never closed.
@safe final class OnnxRuntime: @unchecked Sendable {
    // SAFETY: all members are constants; the library documents its environment, allocator and table as thread-safe.
    /// The functions.
    let api: UnsafePointer<OrtApi>
    /// The environment that sessions are made in.
    let environment: OpaquePointer
    /// The allocator of host memory.
    let allocator: OpaquePointer
    /// The library's version.
    let version: String

    private init(
        api: UnsafePointer<OrtApi>,
        environment: OpaquePointer,
        allocator: OpaquePointer,
        version: String
    ) {
        unsafe self.api = api
        unsafe self.environment = environment
        unsafe self.allocator = allocator
        self.version = version
    }

    /// Finds and opens the library.
    /// - Throws: `InferenceError.loadFailed`, one sentence with what to do.
    static func open(environment variables: [String: String]) throws(InferenceError) -> OnnxRuntime {
        try open(locator: OnnxLibraryLocator(environment: variables))
    }

    /// Opens the first library of `locator` that there is.
    static func open(locator: OnnxLibraryLocator) throws(InferenceError) -> OnnxRuntime {
        var reason = "none was found"
        for candidate in locator.candidates {
            guard let handle = unsafe dlopen(candidate, RTLD_NOW | RTLD_LOCAL) else {
                // The system's names are only tries; a file that is there and doesn't open is worth telling.
                if candidate.hasPrefix("/") || locator.candidates.count == 1 {
                    reason = unsafe dlerror().map { unsafe String(cString: $0) } ?? "\(candidate) can't be opened"
                }
                continue
            }
            guard let symbol = unsafe dlsym(handle, "OrtGetApiBase") else {
                throw InferenceError(
                    .loadFailed,
                    "\(candidate) isn't ONNX Runtime (it has no OrtGetApiBase): \(OnnxLibraryLocator.advice)"
                )
            }
            return try unsafe open(getBase: symbol, file: candidate)
        }
        throw InferenceError(
            .loadFailed,
            "ONNX Runtime's shared library can't be loaded (\(reason)): \(OnnxLibraryLocator.advice)"
        )
    }

    private static func open(
        getBase symbol: UnsafeMutableRawPointer,
        file: String
    ) throws(InferenceError) -> OnnxRuntime {
        typealias GetBase = @convention(c) () -> UnsafePointer<OrtApiBase>?
        let getBase = unsafe unsafeBitCast(symbol, to: GetBase.self)
        guard let base = unsafe getBase() else {
            throw InferenceError(.loadFailed, "\(file) answered no API; \(OnnxLibraryLocator.advice)")
        }
        let version = unsafe String(cString: base.pointee.GetVersionString())
        guard let api = unsafe base.pointee.GetApi(UInt32(MODELFLEET_ORT_API_VERSION)) else {
            throw InferenceError(
                .loadFailed,
                "\(file) is ONNX Runtime \(version), \(MODELFLEET_ORT_MINIMUM_VERSION) or later is needed: "
                    + OnnxLibraryLocator.advice
            )
        }
        var environment: OpaquePointer?
        var allocator: OpaquePointer?
        try unsafe check(api, api.pointee.CreateEnv(Int32(ORT_LOG_FATAL), "modelfleet", &environment), .loadFailed)
        try unsafe check(api, api.pointee.GetAllocatorWithDefaultOptions(&allocator), .loadFailed)
        guard let environment = unsafe environment, let allocator = unsafe allocator else {
            throw InferenceError(.loadFailed, "ONNX Runtime \(version) made no environment")
        }
        return unsafe OnnxRuntime(api: api, environment: environment, allocator: allocator, version: version)
    }

    /// Turns a status into an error and releases it.
    static func check(
        _ api: UnsafePointer<OrtApi>,
        _ status: OpaquePointer?,
        _ code: InferenceError.Code
    ) throws(InferenceError) {
        guard let status = unsafe status else { return }
        let message = unsafe String(cString: api.pointee.GetErrorMessage(status))
        unsafe api.pointee.ReleaseStatus(status)
        throw InferenceError(code, message.split(whereSeparator: \.isNewline).joined(separator: " "))
    }

    /// Turns a status of a running call into an error and releases it.
    func check(_ status: OpaquePointer?) throws(InferenceError) {
        try unsafe Self.check(api, status, .runFailed)
    }

    /// Takes what a successful call answered.
    func require(_ pointer: OpaquePointer?) throws(InferenceError) -> OpaquePointer {
        guard let pointer = unsafe pointer else { throw InferenceError(.runFailed, "ONNX Runtime answered nothing") }
        return unsafe pointer
    }
}
