// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import CCurl

/// What `curl_global_init` sets up, once for the process.
enum CurlLibrary {
    /// Whether libcurl could be set up; the first read does it. libcurl 7.84 and later allow that from any thread.
    static let isReady: Bool = {
        OpenSSLAtExit.leaveMemory()
        return curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK
    }()
}

/// The one owner of a `CURLM *`: connections and transfers; every call but `wakeHandle.wake()` is the loop's thread's.
@safe struct MultiHandle: ~Copyable {
    private let raw: UnsafeMutableRawPointer

    /// A new handle; `nil` when there is no memory.
    init?(maximumConnections: Int) {
        guard CurlLibrary.isReady, let raw = unsafe curl_multi_init() else { return nil }
        unsafe self.raw = raw
        _ = unsafe ccurl_multi_set_long(raw, CURLMOPT_PIPELINING, Int(CURLPIPE_MULTIPLEX))
        // Not more until the server has said how many it takes: HTTP/2 advises servers to take 100 at least (RFC 9113,
        // 6.5.2), and requests beyond a server's limit would wait inside of nghttp2 for a stream to end. With that many
        // streams another connection is opened.
        _ = unsafe ccurl_multi_set_long(raw, CURLMOPT_MAX_CONCURRENT_STREAMS, StreamGate.streamsPerConnection)
        _ = unsafe ccurl_multi_set_long(raw, CURLMOPT_MAX_TOTAL_CONNECTIONS, max(1, maximumConnections))
        _ = unsafe ccurl_multi_set_long(raw, CURLMOPT_MAXCONNECTS, max(1, maximumConnections))
    }

    deinit { unsafe curl_multi_cleanup(raw) }

    /// What other threads may hold, for as long as this handle lives.
    var wakeHandle: WakeHandle { unsafe WakeHandle(raw: raw) }

    /// Adds a transfer; `false` when libcurl refuses it.
    func add(_ easy: UnsafeMutableRawPointer) -> Bool { unsafe curl_multi_add_handle(raw, easy) == CURLM_OK }

    /// Takes a transfer out, done or not.
    func remove(_ easy: UnsafeMutableRawPointer) { _ = unsafe curl_multi_remove_handle(raw, easy) }

    /// Moves every transfer on as far as it goes without waiting.
    func perform() {
        var running: Int32 = 0
        _ = unsafe curl_multi_perform(raw, &running)
    }

    /// The next transfer that is done, with libcurl's result.
    func nextDone() -> (easy: UnsafeMutableRawPointer, result: CURLcode)? {
        var left: Int32 = 0
        while let message = unsafe curl_multi_info_read(raw, &left) {
            guard unsafe message.pointee.msg == CURLMSG_DONE, let easy = unsafe message.pointee.easy_handle else {
                continue
            }
            return unsafe (easy, ccurl_message_result(message))
        }
        return nil
    }

    /// Waits for a socket, a timer of libcurl's, a wakeup, or `milliseconds`; `false` when it could not wait.
    func poll(milliseconds: Int32) -> Bool { unsafe curl_multi_poll(raw, nil, 0, milliseconds, nil) == CURLM_OK }
}

/// Wakes the loop's thread.
// SAFETY: curl_multi_wakeup is the one call on a multi handle that is documented for any thread; the loop uses it under
// its lock, and only in the states in which the handle exists.
@safe struct WakeHandle: @unchecked Sendable {
    fileprivate let raw: UnsafeMutableRawPointer

    /// Ends the present `poll`, or the next one.
    func wake() { _ = unsafe curl_multi_wakeup(raw) }
}
