#!/bin/sh
# Tries the image where no registry can be reached, with Debian's buildah: the Dockerfile's last stages, around programs
# that were compiled outside, on a base made of the Debian packages that the Dockerfile's base is made of.
#
#   cargo build --release --workspace --bins && proving/image.sh [FOLDER OF THE PROGRAMS]
#
# Each program says its version in it. With EPRO_AMQP_URL, EPRO_MANAGEMENT_URL and EPRO_DATABASE_URL, as for ./dev run (a
# vhost and a database that are new or empty), the sample evening goes through it as well; then nothing may have been
# written to its root. Needs root, buildah, curl, python3-aiosmtpd and Debian's archive. Leaves nothing behind.
set -eu

here=$(cd -- "$(dirname -- "$0")/.." && pwd)
programs=$(cd -- "${1:-$here/target/release}" && pwd)
work=$(mktemp -d)
chmod 755 "$work"
helpers=

# A storage of our own: the machine's images are never touched.
b() { buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs "$@"; }

# Processes in the image, by their environment.
inside() { grep -lzxF "EPRO_TRIED=$work" /proc/[0-9]*/environ 2>/dev/null | sed 's|^/proc/\([0-9]*\)/.*|\1|'; }

end() {
    # shellcheck disable=SC2046,SC2086
    kill $(inside) $helpers 2>/dev/null || true
    wait || true
    b rm --all >/dev/null 2>&1 || true
    rm -rf -- "$work"
}
trap end EXIT

base() {
    mkdir -p "$work/debs" "$work/base/etc/ssl/certs"
    (cd "$work/debs" && apt-get download -q base-files netbase tzdata libc6 libgcc-s1 libstdc++6 libssl3 ca-certificates)
    for package in "$work"/debs/*.deb; do dpkg-deb -x "$package" "$work/base"; done
    # What the package does when it is installed.
    cat "$work"/base/usr/share/ca-certificates/mozilla/*.crt >"$work/base/etc/ssl/certs/ca-certificates.crt"
    echo 'nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin' >"$work/base/etc/passwd"
    echo 'nonroot:x:65532:' >"$work/base/etc/group"
    made=$(b from scratch)
    b copy -q "$made" "$work/base" / >/dev/null
    b commit -q "$made" gcr.io/distroless/cc-debian12:nonroot >/dev/null
}

# The first stage's results, from outside; every other stage as it is written.
image() {
    mkdir -p "$work/context/bin" "$work/context/proving" "$work/context/etc"
    (cd "$programs" && cp epro epro-producer-api epro-worker "$work/context/bin/")
    (cd "$programs" && cp evening sample-config sample-hospital "$work/context/proving/")
    {
        printf 'FROM scratch AS build\nCOPY bin /out/bin\nCOPY proving /out/proving\nCOPY etc /out/etc\n'
        awk '/^FROM /{stage++} stage > 1' "$here/Dockerfile"
    } >"$work/Dockerfile"
    b build -q --isolation chroot --pull=never -f "$work/Dockerfile" -t localhost/epro-relay:dev "$work/context" >/dev/null
    [ "$(b inspect --type image --format '{{.OCIv1.Config.User}}' localhost/epro-relay:dev)" = 65532:65532 ]
}

# Runs a program in a container of its own, as the image's user. `at`: where it listens for probes.
run() {
    at=$1 && shift
    container=$(b from --pull=never localhost/epro-relay:dev)
    b run --isolation chroot --env "EPRO_TRIED=$work" --env "EPRO_CONFIG=$work/epro/config.yaml" \
        --env "EPRO__ADMIN__LISTEN=$at" --volume "$work/epro:$work/epro" "$container" -- "$@"
}

ready() { curl -sf --retry 60 --retry-delay 1 --retry-connrefused "http://$1/readyz" >/dev/null; }

evening() {
    "$programs/sample-hospital" --fhir 127.0.0.1:8082 --mllp 127.0.0.1:2575 --control 127.0.0.1:8083 &
    helpers=$!
    python3 "$here/proving/smtp/inbox.py" --folder "$work/inbox" --port 1025 &
    helpers="$helpers $!"
    "$programs/sample-config" --folder "$work/epro" --broker "$EPRO_AMQP_URL" --management "$EPRO_MANAGEMENT_URL" \
        --postgres "$EPRO_DATABASE_URL" --smtp 1025 --overlay '{"hospitals": {
            "H001": {"protocol": "fhir", "url": "http://127.0.0.1:8082/fhir"},
            "H002": {"protocol": "fhir", "url": "http://127.0.0.1:8082/fhir"},
            "H003": {"protocol": "hl7v2", "url": "mllp://127.0.0.1:2575"}}}'
    chown -R 65532:65532 "$work/epro"
    run 127.0.0.1:9090 epro migrate
    run 127.0.0.1:9090 epro topology apply
    run 127.0.0.1:9091 epro-producer-api &
    door=$!
    run 127.0.0.1:9092 epro-worker &
    worker=$!
    ready 127.0.0.1:9091
    ready 127.0.0.1:9092
    "$programs/evening" --api http://127.0.0.1:8080 --folder "$work/epro" --inbox "$work/inbox" \
        --hospital http://127.0.0.1:8083
    # shellcheck disable=SC2046
    kill -TERM $(inside)
    wait "$door"
    wait "$worker"
}

base
image
mkdir -p "$work/epro"
touch "$work/mark"
for program in epro epro-producer-api epro-worker; do run 127.0.0.1:9090 "$program" --version; done
if [ -n "${EPRO_AMQP_URL:-}" ]; then evening; fi
for container in $(b containers -q); do
    written=$(find "$(b mount "$container")" -xdev -newer "$work/mark" -user 65532 -type f)
    [ -z "$written" ] || { echo "written to the root: $written" >&2; exit 1; }
done
echo "the image is as it has to be"
