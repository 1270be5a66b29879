# shellcheck shell=bash disable=SC2154 # part of `cluster`, which sets what is used here
# etcd, the API server and the controllers; also kwok and metrics-server, which are clients of
# theirs.

# credentials NODES: a CA, the API server's certificate, the key of service accounts, and one token
# and kubeconfig for each client, with the names and groups that Kubernetes' own roles are bound to:
# no component is more than it is elsewhere, except kwok, metrics-server and policies.
credentials() {
  local nodes=$1 pki=$dir/pki n
  mkdir -p "$pki" && chmod 700 "$pki"
  : >"$pki/tokens.csv"
  certificate "$pki/ca" -subj /CN=cluster -addext 'basicConstraints=critical,CA:TRUE' -addext 'keyUsage=critical,keyCertSign'
  certificate "$pki/apiserver" -subj /CN=kube-apiserver -CA "$pki/ca.crt" -CAkey "$pki/ca.key" -addext 'basicConstraints=critical,CA:FALSE' \
    -addext 'extendedKeyUsage=serverAuth' -addext 'subjectAltName=IP:10.250.0.1,IP:10.96.0.1,IP:127.0.0.1,DNS:kubernetes.default.svc'
  certificate "$pki/front-ca" -subj /CN=front-proxy-ca -addext 'basicConstraints=critical,CA:TRUE' -addext 'keyUsage=critical,keyCertSign'
  certificate "$pki/front" -subj /CN=front-proxy-client -CA "$pki/front-ca.crt" -CAkey "$pki/front-ca.key" \
    -addext 'basicConstraints=critical,CA:FALSE' -addext 'extendedKeyUsage=clientAuth'
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$pki/accounts.key"
  openssl pkey -in "$pki/accounts.key" -pubout -out "$pki/accounts.pub"
  client kubeconfig admin system:masters
  client kubeconfig-controller-manager system:kube-controller-manager ''
  client kubeconfig-scheduler system:kube-scheduler ''
  client kubeconfig-proxy system:kube-proxy ''
  for n in $(seq "$nodes"); do client "kubeconfig-n$n" "system:node:n$n" system:nodes; done
}

# certificate PATH OPTION...: PATH.key and PATH.crt, with nothing but what OPTIONs say.
certificate() {
  local path=$1
  shift
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -keyout "$path.key" -out "$path.crt" \
    -config <(printf '[req]\ndistinguished_name=dn\n[dn]\n') "$@" 2>"$logs/openssl" || fail "openssl: $(cat "$logs/openssl")"
}

# client FILE USER GROUPS
client() {
  local token
  token=$(openssl rand -hex 16)
  printf '%s,%s,%s,"%s"\n' "$token" "$2" "$2" "$3" >>"$dir/pki/tokens.csv"
  cat >"$dir/$1" <<YAML
apiVersion: v1
kind: Config
clusters:
  - {name: cluster, cluster: {server: "https://10.250.0.1:6443", certificate-authority-data: $(base64 -w0 "$dir/pki/ca.crt")}}
users:
  - {name: "$2", user: {token: $token}}
contexts:
  - {name: cluster, context: {cluster: cluster, user: "$2"}}
current-context: cluster
YAML
}

control_plane() {
  local name
  for name in etcd apiserver controller-manager scheduler; do component_start "$name"; done
}

# Without fsync: the cluster's data is never worth more than the cluster.
etcd_start() {
  spawn etcd etcd --name cluster --data-dir "$run/etcd" --unsafe-no-fsync --quota-backend-bytes 8000000000 \
    --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 --listen-peer-urls http://127.0.0.1:2380 \
    --initial-cluster cluster=http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 "$@"
  await 30 etcd "$logs/etcd" ask_etcd maintenance/status '{}'
}

apiserver_start() {
  local pki=$dir/pki auditing=() memory
  if [[ -n ${CLUSTER_AUDIT:-} || -e $run/audit.yaml ]]; then
    printf 'apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata}]\n' >"$run/audit.yaml"
    auditing=(--audit-policy-file="$run/audit.yaml" --audit-log-path="$logs/audit" --audit-log-maxsize=512)
  fi
  # Memory for time: a fifth of what it does on two cores is collecting garbage otherwise, and
  # nearly half where it comes near its limit.
  memory=$(awk '/^MemTotal:/ { print int($2 / 2) "KiB" }' /proc/meminfo)
  GOGC=200 GOMEMLIMIT=$memory spawn apiserver kube-apiserver --etcd-servers=http://127.0.0.1:2379 --bind-address=0.0.0.0 --secure-port=6443 \
    --advertise-address=10.250.0.1 --service-cluster-ip-range=10.96.0.0/16 --allow-privileged \
    --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key" \
    --token-auth-file="$pki/tokens.csv" --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction \
    --service-account-issuer=https://kubernetes.default.svc --service-account-signing-key-file="$pki/accounts.key" \
    --service-account-key-file="$pki/accounts.pub" --kubelet-preferred-address-types=InternalIP --enable-aggregator-routing \
    --requestheader-client-ca-file="$pki/front-ca.crt" --requestheader-allowed-names=front-proxy-client --requestheader-username-headers=X-Remote-User \
    --requestheader-group-headers=X-Remote-Group --requestheader-extra-headers-prefix=X-Remote-Extra- \
    --proxy-client-cert-file="$pki/front.crt" --proxy-client-key-file="$pki/front.key" "${auditing[@]}" "$@"
  await 60 apiserver "$logs/apiserver" kubectl get --raw /readyz
}

