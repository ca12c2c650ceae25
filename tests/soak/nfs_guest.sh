#!/bin/bash
# The first process of a guest, a Linux kernel run as an ordinary program. The kernel's command line gives NAME, ADDRESS,
# MTU and JOB, a script to run. The guest's root is this machine's, read-only; what must be writable lies in its memory.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/run LANG=C.UTF-8 TMPDIR=/run
mount -t proc proc /proc
mount -t sysfs sys /sys
mkdir -p /dev/shm
for folder in /run /dev/shm /var/lib/nfs /mnt; do mount -t tmpfs t $folder; done
mkdir -p /mnt/s /run/rpc_pipefs /var/lib/nfs/rpc_pipefs /var/lib/nfs/v4recovery /run/kmod/lib
ln -s /usr/lib/uml/modules /run/kmod/lib/modules
hostname "$NAME"
ip link set lo up
ip link set vec0 address "02:00:00:00:00:${ADDRESS##*.}"  # the same after each boot, or others must ask for it first
ip link set vec0 mtu "$MTU" up
ip addr add "$ADDRESS/24" dev vec0
for module in nfs nfsv3 nfsv4; do modprobe -d /run/kmod $module; done
bash "$JOB"
echo "job over: $?"
sync
echo o > /proc/sysrq-trigger
sleep 9
