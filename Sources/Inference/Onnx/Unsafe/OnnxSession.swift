// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import COnnxRuntime

/// Owns one of the runtime's sessions: a loaded model.
@safe final class OnnxSession: @unchecked Sendable {
    // SAFETY: both members are constants; the runtime allows concurrent runs of one session.
    /// The runtime that made it.
    let runtime: OnnxRuntime
    private let pointer: OpaquePointer

    /// Loads a model file.
    /// - Throws: `InferenceError` with the runtime's message.
    init(runtime: OnnxRuntime, file: String, threads: Int) throws(InferenceError) {
        let api = unsafe runtime.api
        var made: OpaquePointer?
        try unsafe runtime.check(api.pointee.CreateSessionOptions(&made))
        let options = try unsafe runtime.require(made)
        defer { unsafe api.pointee.ReleaseSessionOptions(options) }
        try unsafe runtime.check(api.pointee.SetIntraOpNumThreads(options, Int32(clamping: threads)))
        try unsafe runtime.check(api.pointee.SetInterOpNumThreads(options, 1))
        try unsafe runtime.check(api.pointee.SetSessionGraphOptimizationLevel(options, Int32(ORT_OPTIMIZE_ALL)))
        try unsafe runtime.check(api.pointee.SetSessionLogSeverityLevel(options, Int32(ORT_LOG_FATAL)))
        // Threads that spin while there is nothing to do would take the CPU from other pods.
        try unsafe runtime.check(
            api.pointee.AddSessionConfigEntry(options, "session.intra_op.allow_spinning", "0")
        )
        var session: OpaquePointer?
        try unsafe runtime.check(api.pointee.CreateSession(runtime.environment, file, options, &session))
        self.runtime = runtime
        unsafe pointer = try runtime.require(session)
    }

    deinit { unsafe runtime.api.pointee.ReleaseSession(pointer) }

    /// What the model says of its inputs or outputs.
    enum Side { case input, output }

    /// What one input or output holds.
    enum Kind: Hashable {
        /// A tensor with an element code, sizes (-1 for a free one) and the name of the first one, where it has any.
        case tensor(code: Int32, shape: [Int64], rowName: String?)
        /// A sequence of maps with the codes of keys and values: a classifier's probabilities.
        case mapSequence(key: Int32, value: Int32)
        /// A sequence of tensors.
        case tensorSequence
        /// Anything else, with the runtime's number of it.
        case other(Int32)
    }

    /// Names and kinds in the model's order.
    func slots(_ side: Side) throws(InferenceError) -> [(name: String, kind: Kind)] {
        let api = unsafe runtime.api
        var count = 0
        try unsafe runtime.check(
            side == .input
                ? api.pointee.SessionGetInputCount(pointer, &count) : api.pointee.SessionGetOutputCount(pointer, &count)
        )
        var slots: [(name: String, kind: Kind)] = []
        for index in 0..<count {
            var info: OpaquePointer?
            try unsafe runtime.check(
                side == .input
                    ? api.pointee.SessionGetInputTypeInfo(pointer, index, &info)
                    : api.pointee.SessionGetOutputTypeInfo(pointer, index, &info)
            )
            let typeInfo = try unsafe runtime.require(info)
            defer { unsafe api.pointee.ReleaseTypeInfo(typeInfo) }
            slots.append((try name(side, index), try unsafe kind(of: typeInfo)))
        }
        return slots
    }

    private func name(_ side: Side, _ index: Int) throws(InferenceError) -> String {
        let api = unsafe runtime.api
        var text: UnsafeMutablePointer<CChar>?
        try unsafe runtime.check(
            side == .input
                ? api.pointee.SessionGetInputName(pointer, index, runtime.allocator, &text)
                : api.pointee.SessionGetOutputName(pointer, index, runtime.allocator, &text)
        )
        guard let found = unsafe text else { return "" }
        let name = unsafe String(cString: found)
        try unsafe runtime.check(api.pointee.AllocatorFree(runtime.allocator, found))
        return name
    }

