# shellcheck shell=bash disable=SC2154 # part of `cluster`, which sets what is used here
# A node: a network and a mount namespace, kept by a process that only sleeps, and in them
# containerd, kube-proxy and the kubelet.

node() {
  local n=$1 state=$run/n$1
  mkdir -p "$state"/{root,state,cni,cni.d,disk}
  : >"$run/resolv.conf"
  spawn "n$n" unshare --net --mount --propagation private sleep infinity
  await 5 "n$n: its namespaces" "$logs/n$n" has_namespaces "$n"
  on_node "$n" "$self" _node_network "$n" || fail "n$n has no network"
  ip route add "10.244.$n.0/24" via "10.250.0.1$n"
  make_cgroups "$n"
  node_files "$n"
  node_component_start "$n" containerd
  pause_image "$run/pause.tar"
  on_node "$n" ctr --address "$state/containerd.sock" --namespace k8s.io images import "$run/pause.tar" >>"$logs/n$n"
  # What follows asks the API server at once. Where there is no way to it, this says so, and what
  # the network is like.
  await 30 "n$n: a way to the API server" "$logs/n$n" reaches_apiserver "$n" || {
    tell_network "$n"
    exit 1
  }
  node_component_start "$n" proxy
  if [[ -n ${CLUSTER_POLICIES:-} ]]; then
    on_node "$n" "$self" _queue_connections "$n" || fail "n$n: packets of pods reach nobody who knows the NetworkPolicies"
    node_component_start "$n" policies
  fi
  node_component_start "$n" kubelet
}

# Runs in the node's namespaces: has the first packet of each connection of the node's pods wait for
# a verdict, after a Service's address has become that of a pod, and before a source is masked.
# Where nobody gives verdicts, none gets through. By iptables, as its NFQUEUE is in more kernels
# than nftables' queue.
queue_connections() {
  local n=$1 after=(iptables --table mangle --append POSTROUTING) end
  # Pods of one node speak to each other over a bridge.
  sysctl -qw net.bridge.bridge-nf-call-iptables=1
  "${after[@]}" --match conntrack --ctstate ESTABLISHED,RELATED --jump ACCEPT
  # The node's own, such as the kubelet's probes: everywhere they reach pods.
  "${after[@]}" --match addrtype --src-type LOCAL --jump ACCEPT
  # Tests are visitors, and have no pod: where they come from stands for the edge, from which a
  # class lets pods alone in.
  "${after[@]}" --source 10.250.0.0/24 --protocol tcp --dport 8080 --jump ACCEPT
  for end in source destination; do "${after[@]}" "--$end" "10.244.$n.0/24" --jump NFQUEUE --queue-num 100; done
}

# Its last step before it sleeps is that its mounts are private; to share them earlier would be
# undone.
has_namespaces() { [[ $(cat "/proc/$(cat "$run/components/n$1")/comm") == sleep ]]; }

# Its address and its route are there, both ends of its link have a carrier, and an answer comes
# back, whatever it says.
reaches_apiserver() {
  on_node "$1" curl --silent --show-error --output /dev/null --max-time 5 --cacert "$dir/pki/ca.crt" https://10.250.0.1:6443/livez 2>>"$logs/n$1"
}

# tell_network N: that of the node, and the host's.
tell_network() {
  say "the network of n$1, and the host's:"
  on_node "$1" sh -c 'ip addr; ip route show table all; ip neigh' >&2 || true
  sh -c 'ip addr; ip route; ip neigh' >&2 || true
}

# on_node N COMMAND...
on_node() {
  local pid
  pid=$(cat "$run/components/n$1" 2>/dev/null) || fail "there is no node $1"
  shift
  nsenter --target "$pid" --net --mount -- "$@"
}

# Runs in the node's namespaces.
node_network() {
  local n=$1
  mount --make-rshared /
  mount --bind "$run/n$n/disk" /var/lib/longshore
  # What the kubelet and the network plugins write outside the directories that they are given.
  mount -t tmpfs tmpfs /var/log
  mount -t tmpfs tmpfs /var/lib/cni
  ip link set lo up
  ip link add eth0 type veth peer name "veth$n" netns 1
  nsenter --target 1 --net ip link set "veth$n" master lab0 up
  ip addr add "10.250.0.1$n/24" dev eth0
  ip link set eth0 up
  ip route add default via 10.250.0.1
  sysctl -qw net.ipv4.ip_forward=1
}

