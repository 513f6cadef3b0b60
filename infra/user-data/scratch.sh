#!/bin/bash
# Makes the machine's scratch folder, before the ECS agent starts: its own NVMe disks, several of them as one RAID 0; where it has
# none, or they cannot be had, a folder on the root volume. A second run changes nothing.
set -uo pipefail

scratch=${1:-/scratch}
array=/dev/md/roslin-scratch

instance_store_disks() {
  lsblk --noheadings --nodeps --paths --output NAME,MODEL | awk '/Amazon EC2 NVMe Instance Storage/ { print $1 }'
}

make_array() {
  command -v mdadm >/dev/null || dnf install --assumeyes --quiet mdadm || return
  mdadm --create "$array" --run --level=0 --raid-devices=$# "$@"
}

mount_disks() {
  local device=$1
  if (($# > 1)); then
    make_array "$@" || return
    device=$array
  fi
  # Without discarding the blocks first, which takes minutes on terabytes. It refuses a disk that has a file system.
  mkfs.xfs -K "$device" && mount -o noatime "$device" "$scratch"
}

mkdir -p "$scratch"
if ! mountpoint --quiet "$scratch"; then
  mapfile -t disks < <(instance_store_disks)
  if ((${#disks[@]} == 0)); then
    echo "scratch: no instance store; $scratch is on the root volume"
  elif mount_disks "${disks[@]}"; then
    echo "scratch: ${#disks[@]} disks of the instance store at $scratch"
  else
    echo "scratch: the instance store could not be mounted; $scratch is on the root volume" >&2
  fi
fi
# Containers run as users of their own.
chmod 1777 "$scratch"
