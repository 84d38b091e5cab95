# shellcheck shell=bash
# Part of ./dev: TLS of a RabbitMQ or a PostgreSQL of a test's own, beside its plain text.
#
# `./dev _broker start DIR CERTIFICATES` makes it: in the folder CERTIFICATES are server.pem and server.key, which the
# service shows, and clients.pem, whose clients it lets in. It keeps copies: a later start needs no more of it.

# Copies the certificates of folder $3, if one is given, into folder $2 of the service's user $1. PostgreSQL refuses a
# key that anybody else may read.
keep_certificates() {
    [[ -n $3 ]] || return 0
    own_folder "$1" "$2/tls"
    cp -- "$3"/{server.pem,server.key,clients.pem} "$2/tls"
    chmod 600 -- "$2"/tls/*
    ((EUID != 0)) || chown "$1:" "$2"/tls/*
}

# The lines of the configuration that let node $1 speak TLS, on a port of its own that it keeps while that is free.
broker_tls() {
    local port
    [[ -e $1/tls ]] || return 0
    port=$(cat "$1.tls-port" 2>/dev/null) || port=
    { [[ -n $port ]] && ports_free "$port"; } || free_ports 1 >"$1.tls-port"
    port=$(<"$1.tls-port")
    cat <<END
listeners.ssl.local = 127.0.0.1:$port
ssl_options.cacertfile = $1/tls/clients.pem
ssl_options.certfile = $1/tls/server.pem
ssl_options.keyfile = $1/tls/server.key
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
END
}

# Whether node $1 listens for TLS, if it is to.
broker_tls_listens() {
    [[ ! -s $1.tls-port ]] || listening "$(<"$1.tls-port")"
}

# Where node $1, whose password is $2, speaks TLS: a line of its env file.
broker_tls_env() {
    [[ ! -s $1.tls-port ]] || echo "EPRO_TEST_AMQPS_URL=amqps://epro-dev:$2@localhost:$(<"$1.tls-port")"
}

# The options that let the PostgreSQL in folder $1 speak TLS on its port. A test looks in as the superuser in plain
# text; everybody else has to come over TLS, with a password and a certificate.
postgres_tls() {
    local tls=$1/tls
    [[ -e $tls ]] || return 0
    cat >"$tls/pg_hba.conf" <<END
hostnossl all postgres 127.0.0.1/32 scram-sha-256
hostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca
END
    ((EUID != 0)) || chown postgres: "$tls/pg_hba.conf"
    echo "-c ssl=on -c ssl_cert_file=$tls/server.pem -c ssl_key_file=$tls/server.key -c ssl_ca_file=$tls/clients.pem" \
        "-c hba_file=$tls/pg_hba.conf"
}
