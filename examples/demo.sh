#!/bin/bash
# Shows zk-supervise at work on this machine alone: three ZooKeeper servers, three "hosts", one legacy server that may
# run only once. Takes about half a minute, after the first build, and leaves nothing behind.
set -euo pipefail

usage() {
    cat <<'END'
usage: examples/demo.sh [--keep]

Starts three ZooKeeper servers and three supervisors ("hosts" alpha, beta and gamma) of one legacy server on loopback
ports that are free. Then a ZooKeeper server dies, the master's host dies, and another is stopped for maintenance; you
see who answers. About half a minute, after the first build.

  --keep   leave it all running at the end, and say what to try and how to end it
  --help   this text

Needs Rust. On Debian and Ubuntu it installs the rest (ZooKeeper, a JRE, Python) with apt-get; elsewhere install these
yourself, and name the directory of Apache's ZooKeeper in ZOOKEEPER_HOME.
END
}

keep=no
case "${1:-}" in
    "") ;;
    --keep) keep=yes ;;
    -h | --help)
        usage
        exit 0
        ;;
    *)
        usage >&2
        exit 64
        ;;
esac

cd "$(dirname "$0")/.."

# --- what it looks like ----------------------------------------------------------------------------------------------

bold='' dim='' green='' red='' yellow='' plain='' tty=no
if [ -t 1 ]; then
    tty=yes
    if [ -z "${NO_COLOR:-}" ]; then
        bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' yellow=$'\e[33m' plain=$'\e[0m'
    fi
fi

step=0
act() {
    step=$((step + 1))
    printf '\n%s%d. %s%s\n' "$bold" "$step" "$*" "$plain"
}
say() { printf '   %s\n' "$*"; }
good() { printf '   %s%s%s\n' "$green" "$*" "$plain"; }
bad() { printf '   %s%s%s\n' "$red" "$*" "$plain"; }
quote() { sed "s/^/   $dim| /; s/\$/$plain/"; }
die() {
    printf '%s%s%s\n' "$red" "demo: $*" "$plain" >&2
    exit 1
}
# On a terminal one line that changes; elsewhere nothing.
tick() { [ $tty = no ] || printf '\r   %s%s%s\e[K' "$yellow" "$*" "$plain"; }
untick() { [ $tty = no ] || printf '\r\e[K'; }

# Milliseconds since some moment.
now() {
    local micros=${EPOCHREALTIME//[.,]/}
    echo $((micros / 1000))
}
seconds() { printf '%d.%d s' $(($1 / 1000)) $(($1 % 1000 / 100)); }

# --- what it needs ---------------------------------------------------------------------------------------------------

missing() {
    command -v cc >/dev/null || echo build-essential
    command -v java >/dev/null || echo default-jre-headless
    command -v python3 >/dev/null || echo python3
    [ -n "${ZOOKEEPER_HOME:-}" ] || [ -e /usr/share/java/zookeeper.jar ] || echo zookeeper
}

install() {
    local packages sudo=()
    mapfile -t packages < <(missing)
    [ ${#packages[@]} -gt 0 ] || return 0
    command -v apt-get >/dev/null ||
        die "please install a Java runtime, Python 3 and ZooKeeper (unpack Apache's and set ZOOKEEPER_HOME), then try again"
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || die "please run as root: apt-get install ${packages[*]}"
        sudo=(sudo)
    fi
    say "installing ${packages[*]} ..."
    "${sudo[@]}" apt-get update -qq || true
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null ||
        die "apt-get could not install ${packages[*]}"
}

build() {
    [ ! -d "$HOME/.cargo/bin" ] || PATH="$HOME/.cargo/bin:$PATH"
    command -v cargo >/dev/null || die "no Rust here: install it from https://rustup.rs"
    cargo build --release --locked --quiet
    binary=$(realpath "${CARGO_TARGET_DIR:-target}/release/zk-supervise")
}

# --- what it starts, and ends ----------------------------------------------------------------------------------------

dir=$(mktemp -d "${TMPDIR:-/tmp}/zk-supervise-demo.XXXXXX")
hosts=(alpha beta gamma)
started=()          # the pid of all that was started
declare -A guardian # host -> pid
declare -A server   # ZooKeeper server -> pid

# Whether a pid is still the process that we started: all of ours name our directory.
is_ours() { { tr '\0' ' ' <"/proc/$1/cmdline" | grep -qF "$dir"; } 2>/dev/null; }

# Ends what still runs, supervisors first: they say goodbye to the ensemble.
end_all() {
    local signal pid deadline
    for signal in TERM KILL; do
        deadline=$(($(now) + 5000))
        for ((i = ${#started[@]} - 1; i >= 0; i--)); do
            pid=${started[i]}
            ! is_ours "$pid" || kill "-$signal" "$pid" 2>/dev/null || true
            # The servers last, and only when the supervisors have ended.
            while is_ours "$pid" && [ "$(now)" -lt "$deadline" ]; do sleep 0.05; done
        done
    done
}

last_words() {
    bad "something went wrong; the last words of each host:"
    for host in "${hosts[@]}"; do
        [ ! -s "$dir/$host/log" ] || tail -n 5 "$dir/$host/log" | sed "s/^/$host: /" | quote
    done
}

# Nothing may keep this from ending what was started: not a second signal, nor that nobody reads what it prints.
finish() {
    local status=$?
    trap - EXIT
    trap '' INT TERM HUP PIPE
    set +e
    untick
    if [ "$keep" = yes ] && [ "$status" = 0 ]; then
        explain
        exit 0
    fi
    case $status in
        0 | 129 | 130 | 141 | 143) ;; # done, or asked to end
        *) last_words ;;
    esac
    say "ending what was started ..."
    end_all
    rm -rf "$dir"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP
trap 'exit 141' PIPE

# In a session of its own, so that Ctrl-C reaches this script alone, which ends the rest in order.
launch() {
    local log=$1
    shift
    setsid "$@" </dev/null >>"$log" 2>&1 &
    launched=$!
    disown "$launched"
    started+=("$launched")
}

# Ports below the range from which the kernel takes those of outgoing connections.
free_ports() {
    python3 - "$1" <<'END'
import random, socket, sys
found = []
while len(found) < int(sys.argv[1]):
    with socket.socket() as it:
        port = random.randrange(10000, 30000)
        try:
            it.bind(("127.0.0.1", port))
        except OSError:
            continue
        if port not in found:
            found.append(port)
print(*found)
END
}

start_server() {
    local id=$1 path
    if [ -n "${ZOOKEEPER_HOME:-}" ]; then
        path="$ZOOKEEPER_HOME/lib/*:$ZOOKEEPER_HOME/*"
    else
        path=/usr/share/java/zookeeper.jar
    fi
    launch "$dir/zk$id/log" java -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dzookeeper.preAllocSize=1024 \
        -Dzookeeper.jmx.log4j.disable=true -cp "$path" org.apache.zookeeper.server.quorum.QuorumPeerMain "$dir/zk$id/zoo.cfg"
    server[$id]=$launched
}

start_ensemble() {
    local id ports=("$@") members=''
    for id in 1 2 3; do
        members+="server.$id=127.0.0.1:${ports[id * 3 - 2]}:${ports[id * 3 - 1]}"$'\n'
    done
    for id in 1 2 3; do
        mkdir "$dir/zk$id"
        echo "$id" >"$dir/zk$id/myid"
        cat >"$dir/zk$id/zoo.cfg" <<END
tickTime=2000
initLimit=10
syncLimit=5
dataDir=$dir/zk$id
clientPort=${ports[id * 3 - 3]}
clientPortAddress=127.0.0.1
admin.enableServer=false
4lw.commands.whitelist=srvr
$members
END
        start_server "$id"
    done
    client=("${ports[0]}" "${ports[3]}" "${ports[6]}")
}

# `leader`, `follower`, or nothing.
mode() {
    timeout 1 bash -c "exec 3<>/dev/tcp/127.0.0.1/${client[$1 - 1]} && echo srvr >&3 && cat <&3" 2>/dev/null |
        sed -n 's/^Mode: //p' || true
}

wait_ensemble() {
    local id deadline=$(($(now) + 60000))
    for id in 1 2 3; do
        until [ -n "$(mode "$id")" ]; do
            [ "$(now)" -lt "$deadline" ] || die "ZooKeeper did not start: $(tail -n 3 "$dir/zk$id/log")"
            sleep 0.2
        done
    done
}

write_file() {
    local host=$1
    mkdir -p "$dir/$host/pages"
    echo "$host" >"$dir/$host/pages/index.html"
    cat >"$dir/$host/app.toml" <<END
[zookeeper]
servers = ["127.0.0.1:${client[0]}", "127.0.0.1:${client[1]}", "127.0.0.1:${client[2]}"]
session_timeout = "6s"

[election]
root = "/demo/legacy"
master = "/master"
name = "$host"        # the host's own name, where each has its own

[command]
exec = ["$python", "-m", "http.server", "$port", "--bind", "127.0.0.1", "--directory", "$dir/$host/pages"]
END
}

start_host() {
    launch "$dir/$1/log" "$binary" "$dir/$1/app.toml"
    guardian[$1]=$launched
}

# Guardian, elector, child: all that runs on a host, the elector before the guardian whose end it would notice.
processes() {
    local pid list=()
    read -ra list <"/proc/$1/task/$1/children" || true
    for pid in "${list[@]}"; do processes "$pid"; done
    echo "$1"
}

# Which host's server answers; nothing if none does.
ask() {
    timeout 1 bash -c "exec 3<>/dev/tcp/127.0.0.1/$port && printf 'GET / HTTP/1.0\r\n\r\n' >&3 && tail -n 1 <&3" 2>/dev/null || true
}

# Waits until another host than $1 answers; sets `answer`, and `gap`: how long nobody did.
wait_answer() {
    local before=$1 began last now
    began=$(now) last=$began
    while true; do
        answer=$(ask)
        now=$(now)
        if [ -n "$answer" ] && [ "$answer" != "$before" ]; then
            gap=$((now - last))
            untick
            return
        fi
        [ -z "$answer" ] || last=$now
        [ $((now - began)) -lt 60000 ] || die "nobody answers for a minute"
        tick "$(if [ -n "$answer" ]; then echo "$answer answers"; else echo "no answer"; fi)  $(seconds $((now - began)))"
        sleep 0.02
    done
}

status() { "$binary" status "$dir/$1/app.toml" 2>&1 | quote; }
story() { grep -v '"GET / HTTP\|^Serving HTTP' "$dir/$1/log" | tail -n "$2" | cut -c1-150 | quote; }
child_of() { "$python" -c 'import sys; print(open(f"/proc/{sys.argv[1]}/task/{sys.argv[1]}/children").read())' "$1"; }

explain() {
    cat >"$dir/stop" <<END
#!/bin/bash
# Ends the demo: only processes that still are the ones it started.
is_ours() { { tr '\\0' ' ' <"/proc/\$1/cmdline" | grep -qF "$dir"; } 2>/dev/null; }
for pid in $(printf '%s\n' "${started[@]}" | tac | tr '\n' ' '); do
    ! is_ours "\$pid" || kill "\$pid"
    for _ in {1..100}; do is_ours "\$pid" || break; sleep 0.05; done
    ! is_ours "\$pid" || kill -KILL "\$pid"
done
rm -rf "$dir"
END
    chmod +x "$dir/stop"
    cat <<END

${bold}It is left running. Try:${plain}
   $binary status $dir/alpha/app.toml
   curl http://127.0.0.1:$port/                     # who answers?
   tail -f $dir/*/log                               # what each host says
   kill PID-OF-THE-CHILD                            # it is started again, on the same host
   kill PID-OF-A-SUPERVISOR                         # a planned stop; kill -9 for the other kind
   pids: alpha ${guardian[alpha]}, beta ${guardian[beta]}, gamma ${guardian[gamma]}; ZooKeeper ${server[1]} ${server[2]} ${server[3]}, ports ${client[*]}
${bold}End it with:${plain}
   $dir/stop
END
}

# --- the play --------------------------------------------------------------------------------------------------------

printf '%s\n' "${bold}zk-supervise: one command, three hosts, exactly one of them runs it${plain}"

act "Build"
install
python=$(python3 -c 'import os, sys; print(os.path.realpath(sys.executable))')
say "cargo build --release (the first time takes minutes)"
build
say "$(du -h "$binary" | cut -f1) in one file: $binary"

act "Three ZooKeeper servers"
read -ra ports < <(free_ports 10)
port=${ports[9]}
start_ensemble "${ports[@]}"
wait_ensemble
for id in 1 2 3; do say "127.0.0.1:${client[id - 1]}  $(mode "$id")"; done

act "Three hosts, each with the same file"
for host in "${hosts[@]}"; do write_file "$host"; done
quote <"$dir/alpha/app.toml"
say "The legacy server knows nothing of other hosts: a second one would fail, or worse."
for host in "${hosts[@]}"; do start_host "$host"; done
wait_answer nobody
master=$answer
good "http://127.0.0.1:$port/ is answered by $master"
status alpha

act "A ZooKeeper server dies: the leader, without a word"
before=$(child_of "${guardian[$master]}")
for id in 1 2 3; do
    if [ "$(mode "$id")" = leader ]; then
        say "kill -KILL ${server[$id]}"
        kill -KILL "${server[$id]}"
        break
    fi
done
until_calm=$(($(now) + 6000))
while [ "$(now)" -lt $until_calm ]; do
    tick "$(ask) answers"
    sleep 0.2
done
untick
[ "$(child_of "${guardian[$master]}")" = "$before" ] || die "$master's processes changed: $before"
good "$master's server has not noticed: same process, and it answers as $(ask)"
start_server "$id"
say "(the ZooKeeper server is started again)"

act "The master's host dies: $master is gone at once, and cannot say goodbye"
mapfile -t doomed < <(processes "${guardian[$master]}")
say "kill -KILL ${doomed[*]}"
kill -KILL "${doomed[@]}"
say "Nobody may start before $master's lease is over: it could be alive, behind a broken network."
wait_answer "$master"
good "$answer answers, after $(seconds "$gap") of silence (a session of 6 s was asked for)"
fallen=$master master=$answer
status "$master"

act "$fallen is repaired and comes back: it stands by, and takes nothing away"
start_host "$fallen"
sleep 2
good "$(ask) answers"
status "$fallen"

act "Maintenance: $master is asked to stop"
say "kill -TERM ${guardian[$master]}"
kill -TERM "${guardian[$master]}"
wait_answer "$master"
good "$answer answers; between the last answer of $master and its first lay $gap ms"
say "What $master said in its time as master:"
story "$master" 12

if [ $keep = yes ]; then
    start_host "$master"
else
    printf '\n%s\n' "${bold}That is all. --keep leaves it running, to be tried by hand.${plain}"
fi
