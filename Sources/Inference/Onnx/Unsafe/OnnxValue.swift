// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import COnnxRuntime

/// Owns one of the runtime's values: a tensor, a sequence or a map.
@safe final class OnnxValue {
    /// The runtime that made it.
    let runtime: OnnxRuntime
    /// The value.
    let pointer: OpaquePointer

    /// Takes ownership of `pointer`.
    init(runtime: OnnxRuntime, taking pointer: OpaquePointer) {
        self.runtime = runtime
        unsafe self.pointer = pointer
    }

    deinit { unsafe runtime.api.pointee.ReleaseValue(pointer) }

    /// Makes a value of the runtime's own from a tensor (a copy).
    convenience init(_ tensor: Tensor, runtime: OnnxRuntime) throws(InferenceError) {
        let shape = tensor.shape.map(Int64.init)
        var made: OpaquePointer?
        let status = unsafe runtime.api.pointee.CreateTensorAsOrtValue(
            runtime.allocator,
            shape,
            shape.count,
            tensor.elementType.onnxCode,
            &made
        )
        try unsafe runtime.check(status)
        unsafe self.init(runtime: runtime, taking: try runtime.require(made))
        if tensor.elementType == .string { try fill(tensor.strings) } else { try fill(tensor.bytes) }
    }

    private func fill(_ bytes: [UInt8]) throws(InferenceError) {
        guard !bytes.isEmpty else { return }
        let target = try unsafe data()
        unsafe bytes.withUnsafeBytes { source in
            guard let base = source.baseAddress else { return }
            unsafe target.copyMemory(from: base, byteCount: source.count)
        }
    }

    private func fill(_ strings: [String]) throws(InferenceError) {
        guard !strings.isEmpty else { return }
        guard strings.allSatisfy({ !$0.utf8.contains(0) }) else {
            throw InferenceError(.invalidInput, "a string with a NUL character can't be given to an ONNX model")
        }
        // One buffer with all strings, each ended by a zero, and a pointer to each.
        var buffer: [CChar] = []
        var offsets: [Int] = []
        for string in strings {
            offsets.append(buffer.count)
            buffer.append(contentsOf: string.utf8.lazy.map { CChar(bitPattern: $0) })
            buffer.append(0)
        }
        let status = unsafe buffer.withUnsafeBufferPointer { characters -> OpaquePointer? in
            let pointers = unsafe offsets.map { unsafe characters.baseAddress?.advanced(by: $0) }
            return unsafe runtime.api.pointee.FillStringTensor(pointer, pointers, pointers.count)
        }
        try unsafe runtime.check(status)
    }

    /// The address of a tensor's elements.
    private func data() throws(InferenceError) -> UnsafeMutableRawPointer {
        var address: UnsafeMutableRawPointer?
        try unsafe runtime.check(runtime.api.pointee.GetTensorMutableData(pointer, &address))
        guard let address = unsafe address else { throw InferenceError(.runFailed, "a tensor has no data") }
        return unsafe address
    }

    /// What kind of value it is: one of the `ORT_KIND_…` numbers.
    func kind() throws(InferenceError) -> Int32 {
        var kind: Int32 = 0
        try unsafe runtime.check(runtime.api.pointee.GetValueType(pointer, &kind))
        return kind
    }

    /// The number of elements of a sequence.
    func count() throws(InferenceError) -> Int {
        var count = 0
        try unsafe runtime.check(runtime.api.pointee.GetValueCount(pointer, &count))
        return count
    }

    /// The element of a sequence; of a map the keys (0) or the values (1).
    func element(_ index: Int) throws(InferenceError) -> OnnxValue {
        var found: OpaquePointer?
        let status = unsafe runtime.api.pointee.GetValue(pointer, Int32(clamping: index), runtime.allocator, &found)
        try unsafe runtime.check(status)
        return unsafe OnnxValue(runtime: runtime, taking: try runtime.require(found))
    }

    /// A copy of a tensor's type, shape and elements.
    func tensor() throws(InferenceError) -> Tensor {
        let (code, shape) = try typeAndShape()
        guard let type = ElementType(onnxCode: code) else {
            throw InferenceError(.runFailed, "an output has ONNX element type \(code), which isn't supported")
        }
        guard let count = Tensor.elementCount(of: shape) else {
            throw InferenceError(.runFailed, "an output has the impossible shape \(shape)")
        }
        guard let width = type.byteWidth else { return try Tensor(shape: shape, strings: strings(count)) }
        if count == 0 { return try Tensor(elementType: type, shape: shape, bytes: []) }
        let bytes = unsafe Array(UnsafeRawBufferPointer(start: try data(), count: count * width))
        return try Tensor(elementType: type, shape: shape, bytes: bytes)
    }

    private func typeAndShape() throws(InferenceError) -> (code: Int32, shape: [Int]) {
        var made: OpaquePointer?
        try unsafe runtime.check(runtime.api.pointee.GetTensorTypeAndShape(pointer, &made))
        let info = unsafe try runtime.require(made)
        defer { unsafe runtime.api.pointee.ReleaseTensorTypeAndShapeInfo(info) }
        let (code, shape) = try unsafe runtime.typeAndShape(of: info)
        return (code, shape.map { Int(clamping: $0) })
    }

    private func strings(_ count: Int) throws(InferenceError) -> [String] {
        guard count > 0 else { return [] }
        var size = 0
        try unsafe runtime.check(runtime.api.pointee.GetStringTensorDataLength(pointer, &size))
        var bytes = [UInt8](repeating: 0, count: max(1, size))
        var offsets = [Int](repeating: 0, count: count)
        try unsafe runtime.check(
            runtime.api.pointee.GetStringTensorContent(pointer, &bytes, size, &offsets, count)
        )
        return offsets.indices.map { index in
            let start = min(max(0, offsets[index]), size)
            let end = index + 1 < count ? min(max(start, offsets[index + 1]), size) : size
            return String(decoding: bytes[start..<end], as: UTF8.self)
        }
    }
}

extension OnnxRuntime {
    /// The element type and the sizes (-1 for a free one) that a type-and-shape object holds.
    func typeAndShape(of info: OpaquePointer) throws(InferenceError) -> (code: Int32, shape: [Int64]) {
        var code: Int32 = 0
        var rank = 0
        try unsafe check(api.pointee.GetTensorElementType(info, &code))
        try unsafe check(api.pointee.GetDimensionsCount(info, &rank))
        var sizes = [Int64](repeating: 0, count: rank)
        if rank > 0 { try unsafe check(api.pointee.GetDimensions(info, &sizes, rank)) }
        return (code, sizes)
    }
}
