# Two images of one build: the product (the last stage, what `docker build .` makes) and `proving`, what the sample in
# compose.yaml needs besides. Any builder will do: docker, podman, buildah.

FROM docker.io/library/rust:1.95-slim-bookworm AS build
# aws-lc-sys and mimalloc are C.
RUN apt-get update && apt-get install -y --no-install-recommends gcc g++ libc6-dev make && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# The caches live outside the image: a second build compiles only what has changed.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked --workspace --bins && \
    mkdir -p /out/bin /out/proving /out/etc && \
    cp target/release/epro target/release/epro-producer-api target/release/epro-worker /out/bin/ && \
    cp target/release/evening target/release/sample-config target/release/sample-hospital /out/proving/

# glibc, libgcc and the authorities of the web; no shell, no package manager, nothing else to patch. User 65532.
FROM gcr.io/distroless/cc-debian12:nonroot AS proving
COPY --from=build /out/proving/ /usr/local/bin/
# A volume that is mounted here first belongs to this user.
COPY --from=build --chown=65532:65532 /out/etc/ /etc/epro/
USER 65532:65532

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/bin/ /usr/local/bin/
COPY --from=build --chown=65532:65532 /out/etc/ /etc/epro/
COPY --from=build --chown=65532:65532 /out/etc/ /var/lib/epro/
ENV PATH=/usr/local/bin EPRO_CONFIG=/etc/epro/config.yaml
# Nothing is written to the root file system: run it read-only. As a number, or runAsNonRoot could not tell.
USER 65532:65532
# 8080 is the door, 8090 the console, 9090 /livez /readyz /metrics. No ENTRYPOINT: name one of epro,
# epro-producer-api, epro-worker.
EXPOSE 8080 8090 9090
CMD ["epro", "--help"]
