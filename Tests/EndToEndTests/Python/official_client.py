# Copyright the ModelFleet authors.
# SPDX-License-Identifier: Apache-2.0
"""Uses a cluster through the official Python client, as a program that knows nothing of ModelFleet would.

Each step prints "ok NAME"; the first that fails ends the program with a traceback. Takes the kubeconfig from KUBECONFIG.
"""

import base64
import os
import tempfile
import threading
import time
import uuid

from kubernetes import client, config, dynamic, utils, watch
from kubernetes.client.rest import ApiException
from kubernetes.informer import SharedInformer

STEPS = []
GROUP = "trial.example.com"
DOCUMENTS = """
apiVersion: v1
kind: ConfigMap
metadata:
  name: from-yaml
data:
  greeting: hello
---
apiVersion: v1
kind: Service
metadata:
  name: from-yaml
spec:
  selector: {app: from-yaml}
  ports:
  - port: 80
    targetPort: 8080
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: from-yaml
spec:
  replicas: 2
  selector:
    matchLabels: {app: from-yaml}
  template:
    metadata:
      labels: {app: from-yaml}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: main
        image: shell:1
        command: ["/bin/sh", "-c", "echo $GREETING from $NAME; trap 'exit 0' TERM; while :; do sleep 0.1; done"]
        env:
        - name: GREETING
          valueFrom: {configMapKeyRef: {name: from-yaml, key: greeting}}
        - name: NAME
          valueFrom: {fieldRef: {fieldPath: metadata.name}}
"""


def step(function):
    """Registers a step, in the order of the file."""
    STEPS.append(function)
    return function


