// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#endif

/// The memory that was freed and that the allocator keeps for later.
enum FreedMemory {
    /// Gives it back to the system; some milliseconds, and nothing where the C library isn't glibc.
    static func giveBack() {
        #if canImport(Glibc)
            // Swift's module of glibc has no malloc.h, so the function is looked up by its name.
            typealias Trim = @convention(c) (Int) -> Int32
            guard let symbol = unsafe dlsym(nil, "malloc_trim") else { return }
            _ = unsafe unsafeBitCast(symbol, to: Trim.self)(0)
        #endif
    }
}