    private func kind(of info: OpaquePointer) throws(InferenceError) -> Kind {
        let api = unsafe runtime.api
        var kind: Int32 = 0
        try unsafe runtime.check(api.pointee.GetOnnxTypeFromTypeInfo(info, &kind))
        switch Int(kind) {
        case Int(ORT_KIND_TENSOR):
            var tensor: OpaquePointer?
            try unsafe runtime.check(api.pointee.CastTypeInfoToTensorInfo(info, &tensor))
            let tensorInfo = try unsafe runtime.require(tensor)
            let (code, shape) = try unsafe runtime.typeAndShape(of: tensorInfo)
            return .tensor(code: code, shape: shape, rowName: try unsafe rowName(of: tensorInfo, rank: shape.count))
        case Int(ORT_KIND_SEQUENCE):
            var sequence: OpaquePointer?
            try unsafe runtime.check(api.pointee.CastTypeInfoToSequenceTypeInfo(info, &sequence))
            var element: OpaquePointer?
            try unsafe runtime.check(
                api.pointee.GetSequenceElementType(try runtime.require(sequence), &element)
            )
            let elementInfo = try unsafe runtime.require(element)
            defer { unsafe api.pointee.ReleaseTypeInfo(elementInfo) }
            return try unsafe sequenceKind(of: elementInfo)
        default: return .other(kind)
        }
    }

    private func rowName(of info: OpaquePointer, rank: Int) throws(InferenceError) -> String? {
        guard rank > 0 else { return nil }
        // The names belong to `info`; a dimension without one has an empty name.
        var names = unsafe [UnsafePointer<CChar>?](repeating: nil, count: rank)
        try unsafe runtime.check(runtime.api.pointee.GetSymbolicDimensions(info, &names, rank))
        guard let first = unsafe names[0] else { return nil }
        let name = unsafe String(cString: first)
        return name.isEmpty ? nil : name
    }

    private func sequenceKind(of element: OpaquePointer) throws(InferenceError) -> Kind {
        let api = unsafe runtime.api
        var kind: Int32 = 0
        try unsafe runtime.check(api.pointee.GetOnnxTypeFromTypeInfo(element, &kind))
        if Int(kind) == Int(ORT_KIND_TENSOR) { return .tensorSequence }
        guard Int(kind) == Int(ORT_KIND_MAP) else { return .other(kind) }
        var made: OpaquePointer?
        try unsafe runtime.check(api.pointee.CastTypeInfoToMapTypeInfo(element, &made))
        let map = try unsafe runtime.require(made)
        var key: Int32 = 0
        try unsafe runtime.check(api.pointee.GetMapKeyType(map, &key))
        var valueInfo: OpaquePointer?
        try unsafe runtime.check(api.pointee.GetMapValueType(map, &valueInfo))
        let value = try unsafe runtime.require(valueInfo)
        defer { unsafe api.pointee.ReleaseTypeInfo(value) }
        guard case .tensor(let code, _, _) = try unsafe self.kind(of: value) else { return .other(Int32(ORT_KIND_MAP)) }
        return .mapSequence(key: key, value: code)
    }

    /// Runs once; answers one tensor an output.
    func run(_ inputs: [NamedTensor], outputs: [String]) throws(InferenceError) -> [Tensor] {
        let api = unsafe runtime.api
        var given: [OnnxValue] = []
        for input in inputs { given.append(try OnnxValue(input.tensor, runtime: runtime)) }
        let inputNames = CStringArray(inputs.map(\.name))
        let outputNames = CStringArray(outputs)
        var answered = unsafe [OpaquePointer?](repeating: nil, count: outputs.count)
        let status = unsafe withExtendedLifetime((given, inputNames, outputNames)) {
            let values: [OpaquePointer?] = unsafe given.map { unsafe $0.pointer }
            return unsafe api.pointee.Run(
                pointer,
                nil,
                inputNames.pointers,
                values,
                values.count,
                outputNames.pointers,
                outputs.count,
                &answered
            )
        }
        var results: [OnnxValue] = []
        for index in outputs.indices {
            guard let value = unsafe answered[index] else { continue }
            unsafe results.append(OnnxValue(runtime: runtime, taking: value))
        }
        try unsafe runtime.check(status)
        guard results.count == outputs.count else { throw InferenceError(.runFailed, "an output has no value") }
        var tensors: [Tensor] = []
        for result in results { tensors.append(try result.asTensor()) }
        return tensors
    }
}

/// C strings that live as long as this object.
@safe private final class CStringArray {
    /// One pointer a string.
    let pointers: [UnsafePointer<CChar>?]
    private let storage: [UnsafeMutablePointer<CChar>]

    init(_ strings: [String]) {
        let made = unsafe strings.map { string -> UnsafeMutablePointer<CChar> in
            let characters = Array(string.utf8CString)
            let copy = UnsafeMutablePointer<CChar>.allocate(capacity: characters.count)
            unsafe copy.initialize(from: characters, count: characters.count)
            return unsafe copy
        }
        unsafe storage = made
        unsafe pointers = made.map { unsafe UnsafePointer($0) }
    }

    deinit {
        for index in unsafe storage.indices { unsafe storage[index].deallocate() }
    }
}
