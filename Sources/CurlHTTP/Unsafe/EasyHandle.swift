// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import CCurl

/// The one owner of a `CURL *`.
@safe struct EasyHandle: ~Copyable {
    /// The handle, for libcurl's calls only.
    let raw: UnsafeMutableRawPointer

    /// A new handle; `nil` when there is no memory.
    init?() {
        guard let raw = unsafe curl_easy_init() else { return nil }
        unsafe self.raw = raw
    }

    deinit { unsafe curl_easy_cleanup(raw) }

    /// Sets a number.
    func set(_ option: CURLoption, _ value: Int) throws(CurlError) {
        try check(unsafe ccurl_set_long(raw, option, value))
    }

    /// Sets a yes or no.
    func set(_ option: CURLoption, _ value: Bool) throws(CurlError) { try set(option, value ? 1 : 0) }

    /// Sets a text, which libcurl copies; `nil` takes the option back to nothing.
    func set(_ option: CURLoption, _ value: String?) throws(CurlError) {
        guard let value else { return try check(unsafe ccurl_set_string(raw, option, nil)) }
        try check(unsafe value.withCString { text in unsafe ccurl_set_string(raw, option, text) })
    }

    /// Sets a pointer, which has to outlive the handle's use.
    func set(_ option: CURLoption, pointer: UnsafeMutableRawPointer?) throws(CurlError) {
        try check(unsafe ccurl_set_pointer(raw, option, pointer))
    }

    /// Sets a callback for bytes.
    func set(_ option: CURLoption, sink: ccurl_sink) throws(CurlError) {
        try check(unsafe ccurl_set_sink(raw, option, sink))
    }

    /// Sets the header lines, which have to outlive the transfer.
    func set(_ option: CURLoption, list: borrowing HeaderList) throws(CurlError) {
        try check(unsafe ccurl_set_list(raw, option, list.first))
    }

    /// Sets PEM text from memory, which libcurl copies.
    func set(_ option: CURLoption, blob text: String) throws(CurlError) {
        var bytes = Array(text.utf8)
        let code = unsafe bytes.withUnsafeMutableBytes { buffer in
            var blob = unsafe curl_blob(
                data: buffer.baseAddress,
                len: buffer.count,
                flags: UInt32(CURL_BLOB_COPY)
            )
            return unsafe ccurl_set_blob(raw, option, &blob)
        }
        try check(code)
    }

    /// Sets the request's body, which libcurl copies.
    func setBody(_ bytes: [UInt8]) throws(CurlError) {
        try check(unsafe ccurl_set_offset(raw, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(bytes.count)))
        if bytes.isEmpty {
            try set(CURLOPT_COPYPOSTFIELDS, "")
        } else {
            try check(
                unsafe bytes.withUnsafeBytes { unsafe ccurl_set_bytes(raw, CURLOPT_COPYPOSTFIELDS, $0.baseAddress) }
            )
        }
    }

    /// A number that libcurl knows about the transfer; 0 when it doesn't.
    func number(_ info: CURLINFO) -> Int {
        var value = 0
        return unsafe ccurl_get_long(raw, info, &value) == CURLE_OK ? value : 0
    }

    /// A text that libcurl knows about the transfer; empty when it doesn't.
    func text(_ info: CURLINFO) -> String {
        var value: UnsafeMutablePointer<CChar>?
        guard unsafe ccurl_get_string(raw, info, &value) == CURLE_OK, let value = unsafe value else { return "" }
        return unsafe String(cString: value)
    }

    /// Sets what is called with each new socket before it connects.
    func set(socketSetup: ccurl_socket_setup) throws(CurlError) {
        try check(unsafe ccurl_set_socket_setup(raw, socketSetup))
    }

    /// Makes libcurl send what waits in the connection to be sent, and look for what it has received for this transfer.
    ///
    /// libcurl before 8.1 does the first only when some transfer sends, and the second only when more arrives: the reset
    /// of a given-up stream, a request that the kernel didn't take at once, or what was received behind a given-up
    /// stream's bytes could wait for ever. Changing what is paused makes it do both at once.
    func nudge() {
        _ = unsafe curl_easy_pause(raw, CURLPAUSE_SEND)
        _ = unsafe curl_easy_pause(raw, CURLPAUSE_CONT)
    }

    /// Lets a paused transfer go on; may call the transfer's callbacks.
    func unpause() { _ = unsafe curl_easy_pause(raw, CURLPAUSE_CONT) }

    private func check(_ code: CURLcode) throws(CurlError) {
        guard code == CURLE_OK else {
            let reason = unsafe curl_easy_strerror(code).map { unsafe String(cString: $0) } ?? "code \(code.rawValue)"
            throw CurlError(code: .other, message: "libcurl refused an option: \(reason)")
        }
    }
}

/// The one owner of a list of header lines.
@safe struct HeaderList: ~Copyable {
    /// The first line; `nil` for none.
    private(set) var first: UnsafeMutablePointer<curl_slist>?

    /// A list of `lines`, in their order.
    init(_ lines: [String]) throws(CurlError) {
        unsafe first = nil
        for line in lines {
            guard let longer = unsafe curl_slist_append(first, line) else {
                throw CurlError(code: .other, message: "there is no memory for a request's header fields")
            }
            unsafe first = longer
        }
    }

    deinit { unsafe curl_slist_free_all(first) }
}
