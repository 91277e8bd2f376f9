// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// A private key on the curve P-256, owned.
@safe struct PrivateKey: ~Copyable {
    private let library: OpenSSLLibrary
    let pointer: OpaquePointer

    private init(library: OpenSSLLibrary, pointer: OpaquePointer) {
        self.library = library
        unsafe self.pointer = unsafe pointer
    }

    deinit { unsafe library.keyFree(pointer) }

    /// Makes a new key.
    static func generate() throws(SecurityError) -> PrivateKey {
        let library = try OpenSSLLibrary.shared.get()
        let ellipticCurve: Int32 = 408  // NID_X9_62_id_ecPublicKey
        guard let context = unsafe library.keyContextNew(ellipticCurve, nil) else {
            throw SecurityError("a key can't be made: \(library.takeError())")
        }
        defer { unsafe library.keyContextFree(context) }
        var key: OpaquePointer?
        guard unsafe library.keyGenerationInit(context) == 1, unsafe library.keySetGroup(context, "P-256") == 1,
            unsafe library.keyGenerate(context, &key) == 1, let made = unsafe key
        else { throw SecurityError("a key can't be made: \(library.takeError())") }
        return unsafe PrivateKey(library: library, pointer: made)
    }

    /// The key as PEM (PKCS #8, not encrypted).
    borrowing func pem() throws(SecurityError) -> String {
        let buffer = try MemoryBuffer(library)
        guard unsafe library.keyWrite(buffer.pointer, pointer, nil, nil, 0, nil, nil) == 1 else {
            throw SecurityError("a key can't be written: \(library.takeError())")
        }
        return String(decoding: buffer.readAll(), as: UTF8.self)
    }
}

/// A memory BIO, owned.
@safe struct MemoryBuffer: ~Copyable {
    private let library: OpenSSLLibrary
    let pointer: OpaquePointer

    init(_ library: OpenSSLLibrary) throws(SecurityError) {
        self.library = library
        guard let pointer = unsafe library.bufferNew(library.bufferMethod()) else {
            throw SecurityError("out of memory for a buffer")
        }
        unsafe self.pointer = unsafe pointer
    }

    /// Adds the bytes of `text`.
    borrowing func append(_ text: String) throws(SecurityError) {
        let bytes = Array(text.utf8)
        guard let count = Int32(exactly: bytes.count) else { throw SecurityError("a PEM text is too long") }
        unsafe bytes.withUnsafeBytes { _ = unsafe library.bufferWrite(pointer, $0.baseAddress, count) }
    }

    deinit { _ = unsafe library.bufferFree(pointer) }

    borrowing func readAll() -> [UInt8] { unsafe library.drain(pointer) }
}

extension OpenSSLLibrary {
    /// Everything that waits in a memory BIO.
    func drain(_ buffer: OpaquePointer) -> [UInt8] {
        let waiting = unsafe bufferPending(buffer)
        guard waiting > 0 else { return [] }
        return unsafe [UInt8](unsafeUninitializedCapacity: waiting) { bytes, count in
            let read = unsafe bufferRead(buffer, bytes.baseAddress, Int32(clamping: waiting))
            count = max(0, Int(read))
        }
    }
}
