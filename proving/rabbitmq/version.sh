# shellcheck shell=bash
# Part of ./dev: a RabbitMQ of another version than the system's, from the Debian suite that has it.
#
# Its packages, with their Erlang and their C library, are unpacked beside the system, never installed: no root, no
# chroot. The system's kernel starts programs with the system's C library, which may be older than Erlang wants; so
# each program of Erlang's becomes a word to the unpacked loader, which looks for libraries beside it.

# Debian's suites by the RabbitMQ that they have. sid moves on.
suite_of() {
    case $1 in
        3.10) echo bookworm ;;
        4.0) echo trixie ;;
        *) echo sid ;;
    esac
}

# Makes RabbitMQ $1 the broker of this call and of every `./dev _broker start` of its tests. False if it can't be had,
# after a word why.
use_version() {
    [[ $1 =~ ^[0-9]+\.[0-9]+$ ]] || die "--broker wants a version such as 4.0"
    [[ ! -v EPRO_AMQP_URL ]] || die "EPRO_AMQP_URL names a RabbitMQ already: --broker starts one of its own"
    [[ $(installed_version) != "$1".* ]] || return 0
    unpack "$1" || return 1
    export EPRO_DEV_BROKER=$1
    # shellcheck disable=SC2034
    BROKER_SERVICES=$HOME_DIR/services-$1
}

# The version of the system's RabbitMQ.
installed_version() {
    local dir
    dir=$(readlink -f -- "$(rabbitmq_bin)/rabbitmq-server") || return 0
    sed -n 's|.*/rabbitmq_server-\([0-9.]*\)/.*|\1|p' <<<"$dir"
}

# Where the version that EPRO_DEV_BROKER names is unpacked.
unpacked() { echo "$(readlink -f -- "$HOME_DIR/rabbitmq-$EPRO_DEV_BROKER")/root"; }

unpacked_bin() {
    local dir
    for dir in "$(unpacked)"/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin; do
        [[ -x $dir/rabbitmq-server ]] && echo "$dir" && return
    done
    return 1
}

# Goes before the usual folders of programs: the Erlang that belongs to this RabbitMQ, if it isn't the system's.
erlang_path() { [[ -z ${EPRO_DEV_BROKER-} ]] || echo "$(unpacked)/usr/lib/erlang/bin:"; }

# Unpacks RabbitMQ $1, unless it is there. False, after a word why, if it can't be had.
unpack() {
    local version=$1 home
    home=$(place "$HOME_DIR/rabbitmq-$1")
    # What is unpacked knows where it is: a checkout that has moved needs it anew.
    [[ $(cat "$home/complete" 2>/dev/null) != "$home" ]] || return 0
    rm -rf -- "$home"/{apt,root,new,complete}
    download "$version" "$home/apt" || { rm -rf -- "$home"/apt/{lists,archives}; return 1; }
    say "unpacking RabbitMQ $version"
    unpack_into "$home/new" "$home/root" "$home"/apt/archives/{rabbitmq-server_,erlang-,lib}*.deb || {
        say "not unpacked: RabbitMQ $version of Debian's $(suite_of "$version")"
        return 1
    }
    mv -- "$home/new" "$home/root"
    printf '%s\n' "$home" >"$home/complete"
    rm -rf -- "$home/apt"
}

# Fetches the packages of RabbitMQ $1 into $2 with lists and state of apt's own for it: apt installs nothing there, and
# checks what it fetches against Debian's signatures as ever.
download() {
    local version=$1 to=$2 suite found
    suite=$(suite_of "$version")
    apt_source "$suite" "$to" || return 1
    say "looking for RabbitMQ $version in Debian's $suite"
    beside "$to" apt-get update || { say "apt-get could not read Debian's $suite, see $to/log"; return 1; }
    found=$(apt-cache -c "$to/apt.conf" show --no-all-versions rabbitmq-server 2>/dev/null | sed -n 's/^Version: //p')
    [[ $found == "$version".* ]] || { say "Debian's $suite has RabbitMQ ${found:-of no version}, not $version"; return 1; }
    say "fetching RabbitMQ $found and its Erlang, some 60 MB"
    beside "$to" apt-get -y --download-only install rabbitmq-server ||
        { say "apt-get could not fetch it, see $to/log"; return 1; }
}

