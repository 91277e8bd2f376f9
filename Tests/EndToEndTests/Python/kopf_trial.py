# Copyright the ModelFleet authors.
# SPDX-License-Identifier: Apache-2.0
"""Drives the operator of kopf_operator.py, which it starts with `kopf run`, and checks what it did.

Each step prints "ok NAME". Takes the kubeconfig from KUBECONFIG.
"""

import os
import pathlib
import signal
import subprocess
import sys
import tempfile

from kubernetes import client, config

from official_client import eventually

GROUP = "kopf.example.com"
PLACE = (GROUP, "v1", "default", "trials")


def definition(plural, kind, group, scope="Namespaced", schema=None):
    names = {"plural": plural, "singular": kind.lower(), "kind": kind}
    keep = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "subresources": {} if schema else {"status": {}},
        "schema": {"openAPIV3Schema": schema or {"type": "object", "properties": {"spec": keep, "status": keep}}},
    }
    if schema:
        del version["subresources"]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "scope": scope, "names": names, "versions": [version]},
    }


class Operator:
    """A run of `kopf run` with its output in a file."""

    def __init__(self, *options):
        self.log = tempfile.NamedTemporaryFile("w+", suffix=".log")
        program = pathlib.Path(__file__).with_name("kopf_operator.py")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "kopf", "run", str(program), "--verbose", *options],
            stdout=self.log, stderr=subprocess.STDOUT, env=os.environ,
        )

    def text(self):
        return pathlib.Path(self.log.name).read_text()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            assert self.process.wait(20) == 0, self.text()[-2000:]
        finally:
            self.process.kill()


def handlers(custom, core):
    def trial(name="one"):
        return custom.get_namespaced_custom_object(*PLACE, name)

    def text(name):
        return core.read_namespaced_config_map(name, "default").data["text"]

    def create(name, **spec):
        body = {"apiVersion": f"{GROUP}/v1", "kind": "Trial", "metadata": {"name": name}, "spec": spec}
        custom.create_namespaced_custom_object(*PLACE, body)

    create("one", text="first")
    eventually(lambda: trial().get("status", {}).get("created"), "the handler's result is in the status")
    assert trial()["status"]["created"] == {"tries": 1} and trial()["status"]["phase"] == "Created"
    assert trial()["metadata"]["finalizers"] == [f"{GROUP}/finalizer"]
    assert "kopf.zalando.org/last-handled-configuration" in trial()["metadata"]["annotations"]
    owner = core.read_namespaced_config_map("one", "default").metadata.owner_references[0]
    assert owner.uid == trial()["metadata"]["uid"] and text("one") == "first"
    print("ok create", flush=True)

    create("two", text="second", failFirst=True)
    eventually(lambda: trial("two").get("status", {}).get("created"), "a failed handler is tried again")
    assert trial("two")["status"]["created"] == {"tries": 2}
    print("ok retry", flush=True)

    custom.patch_namespaced_custom_object(*PLACE, "one", {"spec": {"text": "changed"}})
    eventually(lambda: text("one") == "changed", "the update reaches the child")
    eventually(lambda: trial()["status"].get("updated/spec.text") == "first to changed", "the update's result")
    print("ok update", flush=True)

    def events():
        every = core.list_namespaced_event("default", field_selector="involvedObject.name=one").items
        return {event.reason: event.message for event in every}

    eventually(lambda: events().get("TextChanged") == "from first to changed", "the handler's event")
    eventually(lambda: "Logging" in events(), "kopf's own events")
    print("ok events", flush=True)

    ticks = eventually(lambda: trial()["status"].get("ticks", 0) >= 2 and trial()["status"]["ticks"], "two ticks")
    eventually(lambda: trial()["status"]["ticks"] > ticks, "another tick")
    eventually(lambda: text("one-daemon") == "started", "the daemon runs")
    print("ok timer and daemon", flush=True)

    core.create_namespaced_config_map("default", {"metadata": {"name": "s", "labels": {"seen-by": "kopf"}}})
    eventually(
        lambda: (core.read_namespaced_config_map("s", "default").metadata.annotations or {}).get("seen"), "an event"
    )
    print("ok watching another kind", flush=True)

    custom.delete_namespaced_custom_object(*PLACE, "one")
    eventually(lambda: gone(lambda: trial()), "the object is gone once the finalizer is")
    assert text("one-epitaph") == "gone"
    eventually(lambda: text("one-daemon") == "stopped", "the daemon was told to stop")
    eventually(lambda: gone(lambda: text("one")), "the child is collected")
    print("ok delete", flush=True)


def gone(call):
    try:
        call()
    except client.ApiException as error:
        return error.status == 404
    return False


def main():
    # A test runner may start programs with signals blocked, and children inherit that.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    config.load_kube_config(os.environ["KUBECONFIG"])
    core, custom, extensions = client.CoreV1Api(), client.CustomObjectsApi(), client.ApiextensionsV1Api()
    extensions.create_custom_resource_definition(definition("trials", "Trial", GROUP))
    free = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    extensions.create_custom_resource_definition(
        definition("clusterkopfpeerings", "ClusterKopfPeering", "kopf.dev", "Cluster", free)
    )
    operator = Operator("--all-namespaces", "--standalone")
    try:
        handlers(custom, core)
        operator.stop()
        print("ok stop", flush=True)
        custom.patch_namespaced_custom_object(*PLACE, "two", {"spec": {"text": "missed"}})
        peers = ("kopf.dev", "v1", "clusterkopfpeerings")
        custom.create_cluster_custom_object(
            *peers, {"apiVersion": "kopf.dev/v1", "kind": "ClusterKopfPeering", "metadata": {"name": "trial"}}
        )
        operator = Operator("--all-namespaces", "--peering=trial", "--priority=1")
        eventually(
            lambda: core.read_namespaced_config_map("two", "default").data["text"] == "missed", "a change is caught up"
        )
        print("ok restart", flush=True)
        eventually(lambda: custom.get_cluster_custom_object(*peers, "trial").get("status"), "the peer is announced")
        other = Operator("--all-namespaces", "--peering=trial", "--priority=9")
        try:
            eventually(lambda: len(custom.get_cluster_custom_object(*peers, "trial").get("status") or {}) == 2, "two peers")
            eventually(lambda: "Pausing" in operator.text(), "the lower one pauses")
            custom.delete_namespaced_custom_object(*PLACE, "two")
            eventually(lambda: gone(lambda: custom.get_namespaced_custom_object(*PLACE, "two")), "the higher one works")
        except BaseException:
            print(other.text()[-8000:], flush=True)
            raise
        finally:
            other.stop()
        print("ok peering", flush=True)
    except BaseException:
        print(operator.text()[-8000:], flush=True)
        raise
    finally:
        operator.process.terminate()
        operator.process.wait(20)
    print("done", flush=True)


if __name__ == "__main__":
    main()
