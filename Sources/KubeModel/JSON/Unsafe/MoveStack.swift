// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// A stack from whose top many elements are moved into an array of their own at once, without counting references.
@safe struct MoveStack<Element>: ~Copyable {
    private var storage: UnsafeMutablePointer<Element>
    private var capacity: Int
    /// The elements on the stack.
    private(set) var count = 0

    /// An empty stack.
    init() {
        capacity = 64
        unsafe storage = .allocate(capacity: 64)
    }

    deinit {
        unsafe storage.deinitialize(count: count)
        unsafe storage.deallocate()
    }

    /// Puts an element on top.
    mutating func push(_ element: consuming Element) {
        if count == capacity { grow() }
        unsafe (storage + count).initialize(to: element)
        count += 1
    }

    /// Takes the top `number` elements, in the order in which they came; no more than there are.
    mutating func take(_ number: Int) -> [Element] {
        precondition(number >= 0 && number <= count)
        guard number > 0 else { return [] }
        count -= number
        let source = unsafe storage + count
        return unsafe Array(unsafeUninitializedCapacity: number) { buffer, initialized in
            if let target = buffer.baseAddress { unsafe target.moveInitialize(from: source, count: number) }
            initialized = number
        }
    }

    /// Takes the top elements in another order: `order` has the place of each, counted from the lowest of them.
    mutating func take(inOrder order: [Int]) -> [Element] {
        precondition(order.count <= count)
        count -= order.count
        let source = unsafe storage + count
        return unsafe Array(unsafeUninitializedCapacity: order.count) { buffer, initialized in
            for index in order.indices {
                unsafe buffer.initializeElement(at: index, to: (source + order[index]).move())
            }
            initialized = order.count
        }
    }

    private mutating func grow() {
        let larger = UnsafeMutablePointer<Element>.allocate(capacity: capacity * 2)
        unsafe larger.moveInitialize(from: storage, count: count)
        unsafe storage.deallocate()
        unsafe storage = larger
        capacity *= 2
    }
}
