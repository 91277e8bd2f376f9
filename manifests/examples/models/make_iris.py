# Copyright the ModelFleet authors.
# SPDX-License-Identifier: Apache-2.0
"""Makes iris.onnx, the demo's model, and iris-expected.json, what scikit-learn itself predicts.

Run it in a virtual environment of its own:

    python3 -m venv /tmp/iris && /tmp/iris/bin/pip install scikit-learn skl2onnx
    /tmp/iris/bin/python manifests/examples/models/make_iris.py

The model is a logistic regression on Fisher's iris data (150 flowers, four measurements in centimetres, three kinds).
Its outputs are the ones that skl2onnx gives every classifier: `output_label` (the class) and `output_probability`
(a sequence of maps from class to probability, the "zipmap").
"""

import json
import pathlib

import numpy
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

here = pathlib.Path(__file__).parent
iris = load_iris()
names = numpy.array(["setosa", "versicolor", "virginica"])
rows = iris.data.astype(numpy.float32)
classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, random_state=0))
classifier.fit(rows, names[iris.target])

model = to_onnx(classifier, initial_types=[("input", FloatTensorType([None, 4]))], target_opset=17)
model.doc_string = "Iris flowers: logistic regression, made by make_iris.py"
(here / "iris.onnx").write_bytes(model.SerializeToString())

chosen = rows[::7]
expected = {
    "classes": classifier.classes_.tolist(),
    "inputs": [[round(float(x), 4) for x in row] for row in chosen],
    "labels": classifier.predict(chosen).tolist(),
    "probabilities": [[float(p) for p in row] for row in classifier.predict_proba(chosen)],
}
(here / "iris-expected.json").write_text(json.dumps(expected, indent=1) + "\n")
