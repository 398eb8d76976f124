"""A server as it is written first: FastAPI, one request, one image, one forward pass of eager PyTorch.

Run as ``python naive_server.py RUN PORT``.
"""

from __future__ import annotations

import base64
import io
import sys
from typing import Any

import numpy as np
import uvicorn
from fastapi import FastAPI, UploadFile
from PIL import Image

from medgraft.prediction import LabelPrediction
from medgraft.run import Run


def make_app(run: Run) -> FastAPI:
    """The application; FastAPI runs its endpoint in threads, as it is no coroutine."""
    predictor = run.label_predictor if run.task == "classification" else run.predictor
    mode = "L" if predictor.channels == 1 else "RGB"
    app = FastAPI()

    @app.get("/healthz")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/v1/predict")
    def predict(images: UploadFile) -> dict[str, Any]:
        found = predictor.predict(np.asarray(Image.open(images.file).convert(mode)))
        if isinstance(found, LabelPrediction):
            shares = zip(found.names, found.probabilities, strict=True)
            return {"label": found.label, "probabilities": {name: float(p) for name, p in shares}}
        kept = io.BytesIO()
        Image.fromarray(found.mask).save(kept, "PNG")
        return {"mask": base64.b64encode(kept.getvalue()).decode()}

    return app


if __name__ == "__main__":
    uvicorn.run(make_app(Run(sys.argv[1])), port=int(sys.argv[2]), log_level="error")