# controller_start NAME FLAG...: the limits on requests are those of a large cluster; the defaults
# would be what a fleet waits for. There is one of each, and without an election none ends when the
# API server is away for longer than a lease.
controller_start() {
  local name=$1 config=$dir/kubeconfig-$1 own=()
  shift
  if [[ $name == controller-manager ]]; then
    own=(--service-account-private-key-file="$dir/pki/accounts.key" --use-service-account-credentials --root-ca-file="$dir/pki/ca.crt"
      --concurrent-deployment-syncs=20 --concurrent-replicaset-syncs=20)
  fi
  spawn "$name" "kube-$name" --kubeconfig="$config" --authentication-kubeconfig="$config" --authorization-kubeconfig="$config" \
    --leader-elect=false --kube-api-qps=500 --kube-api-burst=1000 "${own[@]}" "$@"
}

# fake_nodes COUNT REAL: large enough for any fleet, in three zones in turn.
fake_nodes() {
  local count=$1 real=$2 taints='[]' n
  # Beside real nodes, a pod must ask for a fake one.
  if ((real > 0)); then taints='[{key: kwok.x-k8s.io/node, value: fake, effect: NoSchedule}]'; fi
  for n in $(seq "$count"); do
    cat <<YAML
---
apiVersion: v1
kind: Node
metadata:
  name: fake-$n
  annotations: {kwok.x-k8s.io/node: fake}
  labels: {kubernetes.io/hostname: fake-$n, topology.kubernetes.io/zone: $(zone "$n"), type: kwok}
spec: {taints: $taints}
status:
  allocatable: &size {cpu: "4000", memory: 16Ti, ephemeral-storage: 64Ti, pods: "5000"}
  capacity: *size
YAML
  done | kubectl apply -f - >"$logs/fake-nodes"
  component_start kwok
}

zone() { printf 'zone-%s' "$(cut -c$((($1 - 1) % 3 + 1)) <<<abc)"; }

kwok_start() {
  spawn kwok kwok --v=WARN --config="$here/kwok.yaml" --kubeconfig="$dir/kubeconfig" \
    --manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake --cidr=10.128.0.0/9 --node-ip=10.250.0.1 --node-lease-duration-seconds=40 "$@"
}

# The resource metrics API, for `kubectl top` and the HPA. The server runs beside the API server,
# not in a pod.
metrics_api() {
  kubectl apply -f "$here/metrics-server.yaml" >"$logs/metrics-api"
  component_start metrics-server
}

metrics_start() {
  local config=$dir/kubeconfig
  spawn metrics-server metrics-server --kubeconfig="$config" --authentication-kubeconfig="$config" --authorization-kubeconfig="$config" \
    --secure-port=4443 --cert-dir="$run/metrics" --kubelet-insecure-tls --kubelet-preferred-address-types=InternalIP \
    --node-selector=type!=kwok --metric-resolution=10s --kubelet-request-timeout=5s "$@"
}

ask_etcd() { curl --silent --fail --max-time 5 --request POST --data "$2" "http://127.0.0.1:2379/v3/$1"; }

# etcd_mode read-only|read-write|compact. With the alarm of a full disk, etcd answers reads and
# refuses writes, as it does when it is full.
etcd_mode() {
  local action revision
  case ${1:-} in
    read-only) action=ACTIVATE ;;
    read-write) action=DEACTIVATE ;;
    compact)
      revision=$(ask_etcd maintenance/status '{}' | grep -oE '"revision":"[0-9]+"' | grep -oE '[0-9]+')
      ask_etcd kv/compaction "{\"revision\":\"$revision\"}" >/dev/null || fail 'etcd did not compact'
      return
      ;;
    *) fail 'expected: etcd read-only|read-write|compact' ;;
  esac
  local member
  member=$(ask_etcd maintenance/status '{}' | grep -oE '"member_id":"[0-9]+"' | grep -oE '[0-9]+')
  ask_etcd maintenance/alarm "{\"action\":\"$action\",\"memberID\":\"$member\",\"alarm\":\"NOSPACE\"}" >/dev/null ||
    fail "etcd did not become $1"
}