# Each node is one cgroup, in each hierarchy of version 1 or in the one of version 2.
make_cgroups() {
  local path file
  if [[ -e /sys/fs/cgroup/cgroup.controllers ]]; then
    for path in /sys/fs/cgroup "/sys/fs/cgroup/$group" "/sys/fs/cgroup/$group/n$1"; do
      mkdir -p "$path"
      # One by one: a controller that cannot be had must not cost the others.
      for file in cpu cpuset memory pids io; do printf '+%s' "$file" >"$path/cgroup.subtree_control" || true; done 2>>"$logs/cluster"
    done
    return
  fi
  for path in /sys/fs/cgroup/*/; do
    [[ $path == /sys/fs/cgroup/unified/ ]] || mkdir -p "$path$group/n$1"
  done
  # In version 1, a new cpuset has no CPUs until it is told.
  for path in "$group" "$group/n$1"; do
    for file in cpuset.cpus cpuset.mems; do cat "/sys/fs/cgroup/cpuset/$file" >"/sys/fs/cgroup/cpuset/$path/$file"; done
  done
}

remove_cgroups() {
  find /sys/fs/cgroup -depth -path "*/$group*" -type d -exec rmdir {} + && [[ -z $(find /sys/fs/cgroup -name "$group") ]]
}

node_files() {
  local n=$1 state=$run/n$1
  cat >"$state/containerd.toml" <<TOML
version = 3
root = "$state/root"
state = "$state/state"
[grpc]
  address = "$state/containerd.sock"
[plugins.'io.containerd.cri.v1.runtime']
  # Machines that are containers themselves lack CAP_SYS_RESOURCE, and then no process may lower its
  # OOM score.
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ['/usr/lib/cni']
    conf_dir = '$state/cni.d'
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = 'localhost/pause:1'
TOML
  cat >"$state/cni.d/10-bridge.conflist" <<JSON
{"cniVersion": "1.0.0", "name": "bridge", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true, "ipam": {"type": "host-local", "dataDir": "$state/cni",
    "ranges": [[{"subnet": "10.244.$n.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
JSON
  cat >"$state/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
failSwapOn: false
cgroupDriver: cgroupfs
cgroupRoot: /$group/n$n
enforceNodeAllocatable: [pods]
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
containerRuntimeEndpoint: unix://$state/containerd.sock
podLogsDir: $logs/n$n-pods
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: 100Mi}
resolvConf: $run/resolv.conf
maxPods: 200
serializeImagePulls: false
YAML
}

# node_component_start N containerd|proxy|policies|kubelet FLAG...
node_component_start() {
  local n=$1 state=$run/n$1 what=$2 pid program
  shift 2
  pid=$(cat "$run/components/n$n" 2>/dev/null) || fail "there is no node $n"
  case $what in
    containerd) program=(containerd --config "$state/containerd.toml") ;;
    proxy)
      program=(kube-proxy --kubeconfig="$dir/kubeconfig-proxy" --proxy-mode=nftables --hostname-override="n$n" --cluster-cidr=10.244.0.0/16
        --conntrack-max-per-core=0 --conntrack-tcp-timeout-established=0 --conntrack-tcp-timeout-close-wait=0
        --healthz-bind-address= --metrics-bind-address=)
      ;;
    policies) program=(policies --kubeconfig "$dir/kubeconfig" --node "n$n" --queue 100) ;;
    kubelet)
      program=(kubelet --config="$state/kubelet.yaml" --kubeconfig="$dir/kubeconfig-n$n" --hostname-override="n$n"
        --root-dir="$state/kubelet" --node-ip="10.250.0.1$n" --node-labels="topology.kubernetes.io/zone=$(zone "$n")")
      ;;
  esac
  spawn "n$n-$what" nsenter --target "$pid" --net --mount -- "${program[@]}" "$@"
  if [[ $what == containerd ]]; then
    await 30 "n$n-containerd" "$logs/n$n-containerd" on_node "$n" ctr --address "$state/containerd.sock" version
  fi
}

# load_image ARCHIVE: on all nodes at once, by its name and, as a registry would serve it, by its
# digest.
load_image() {
  local node workers=() worker index name digest
  [[ -r ${1:-} ]] || fail "${1:-an archive}: cannot be read"
  index=$(tar --extract --to-stdout --file "$1" index.json) || fail "$1: no OCI archive"
  name=$(grep -oE '"(org.opencontainers.image.ref|io.containerd.image).name": *"[^"]+"' <<<"$index" | head -n 1 | cut -d'"' -f4)
  digest=$(grep -oE 'sha256:[0-9a-f]{64}' <<<"$index" | head -n 1)
  for node in "$run"/n[1-9]; do
    [[ -d $node ]] || fail 'there are no real nodes'
    (
      images() { on_node "${node##*/n}" ctr --address "$node/containerd.sock" --namespace k8s.io images "$@"; }
      images import "$1" && images tag --force "$name" "${name%:*}@$digest"
    ) &
    workers+=($!)
  done
  for worker in "${workers[@]}"; do wait "$worker" || fail "$1: not imported"; done
}
