// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// Which addresses of the Service range are taken, and by which Service: a pure value.
struct ServiceAddresses: Sendable {
    private let base: UInt32
    private let count: UInt32
    private let range: String
    private var taken: [UInt32: ObjectKey] = [:]
    private var last: UInt32 = 9

    /// A range as `127.96.0.0/16`; anything else counts as that range.
    init(range: String) {
        let parts = range.split(separator: "/")
        let bits = parts.count == 2 ? UInt32(parts[1]) ?? 16 : 16
        let address = parts.first.flatMap { IPv4Address($0)?.number }
        let usableBits = min(30, max(8, bits))
        count = 1 << (32 - usableBits)
        base = (address ?? 0x7f60_0000) & ~(count - 1)
        self.range = address == nil ? "127.96.0.0/16" : range
    }

    /// Gives the Service an address where it needs one, or takes the one that it names.
    mutating func allocate(_ service: inout KubeObject) throws(APIStatus) {
        guard service["spec", "type"]?.string != "ExternalName" else { return }
        let wanted = service["spec", "clusterIP"]?.string ?? ""
        if service["spec", "ipFamilies"] == nil { service["spec", "ipFamilies"] = ["IPv4"] }
        if service["spec", "ipFamilyPolicy"] == nil { service["spec", "ipFamilyPolicy"] = "SingleStack" }
        guard wanted != "None" else {
            service["spec", "clusterIPs"] = ["None"]
            return
        }
        let number: UInt32
        if wanted.isEmpty {
            guard let free = nextFree() else {
                throw Self.refused(service, "failed to allocate a service IP: range is full", value: wanted)
            }
            number = free
        } else {
            guard let named = IPv4Address(wanted)?.number, named > base, named < base + count - 1 else {
                throw Self.refused(
                    service,
                    "failed to allocate IP \(wanted): the provided IP (\(wanted)) is not in the valid range. "
                        + "The range of valid IPs is \(range)",
                    value: wanted
                )
            }
            guard taken[named] == nil else {
                throw Self.refused(
                    service,
                    "failed to allocate IP \(wanted): provided IP is already allocated",
                    value: wanted
                )
            }
            number = named
        }
        taken[number] = service.key
        let address = JSONValue.string("\(IPv4Address(number: number))")
        service["spec", "clusterIP"] = address
        service["spec", "clusterIPs"] = [address]
    }

    /// Notes the address that a Service has already.
    mutating func occupy(_ service: KubeObject) {
        guard service["spec", "type"]?.string != "ExternalName" else { return }
        if let number = Self.number(of: service) { taken[number] = service.key }
    }

    /// Frees the address of a Service that is gone.
    mutating func release(_ service: KubeObject) {
        guard let number = Self.number(of: service), taken[number] == service.key else { return }
        taken[number] = nil
    }

    private static func number(of service: KubeObject) -> UInt32? {
        service["spec", "clusterIP"]?.string.flatMap { IPv4Address($0)?.number }
    }

    private mutating func nextFree() -> UInt32? {
        for _ in 0..<count {
            last = last + 1 >= count - 1 ? 1 : last + 1
            if taken[base + last] == nil { return base + last }
        }
        return nil
    }

    private static func refused(_ service: KubeObject, _ why: String, value: String) -> APIStatus {
        APIStatus.invalid(
            group: "",
            kind: "Service",
            name: service.name,
            causes: [.invalid("spec.clusterIPs", [.string(value)], why)]
        )
    }
}
