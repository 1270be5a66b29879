// kube-network-policies of a node: says of each new connection whether the NetworkPolicies let it through. As its own program, but with a kubeconfig.
//
// It asks for its packets by nftables' `queue`, which not every kernel has; `node.sh` sends them by iptables, so what it says of nftables in its
// log means nothing here.
package main

import (
	"context"
	"flag"
	"log"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/kube-network-policies/pkg/networkpolicy"
)

func main() {
	kubeconfig := flag.String("kubeconfig", "", "how to reach the API server")
	node := flag.String("node", "", "name of this node")
	queue := flag.Int("queue", 100, "number of the queue with the first packets of connections")
	flag.Parse()
	// It would learn pods' addresses from containerd a moment earlier; but on one machine it cannot tell whose socket that is.
	os.Setenv("NRI_PLUGIN_SOCKET", "none")
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		log.Fatalf("--kubeconfig %s: %v", *kubeconfig, err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		log.Fatalf("--kubeconfig %s: %v", *kubeconfig, err)
	}
	all := informers.NewSharedInformerFactory(client, 0)
	controller, err := networkpolicy.NewController(client, all.Networking().V1().NetworkPolicies(), all.Core().V1().Namespaces(), all.Core().V1().Pods(),
		nil, nil, nil, nil, networkpolicy.Config{NodeName: *node, QueueID: *queue})
	if err != nil {
		log.Fatalf("the controller does not start: %v", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	all.Start(ctx.Done())
	if err := controller.Run(ctx); err != nil {
		log.Fatalf("the controller ended: %v", err)
	}
}
