# One image for the command line and for workers: snapshotter, Debian's headless Chromium, fonts.
#
#   docker build -t snapshotter .
#   docker run --rm --security-opt seccomp=deploy/seccomp/snapshotter.json \
#     -v snapshotter-data:/var/lib/snapshotter -v snapshotter-evidence:/evidence \
#     snapshotter capture https://example.org/
#
# Chromium's sandbox needs user namespaces, which Docker's own seccomp profile forbids: hence
# that profile. Without it a capture is refused, and never made without its sandbox in silence
# (docs/howto/run-for-a-team.md). `make image-check` builds this, and captures a page in it.

# Debian 13, the index of all architectures. For a newer one: --build-arg BASE=debian:trixie-slim@sha256:…
ARG BASE=debian:trixie-slim@sha256:a29215f6a35e51e22adffa17f89e9d2ef06214e64a2bad10d765c46aea49f11f

# --- Python packages: each as the lock file has it, by hash ----------------------------------
FROM ${BASE} AS packages

# Versions are the distribution's, which brings security updates: pinned ones go away.
# hadolint ignore=DL3008
RUN apt-get update -q \
 && apt-get install -q -y --no-install-recommends python3 python3-venv ca-certificates \
 && rm -rf /var/lib/apt/lists/*

COPY requirements/capture.txt /build/requirements/capture.txt
RUN python3 -m venv /opt/snapshotter \
 && /opt/snapshotter/bin/pip install --no-cache-dir --disable-pip-version-check --no-input \
      --prefer-binary --require-hashes -r /build/requirements/capture.txt

COPY pyproject.toml README.md LICENSE /build/
COPY policies /build/policies
COPY scripts/verify_minimal.py /build/scripts/verify_minimal.py
COPY snapshotter /build/snapshotter
WORKDIR /build
# Our own code, built with the tools that the lock file pins. What only installs is left behind.
RUN /opt/snapshotter/bin/pip install --no-cache-dir --disable-pip-version-check --no-input \
      --no-deps --no-build-isolation . \
 && /opt/snapshotter/bin/pip uninstall -q -y editables hatchling pip

# --- What runs ------------------------------------------------------------------------------
FROM ${BASE}

# The browser and fonts for the world's scripts, as scripts/setup_browser.sh installs them: text
# in a script without a font would be photographed as boxes. The fonts' list is made here, since
# the file system may be read-only later.
# hadolint ignore=DL3008
RUN apt-get update -q \
 && apt-get install -q -y --no-install-recommends \
      ca-certificates chromium-headless-shell fontconfig fonts-dejavu-core fonts-liberation \
      fonts-noto-cjk fonts-noto-color-emoji fonts-noto-core python3 tini tzdata \
 && rm -rf /var/lib/apt/lists/* \
 && fc-cache --force

COPY --from=packages /opt/snapshotter /opt/snapshotter

# A number, so that Kubernetes can see that it is not root. A volume that is new takes over owner
# and mode of the directory that it covers. The salts of a store in a directory lie beside it.
RUN groupadd --gid 10001 snapshotter \
 && useradd --uid 10001 --gid 10001 --home-dir /var/lib/snapshotter --shell /usr/sbin/nologin snapshotter \
 && install -d -o 10001 -g 10001 -m 0700 /var/lib/snapshotter /var/spool/snapshotter \
 && install -d -o 10001 -g 10001 -m 0755 /evidence

ENV PATH=/opt/snapshotter/bin:/usr/local/bin:/usr/bin:/bin \
    LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SNAPSHOTTER_STORE=/evidence/captures \
    SNAPSHOTTER_DATA_DIR=/var/lib/snapshotter \
    SNAPSHOTTER_SPOOL_DIR=/var/spool/snapshotter

USER 10001:10001
WORKDIR /var/lib/snapshotter

LABEL org.opencontainers.image.title="snapshotter" \
      org.opencontainers.image.description="Preserve web pages as signed, timestamped, verifiable evidence" \
      org.opencontainers.image.licenses="Apache-2.0"

# No HEALTHCHECK: a command of this image is no service. Who runs a worker asks it for /healthz
# (`worker --listen`), as compose.yaml and the chart do.
STOPSIGNAL SIGTERM
# tini collects the processes that a dead browser leaves. It passes signals to us alone (no -g):
# a worker that drains still needs its browsers.
ENTRYPOINT ["/usr/bin/tini", "-s", "--", "snapshotter"]
CMD ["--help"]
