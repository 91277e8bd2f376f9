// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A detached thread with a body and nothing to join.
enum LoopThread {
    private final class Body: Sendable {
        let run: @Sendable () -> Void

        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// Starts a thread that runs `run`; `false` when the system has none left.
    static func start(_ run: @escaping @Sendable () -> Void) -> Bool {
        let context = unsafe Unmanaged.passRetained(Body(run)).toOpaque()
        #if canImport(Darwin)
            var thread: pthread_t?
            let status = unsafe pthread_create(
                &thread,
                nil,
                { context in
                    unsafe pthread_setname_np("modelfleet-curl")
                    let body = unsafe Unmanaged<Body>.fromOpaque(context).takeRetainedValue()
                    body.run()
                    return nil
                },
                context
            )
            guard status == 0, let thread = unsafe thread else {
                unsafe Unmanaged<Body>.fromOpaque(context).release()
                return false
            }
            unsafe pthread_detach(thread)
        #else
            var thread = pthread_t()
            let status = unsafe pthread_create(
                &thread,
                nil,
                { context in
                    guard let context = unsafe context else { return nil }
                    let body = unsafe Unmanaged<Body>.fromOpaque(context).takeRetainedValue()
                    body.run()
                    return nil
                },
                context
            )
            guard status == 0 else {
                unsafe Unmanaged<Body>.fromOpaque(context).release()
                return false
            }
            pthread_detach(thread)
        #endif
        return true
    }

    /// Waits a moment, on the loop's thread only.
    static func pause(milliseconds: UInt32) { usleep(milliseconds * 1000) }
}
