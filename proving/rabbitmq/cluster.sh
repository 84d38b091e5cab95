# shellcheck shell=bash
# Part of ./dev: three nodes of one RabbitMQ cluster on this machine, for a test of its own.
#
# Each node is a broker in a folder of its own below that of the cluster, so that `./dev _broker kill DIR/2`, `start` and
# `pause` do to one node what they do to any broker. They share the cookie, the administrator's password and an epmd,
# which carries the cluster's mark: it outlives each of them.

MEMBERS=(1 2 3)

cmd_cluster() {
    local verb=${1-} dir=${2-} number=${3-}
    [[ -n $dir ]] || die "usage: ./dev _cluster start|remove DIR, ./dev _cluster cut|heal DIR NODE"
    dir=$(absolute "$dir")
    umask 077
    case $verb in
        start)
            own_note cluster "$dir"
            cluster_start "$dir"
            ;;
        # Both cookies before both connections: as long as one of the others sees it and the other one doesn't, that is
        # a partial partition, for which RabbitMQ pauses more nodes than the one.
        cut) cluster_eval "$dir" "$number" \
            "[erlang:set_cookie(N, cut) || N <- Others], [erlang:disconnect_node(N) || N <- Others]" ;;
        heal) cluster_eval "$dir" "$number" "[erlang:set_cookie(N, erlang:get_cookie()) || N <- Others]" ;;
        remove) forget cluster "$dir" ;;
        *) die "unknown: $verb" ;;
    esac
}

cluster_start() {
    local dir number joining=() pid
    dir=$(place "$1")
    [[ -s $dir/password ]] || secret >"$dir/password"
    [[ -s $dir/cookie ]] || secret >"$dir/cookie"
    [[ -s $dir/epmd ]] || free_ports 1 >"$dir/epmd"
    drop_to rabbitmq
    cluster_epmd "$dir"
    for number in "${MEMBERS[@]}"; do cluster_member "$dir" "$number"; done
    broker_start "$dir/1"
    for number in "${MEMBERS[@]:1}"; do
        (broker_start "$dir/$number") &
        joining+=($!)
    done
    for pid in "${joining[@]}"; do wait "$pid" || die "not every node of $dir has started"; done
    "$dir/1/rabbitmqctl" -q await_online_nodes "${#MEMBERS[@]}" --timeout 60 >/dev/null ||
        die "the nodes of $dir have not come together"
}

# The epmd of the cluster in $1, unless it runs. A node that finds none would start one of its own, which ends with it.
cluster_epmd() {
    local mark port tries=100
    mark=$(mark_of "$1" cluster) port=$(<"$1/epmd")
    [[ -z $(marked "$mark") ]] || return 0
    own_folder rabbitmq "$1/log"
    (
        cd "$1/log" || exit
        setsid "${DROP[@]}" env -i "PATH=$(erlang_path)/usr/bin:/bin" LANG=C.UTF-8 "EPRO_DEV_OWNER=$ROOT" "$mark" \
            "ERL_EPMD_PORT=$port" ERL_EPMD_ADDRESS=127.0.0.1 epmd >"$1/log/epmd" 2>&1 &
    ) </dev/null 7>&- 8>&- 9>&-
    until listening "$port" && [[ -n $(marked "$mark") ]]; do
        ((tries-- > 0)) || die "epmd does not listen on port $port, see $1/log/epmd"
        sleep 0.1
    done
}

# Makes the folder of node $2 that of a member of the cluster in $1, before it first starts.
cluster_member() {
    local node number
    node=$(place "$1/$2")/broker
    own_folder rabbitmq "$node" "$node/home"
    install -m 400 ${DROP[0]+-o rabbitmq -g rabbitmq} "$1/cookie" "$node/home/.erlang.cookie"
    cp -- "$1/password" "$node.password"
    cp -- "$1/epmd" "$node.epmd"
    member_name "$2" >"$node.name"
    {
        # Whoever sees fewer than half of the others stops serving until it sees them again.
        echo 'cluster_partition_handling = pause_minority'
        # The first one begins the cluster, and would wait for minutes for others that it knew of.
        if (($2 > 1)); then
            echo 'cluster_formation.peer_discovery_backend = classic_config'
            for number in 1 "$2"; do
                echo "cluster_formation.classic_config.nodes.$number = $(member_name "$number")"
            done
        fi
    } >"$node.cluster"
}

member_name() { echo "epro-$1@localhost"; }

# Evaluates $3 on node $2 of the cluster in $1; Others is bound to the names of the other nodes. A node that takes
# another cookie for its peers neither reaches them nor is reached by them, while its clients stay connected to it.
cluster_eval() {
    local dir number others=()
    dir=$(readlink -f -- "$1")
    [[ -x $dir/$2/rabbitmqctl ]] || die "there is no node '$2' in $1"
    for number in "${MEMBERS[@]}"; do
        [[ $number == "$2" ]] || others+=("'$(member_name "$number")'")
    done
    "$dir/$2/rabbitmqctl" -q eval "Others = [$(IFS=, && echo "${others[*]}")], $3." >/dev/null
}

# Ends the cluster in $1, whose data nobody wants any more.
end_cluster() {
    local dir number
    dir=$(readlink -f -- "$1")
    for number in "${MEMBERS[@]}"; do end_marked KILL "$(mark_of "$dir/$number" broker)" 1; done
    end_marked TERM "$(mark_of "$dir" cluster)" 10
}
