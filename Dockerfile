# The server alone: exported files under onnxruntime on the CPU, without PyTorch, run by a user without rights.
#
#   docker build --tag medgraft-serve .
#   docker run --read-only --cap-drop ALL --security-opt no-new-privileges --publish 127.0.0.1:8000:8000 \
#     --env MEDGRAFT_TOKEN --volume "$PWD/model.onnx:/srv/model.onnx:ro" medgraft-serve
#
# See docs/how-to/serve.md.

FROM python:3.11-slim AS wheel
WORKDIR /build
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.11-slim
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
COPY requirements-serve.txt constraints.txt /tmp/
COPY --from=wheel /wheels /tmp/wheels
RUN pip install --no-cache-dir --requirement /tmp/requirements-serve.txt --constraint /tmp/constraints.txt \
    && pip install --no-cache-dir --no-deps /tmp/wheels/*.whl \
    && rm -r /tmp/wheels /tmp/requirements-serve.txt /tmp/constraints.txt \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin serve
USER 10001
WORKDIR /srv
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
# Uploads stay in memory, so the root may be read-only. Without MEDGRAFT_TOKEN this address is refused.
ENTRYPOINT ["medgraft", "serve"]
CMD ["/srv/model.onnx", "--host", "0.0.0.0"]
