// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import Testing
import YAML

struct YAMLWriterTests {
    @Test("an object is written as kubectl writes it")
    func layout() throws {
        let value: JSONValue = [
            "kind": "ConfigMap", "apiVersion": "v1",
            "metadata": ["namespace": "shop", "annotations": [:], "name": "a"],
            "data": ["script": "a\n  b\n\nc\n", "yes": "1.10", "plain": "hello world", "url": "https://a.b/c?d=e#f"],
            "status": ["x": [["a": 1, "b": [[], ["c"]]], null, true, 1.5]],
        ]
        #expect(
            YAMLWriter().text(value) == """
                apiVersion: v1
                kind: ConfigMap
                metadata:
                  name: a
                  namespace: shop
                  annotations: {}
                data:
                  plain: hello world
                  script: |
                    a
                      b

                    c
                  url: https://a.b/c?d=e#f
                  "yes": "1.10"
                status:
                  x:
                  - a: 1
                    b:
                    - []
                    - - c
                  - null
                  - true
                  - 1.5

                """
        )
        #expect(try JSONValue.documents(yaml: YAMLWriter().text(value)) == [value])
    }

    private var null: JSONValue { .null }
}
