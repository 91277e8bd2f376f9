// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPTypes
import KubeAPI
import KubeModel
import Synchronization

/// Asks the API server whether somebody may do something, as `k8s.io/apiserver`'s delegating authorizer does.
final class DelegatedAuthorization: Sendable {
    /// How long an answer counts (`DelegatingAuthorizationOptions.AllowCacheTTL` and `DenyCacheTTL`).
    static let cacheTime = Duration.seconds(10)
    /// The most answers that are remembered.
    static let capacity = 4096
    /// Requests whose texts are longer in sum are asked about each time (`maxControlledAttrCacheSize`).
    static let longestRemembered = 10_000

    private static let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"

    private struct Question: Sendable, Hashable {
        var user: UserInfo
        var attributes: RequestAttributes
    }

    private struct Answer: Sendable {
        var isAllowed: Bool
        var reason: String
    }

    private let reviews: Reviews
    /// What those ask who show nothing: they don't fill the places of the others.
    private let reviewsOfStrangers: Reviews
    private let time: any TimeSource
    private let known = Mutex(ExpiringCache<Question, Answer>(capacity: DelegatedAuthorization.capacity))

    /// Authorization by the API server that `client` reaches.
    init(client: KubeClient, time: any TimeSource) {
        reviews = Reviews(client)
        reviewsOfStrangers = Reviews(client)
        self.time = time
    }

    /// Lets `user` do what it wants, or refuses.
    /// - Throws: 403 with the API server's reason; 500 when it can't be asked; 429 while too many wait for it.
    func check(_ user: UserInfo, _ attributes: RequestAttributes) async throws(APIStatus) {
        if user.groups.contains(UserInfo.masters) { return }
        let question = Question(user: user, attributes: attributes)
        let isShort = attributes.path.utf8.count < Self.longestRemembered
        let answer: Answer
        if isShort, let known = known.withLock({ $0.value(question, now: time.now()) }) {
            answer = known
        } else {
            answer = try await ask(question)
            if isShort {
                known.withLock { $0.keep(answer, for: question, until: time.now() + Self.cacheTime) }
            }
        }
        guard answer.isAllowed else { throw attributes.forbidden(user, answer.reason) }
    }

    private func ask(_ question: Question) async throws(APIStatus) -> Answer {
        var spec = question.user.reviewMembers
        let (member, json) = question.attributes.reviewMember
        spec[member] = json
        let review: JSONValue = [
            "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec,
        ]
        let reviews = question.user.name == UserInfo.anonymous.name ? reviewsOfStrangers : reviews
        let answer: JSONValue
        do { answer = try await reviews.ask(Self.path, review) } catch {
            if error.code == 429 { throw error }
            throw APIStatus(
                code: 500,
                reason: "InternalError",
                message: "whether \"\(question.user.name)\" may do this can't be asked: \(error.message)"
            )
        }
        let status = answer["status"]
        return Answer(
            isAllowed: status?["allowed"] == true && status?["denied"] != true,
            reason: status?["reason"]?.string ?? ""
        )
    }
}
