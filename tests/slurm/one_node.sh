#!/usr/bin/env bash
# A Slurm cluster of one node, this machine, bound to loopback; everything it writes is in one folder.
#
#     one_node.sh start FOLDER      (as root; needs munged, slurmctld, slurmd)
#     SLURM_CONF=FOLDER/slurm.conf sbatch ...
#     one_node.sh stop FOLDER
#
# It runs in a container: no systemd, no control groups, nothing in /etc.
set -euo pipefail
verb=$1
folder=$2

stop() {
    local daemon pid
    for daemon in slurmd slurmctld munged; do
        if [ -f "$folder/$daemon.pid" ]; then
            pid=$(cat "$folder/$daemon.pid")
            kill "$pid" 2>/dev/null || true
            for _ in $(seq 50); do
                kill -0 "$pid" 2>/dev/null || break
                sleep 0.1
            done
        fi
    done
}

configure() {
    local host port
    host=$(hostname -s)
    port=$((20000 + RANDOM % 10000))
    mkdir -p "$folder"/{state,spool}
    (umask 077 && mkdir -p "$folder/munge" && head -c 1024 /dev/urandom >"$folder/munge/key")
    # Slurm 23.11 and later insist on control groups unless told not to; earlier ones do not know the word.
    if [[ $(slurmd -V | tr -dc 0-9.) > 23.1 ]]; then
        echo "CgroupPlugin=disabled" >"$folder/cgroup.conf"
    fi
    cat >"$folder/slurm.conf" <<CONF
ClusterName=one
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
# A job that was put back may start again after cred_expire seconds.
AuthInfo=socket=$folder/munge/socket,cred_expire=5
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
KillWait=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=2 RealMemory=4000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
}

start() {
    configure
    export SLURM_CONF=$folder/slurm.conf
    munged --force --socket="$folder/munge/socket" --key-file="$folder/munge/key" --seed-file="$folder/munge/seed" \
        --log-file="$folder/munge/log" --pid-file="$folder/munged.pid"
    slurmctld
    slurmd
    for _ in $(seq 60); do
        if sinfo --noheader --format=%T 2>/dev/null | grep -q idle; then
            return
        fi
        sleep 0.5
    done
    tail -n 20 "$folder"/slurmctld.log "$folder"/slurmd.log "$folder"/munge/log >&2
    stop
    return 1
}

"$verb"