beside() { "$2" -q -c "$1/apt.conf" "${@:3}" >>"$1/log" 2>&1 </dev/null 7>&- 8>&- 9>&-; }

# Where apt finds the suite $1: at the mirror that this system itself uses. Its state is in $2.
apt_source() {
    local keys=/usr/share/keyrings/debian-archive-keyring.gpg mirror
    if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
        say "there is no apt here, which would fetch it"
        return 1
    fi
    [[ -e $keys ]] || { say "the keys of Debian's archive are not here (package debian-archive-keyring)"; return 1; }
    # shellcheck disable=SC2016
    mirror=$(apt-get indextargets --format '$(COMPONENT) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
        awk '$1 == "main" && $2 ~ /\/debian\/$/ && !found++ { print $2 }')
    [[ -n $mirror ]] || { say "this system's apt knows no mirror of Debian"; return 1; }
    # Of apt's own downloader, which is no root: it must get in.
    mkdir -p -- "$2"/{lists/partial,archives/partial,none} && chmod -R go+rX -- "$2"
    : >"$2/status"
    echo "deb [signed-by=$keys] $mirror $1 main" >"$2/sources.list"
    # A mirror that isn't brought up to date any more has lists of a suite whose time is over. They are signed all the
    # same, which is still checked; the version is the one that was asked for, or is refused.
    cat >"$2/apt.conf" <<END_OF_CONF
Dir::State "$2";
Dir::State::lists "$2/lists";
Dir::State::status "$2/status";
Dir::Cache "$2";
Dir::Cache::archives "$2/archives";
Dir::Etc::sourcelist "$2/sources.list";
Dir::Etc::sourceparts "$2/none";
Dir::Etc::preferences "$2/none/preferences";
Dir::Etc::preferencesparts "$2/none";
APT::Install-Recommends "false";
Acquire::Check-Valid-Until "false";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
END_OF_CONF
}

# Unpacks the packages $3… into the folder $1, which is going to be $2.
unpack_into() {
    local new=$1 root=$2 package loader libc libraries program script
    mkdir -p -- "$new" && chmod 755 -- "$new"
    for package in "${@:3}"; do
        dpkg-deb --fsys-tarfile "$package" | tar -x --no-same-owner -C "$new" || return 1
    done
    # bookworm has its C library in lib, and other libraries there or in usr/lib; later suites have all in usr/lib.
    libc=$(find "$new" -name libc.so.6 -printf '%P\n' -quit) && [[ -n $libc ]] || return 1
    loader=$(cd "$new" && find "${libc%/*}" -maxdepth 1 -name 'ld-linux*.so.*' -print -quit) && [[ -n $loader ]] || return 1
    libraries=${libc%/*} && libraries=${libraries##*/}
    libraries=$root/lib/$libraries:$root/usr/lib/$libraries
    find "$new/usr/lib/erlang" -type f -perm -u+x ! -name '*.so' -print0 | while IFS= read -rd '' program; do
        # Not the scripts.
        [[ $(head -c 4 -- "$program" | tr -d '\0') != $'\x7fELF' ]] ||
            by_loader "$program" "$root" "$loader" "$libraries" || return 1
    done || return 1
    # Asked where it is, it would name the loader; who asks has a path of its own instead, which is then the right one.
    rm -f -- "$new"/usr/lib/erlang/erts-*/bin/dyn_erl
    for script in "$new"/usr/lib/erlang/{bin,erts-*/bin}/erl; do
        sed -i "s|/usr/lib/erlang|$root/usr/lib/erlang|" "$script" || return 1
    done
}

# Puts, in place of the program $1, a word to the loader $3 with libraries from the folders $4; program and loader are
# going to be below $2.
by_loader() {
    local there=$2/${1#*/new/}
    mv -- "$1" "$1.elf" || return 1
    # shellcheck disable=SC2016
    printf '#!/bin/sh\nexec %s --library-path %s --argv0 "$0" %s "$@"\n' "$2/$3" "$4" "$there.elf" >"$1"
    chmod 755 -- "$1"
}
