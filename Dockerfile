# One image for the command line and for workers: snapshotter, Debian's headless Chromium, fonts.
#
#   docker build -t snapshotter .
#   docker run --rm --security-opt seccomp=deploy/seccomp/snapshotter.json \
#     -v snapshotter-data:/var/lib/snapshotter -v snapshotter-evidence:/evidence \
#     snapshotter capture https://example.org/
#
# Chromium's sandbox needs user namespaces. The default seccomp profile of Docker forbids them, so
# this command names another profile. Without that profile, captures are refused
# (docs/howto/run-for-a-team.md). `make image-check` builds the image and captures a page in it.

# Debian 13, the index of all architectures. For a newer version: --build-arg BASE=debian:trixie-slim@sha256:…
ARG BASE=debian:trixie-slim@sha256:a29215f6a35e51e22adffa17f89e9d2ef06214e64a2bad10d765c46aea49f11f

# --- Python packages: as pinned in the lock file, by hash ----------------------------------
FROM ${BASE} AS packages

# The distribution sets the versions and gives security updates; pinned versions are removed there.
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
# The code of snapshotter, built with the tools that the lock file pins. Installers are not kept.
RUN /opt/snapshotter/bin/pip install --no-cache-dir --disable-pip-version-check --no-input \
      --no-deps --no-build-isolation . \
 && /opt/snapshotter/bin/pip uninstall -q -y editables hatchling pip

# --- The image ------------------------------------------------------------------------------
FROM ${BASE}

# The browser and fonts for many scripts, as scripts/setup_browser.sh installs them. Text in a
# script without a font would appear as boxes in pictures. The list of fonts is made here, because
# the file system may be read-only later.
# hadolint ignore=DL3008
RUN apt-get update -q \
 && apt-get install -q -y --no-install-recommends \
      ca-certificates chromium-headless-shell fontconfig fonts-dejavu-core fonts-liberation \
      fonts-noto-cjk fonts-noto-color-emoji fonts-noto-core python3 tini tzdata \
 && rm -rf /var/lib/apt/lists/* \
 && fc-cache --force

COPY --from=packages /opt/snapshotter /opt/snapshotter

# A numeric user, so that Kubernetes can check that it is not root. A new volume gets the owner and
# the mode of the directory that it covers. The salts of a store in a directory are beside the store.
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

# No HEALTHCHECK, because a command of this image is not a service. To check a worker, request
# /healthz (`worker --listen`), as compose.yaml and the chart do.
STOPSIGNAL SIGTERM
# tini collects the processes that an ended browser leaves. It passes signals only to snapshotter
# (no -g), because a worker that drains still needs its browsers.
ENTRYPOINT ["/usr/bin/tini", "-s", "--", "snapshotter"]
CMD ["--help"]