def eventually(probe, what, limit=30.0):
    """Asks until the probe answers something true."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        answer = probe()
        if answer:
            return answer
        time.sleep(0.05)
    raise AssertionError(f"after {limit} s still not: {what}")


def refused(status, call, *arguments, **options):
    """Expects that a call is refused with this HTTP status; answers the Status."""
    try:
        call(*arguments, **options)
    except ApiException as error:
        assert error.status == status, f"{error.status} instead of {status}: {error.body}"
        return error
    raise AssertionError(f"{call.__name__} wasn't refused")


class Trial:
    """What the steps share: the APIs and a namespace of their own."""

    def __init__(self):
        config.load_kube_config(os.environ["KUBECONFIG"])
        self.namespace = "official-" + uuid.uuid4().hex[:8]
        self.core = client.CoreV1Api()
        self.apps = client.AppsV1Api()
        self.custom = client.CustomObjectsApi()
        self.extensions = client.ApiextensionsV1Api()
        self.core.create_namespace({"metadata": {"name": self.namespace}})

    def map(self, name, **data):
        return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name, labels={"trial": "yes"}), data=data)


@step
def version_and_groups(t):
    assert client.VersionApi().get_code().major == "1"
    assert "apps" in [group.name for group in client.ApisApi().get_api_versions().groups]
    assert "pods" in [resource.name for resource in t.core.get_api_resources().resources]


@step
def create_read_replace_delete(t):
    made = t.core.create_namespaced_config_map(t.namespace, t.map("one", a="1"))
    assert made.metadata.uid and made.metadata.creation_timestamp
    refused(409, t.core.create_namespaced_config_map, t.namespace, t.map("one", a="1"))
    made.data["b"] = "2"
    newer = t.core.replace_namespaced_config_map("one", t.namespace, made)
    assert newer.data == {"a": "1", "b": "2"}
    refused(409, t.core.replace_namespaced_config_map, "one", t.namespace, made)
    status = t.core.delete_namespaced_config_map("one", t.namespace)
    assert (status if isinstance(status, dict) else status.to_dict())["status"] == "Success"
    refused(404, t.core.read_namespaced_config_map, "one", t.namespace)
    dry = t.core.create_namespaced_config_map(t.namespace, t.map("dry"), dry_run="All")
    assert dry.metadata.name == "dry"
    refused(404, t.core.read_namespaced_config_map, "dry", t.namespace)


@step
def secrets_are_decoded(t):
    secret = client.V1Secret(metadata=client.V1ObjectMeta(name="key"), string_data={"word": "open"})
    made = t.core.create_namespaced_secret(t.namespace, secret)
    assert base64.b64decode(made.data["word"]) == b"open" and made.type == "Opaque"


@step
def list_in_pages(t):
    for number in range(7):
        t.core.create_namespaced_config_map(t.namespace, t.map(f"page-{number}", n=str(number)))
    names, token = [], None
    while True:
        page = t.core.list_namespaced_config_map(
            t.namespace, limit=3, _continue=token, label_selector="trial=yes", field_selector="metadata.name!=page-0"
        )
        assert len(page.items) <= 3
        names += [item.metadata.name for item in page.items]
        token = page.metadata._continue
        if not token:
            break
    assert names == [f"page-{number}" for number in range(1, 7)], names
    every = t.core.list_config_map_for_all_namespaces(label_selector="trial in (yes)")
    assert len(every.items) >= 7


@step
def watch_with_timeout_and_resume(t):
    first = t.core.list_namespaced_config_map(t.namespace)
    started = time.monotonic()
    seen = list(
        watch.Watch().stream(
            t.core.list_namespaced_config_map, t.namespace,
            resource_version=first.metadata.resource_version, timeout_seconds=1,
        )
    )
    assert seen == [] and time.monotonic() - started >= 0.9, "a watch without changes ends at its timeout"
    t.core.create_namespaced_config_map(t.namespace, t.map("watched", n="0"))
    for number in range(1, 4):
        t.core.patch_namespaced_config_map("watched", t.namespace, {"data": {"n": str(number)}})
    t.core.delete_namespaced_config_map("watched", t.namespace)
    kinds, values, resume = [], [], None
    watcher = watch.Watch()
    for event in watcher.stream(
        t.core.list_namespaced_config_map, t.namespace,
        resource_version=first.metadata.resource_version, timeout_seconds=20,
    ):
        kinds.append(event["type"])
        values.append(event["object"].data["n"])
        if values[-1] == "2" and resume is None:
            resume = event["object"].metadata.resource_version
        if event["type"] == "DELETED":
            watcher.stop()
    assert kinds == ["ADDED"] + ["MODIFIED"] * 3 + ["DELETED"] and values == ["0", "1", "2", "3", "3"], (kinds, values)
    watcher = watch.Watch()
    later = []
    for event in watcher.stream(
        t.core.list_namespaced_config_map, t.namespace, resource_version=resume, timeout_seconds=20
    ):
        later.append(event["type"])
        if event["type"] == "DELETED":
            watcher.stop()
    assert later == ["MODIFIED", "DELETED"], later


@step
def watch_sees_another_clients_writes(t):
    def write():
        other = client.CoreV1Api(client.ApiClient())
        for number in range(20):
            other.create_namespaced_config_map(t.namespace, t.map(f"other-{number:02}"))

    thread = threading.Thread(target=write)
    watcher, names = watch.Watch(), []
    start = t.core.list_namespaced_config_map(t.namespace).metadata.resource_version
    thread.start()
    for event in watcher.stream(
        t.core.list_namespaced_config_map, t.namespace, resource_version=start, timeout_seconds=20
    ):
        names.append(event["object"].metadata.name)
        if len(names) == 20:
            watcher.stop()
    thread.join()
    assert names == [f"other-{number:02}" for number in range(20)], names


@step
def patch_in_every_form(t):
    body = {
        "metadata": {"name": "patched", "labels": {"app": "p"}},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": "p"}},
            "template": {
                "metadata": {"labels": {"app": "p"}},
                "spec": {"containers": [{"name": "a", "image": "shell:1"}, {"name": "b", "image": "shell:1"}]},
            },
        },
    }
    t.apps.create_namespaced_deployment(t.namespace, body)
    api = dynamic.DynamicClient(client.ApiClient()).resources.get(api_version="apps/v1", kind="Deployment")

    def patch(content, body):
        return api.patch(name="patched", namespace=t.namespace, body=body, content_type=content)

    def containers(answer):
        return [(c.name, c.image) for c in answer.spec.template.spec.containers]

    change = {"spec": {"template": {"spec": {"containers": [{"name": "b", "image": "shell:2"}]}}}}
    answer = patch("application/strategic-merge-patch+json", change)
    assert containers(answer) == [("a", "shell:1"), ("b", "shell:2")], containers(answer)
    answer = patch("application/merge-patch+json", change)
    assert containers(answer) == [("b", "shell:2")], containers(answer)
    answer = patch("application/json-patch+json", [{"op": "replace", "path": "/spec/replicas", "value": 1},
                                                   {"op": "test", "path": "/metadata/name", "value": "patched"}])
    assert answer.spec.replicas == 1
    applied = api.server_side_apply(
        name="patched", namespace=t.namespace, field_manager="trial", force_conflicts=True,
        body={"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "patched", "labels": {"by": "ssa"}}},
    )
    assert applied.metadata.labels.by == "ssa"
    scale = t.apps.patch_namespaced_deployment_scale("patched", t.namespace, {"spec": {"replicas": 0}})
    assert scale.spec.replicas == 0
    t.apps.delete_namespaced_deployment("patched", t.namespace, propagation_policy="Foreground")
    eventually(
        lambda: not [d for d in t.apps.list_namespaced_deployment(t.namespace).items if d.metadata.name == "patched"],
        "the Deployment is gone",
    )


@step
def create_from_yaml_documents(t):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(DOCUMENTS)
        file.flush()
        made = utils.create_from_yaml(client.ApiClient(), file.name, namespace=t.namespace)
    assert len(made) == 3
    eventually(
        lambda: (t.apps.read_namespaced_deployment_status("from-yaml", t.namespace).status.ready_replicas or 0) == 2,
        "both pods are ready",
    )
    try:
        utils.create_from_dict(
            client.ApiClient(),
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "from-yaml"}},
            namespace=t.namespace,
        )
        raise AssertionError("a second object of the same name")
    except utils.FailToCreateError as error:
        assert error.api_exceptions[0].status == 409


@step
def logs_of_pods(t):
    pod = t.core.list_namespaced_pod(t.namespace, label_selector="app=from-yaml").items[0].metadata.name
    text = eventually(lambda: t.core.read_namespaced_pod_log(pod, t.namespace, tail_lines=5), "a log")
    assert text == f"hello from {pod}\n", repr(text)
    stamped = t.core.read_namespaced_pod_log(pod, t.namespace, timestamps=True)
    assert "Z hello from" in stamped, stamped
    follow = watch.Watch()
    for line in follow.stream(t.core.read_namespaced_pod_log, pod, t.namespace):
        assert line == f"hello from {pod}"
        follow.stop()


@step
def scale_and_restart(t):
    t.apps.patch_namespaced_deployment_scale("from-yaml", t.namespace, {"spec": {"replicas": 1}})
    eventually(
        lambda: len(t.core.list_namespaced_pod(t.namespace, label_selector="app=from-yaml").items) == 1, "one pod"
    )
    stamp = {"kubectl.kubernetes.io/restartedAt": "now"}
    change = {"spec": {"template": {"metadata": {"annotations": stamp}}}}
    t.apps.patch_namespaced_deployment("from-yaml", t.namespace, change)
    eventually(
        lambda: t.apps.read_namespaced_deployment("from-yaml", t.namespace).metadata.annotations.get(
            "deployment.kubernetes.io/revision") == "2",
        "the second revision",
    )


@step
def delete_by_selector(t):
    t.core.delete_collection_namespaced_config_map(t.namespace, label_selector="trial=yes")
    assert [m.metadata.name for m in t.core.list_namespaced_config_map(t.namespace).items
            if m.metadata.name.startswith("page-")] == []


@step
def custom_resources(t):
    name = f"gadgets.{GROUP}"
    schema = {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "required": ["size"],
                "properties": {"size": {"type": "integer", "minimum": 1}, "color": {"type": "string",
                                                                                   "default": "red"}},
            },
            "status": {"type": "object", "properties": {"seen": {"type": "integer"}}},
        },
    }
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"plural": "gadgets", "singular": "gadget", "kind": "Gadget"},
            "versions": [{"name": "v1", "served": True, "storage": True, "subresources": {"status": {}},
                          "schema": {"openAPIV3Schema": schema}}],
        },
    }
    t.extensions.create_custom_resource_definition(definition)

    def established():
        conditions = t.extensions.read_custom_resource_definition(name).status.conditions or []
        return any(c.type == "Established" and c.status == "True" for c in conditions)

    eventually(established, "the kind is established")
    place = (GROUP, "v1", t.namespace, "gadgets")
    body = {"apiVersion": f"{GROUP}/v1", "kind": "Gadget", "metadata": {"name": "g"}, "spec": {"size": 3}}
    made = t.custom.create_namespaced_custom_object(*place, body)
    assert made["spec"] == {"size": 3, "color": "red"}
    wrong = dict(body, metadata={"name": "w"}, spec={"size": 0})
    error = refused(422, t.custom.create_namespaced_custom_object, *place, wrong)
    assert "spec.size" in error.body
    changed = t.custom.patch_namespaced_custom_object(*place, "g", {"spec": {"size": 4}})
    assert changed["spec"]["size"] == 4 and changed["metadata"]["generation"] == 2
    seen = t.custom.patch_namespaced_custom_object_status(*place, "g", {"status": {"seen": 4}})
    assert seen["status"] == {"seen": 4} and seen["metadata"]["generation"] == 2
    assert len(t.custom.list_namespaced_custom_object(*place)["items"]) == 1
    watcher = watch.Watch()
    for event in watcher.stream(t.custom.list_namespaced_custom_object, *place, timeout_seconds=10):
        assert event["type"] == "ADDED" and event["object"]["metadata"]["name"] == "g"
        watcher.stop()
    t.custom.delete_namespaced_custom_object(*place, "g")
    refused(404, t.custom.get_namespaced_custom_object, *place, "g")
    t.extensions.delete_custom_resource_definition(name)


@step
def informer_follows(t):
    informer = SharedInformer(t.core.list_namespaced_config_map, namespace=t.namespace, label_selector="informed=yes")
    informer.start()
    body = {"metadata": {"name": "informed", "labels": {"informed": "yes"}}, "data": {"n": "0"}}
    t.core.create_namespaced_config_map(t.namespace, body)
    key = f"{t.namespace}/informed"
    eventually(lambda: informer.cache.get_by_key(key), "the informer has it")
    t.core.patch_namespaced_config_map("informed", t.namespace, {"data": {"n": "1"}})
    eventually(lambda: informer.cache.get_by_key(key).data["n"] == "1", "the informer follows the change")
    t.core.delete_namespaced_config_map("informed", t.namespace)
    eventually(lambda: informer.cache.get_by_key(key) is None, "the informer notices the deletion")
    informer.stop()


@step
def eviction_and_cordon(t):
    body = {"metadata": {"name": "single"}, "spec": {"terminationGracePeriodSeconds": 1, "containers": [
        {"name": "main", "image": "shell:1", "command": ["/bin/sh", "-c", "while :; do sleep 0.1; done"]}]}}
    t.core.create_namespaced_pod(t.namespace, body)
    pod = eventually(
        lambda: next((p for p in t.core.list_namespaced_pod(t.namespace, field_selector="status.phase=Running").items
                      if p.metadata.name == "single"), None),
        "the pod runs",
    )
    node = pod.spec.node_name
    t.core.patch_node(node, {"spec": {"unschedulable": True}})
    eventually(lambda: "node.kubernetes.io/unschedulable" in [x.key for x in t.core.read_node(node).spec.taints or []],
               "the taint of a cordoned node")
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "single", "namespace": t.namespace}}
    t.core.create_namespaced_pod_eviction("single", t.namespace, eviction)
    eventually(lambda: "single" not in [p.metadata.name for p in t.core.list_namespaced_pod(t.namespace).items],
               "the pod is gone")
    t.core.patch_node(node, {"spec": {"unschedulable": None}})


@step
def namespace_goes_with_everything(t):
    t.core.delete_namespace(t.namespace)
    eventually(
        lambda: t.namespace not in [n.metadata.name for n in t.core.list_namespace().items], "the namespace is gone"
    )


def main():
    trial = Trial()
    for function in STEPS:
        function(trial)
        print("ok", function.__name__.replace("_", " "), flush=True)
    print("done", flush=True)


if __name__ == "__main__":
    main()
