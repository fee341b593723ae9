// network-policies enforces the cluster's NetworkPolicies: the kernel hands it the first packet of each connection of a
// pod, and it says whether that may pass. It does so until it is sent SIGTERM.
//
// The decisions are those of kube-network-policies. Its own program is not used, as that only runs inside a pod.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/textlogger"
	"sigs.k8s.io/kube-network-policies/pkg/networkpolicy"
)

// The controller also writes nftables rules that hand it the packets. They need nft's `queue`, which not every kernel has,
// so devcluster/network.py hands over the packets with iptables, and the controller gets a name that no kernel takes for a
// table: it then writes no rules on any machine, and leaves none behind.
var noTable = strings.Repeat("-", 300)

// log leaves out the complaints about those rules.
type log struct{}

func (log) Write(line []byte) (int, error) {
	for _, about := range []string{"nftables", `"syncing" key=`, "Dropping out of the queue", "numerical result out of range"} {
		if bytes.Contains(line, []byte(about)) {
			return len(line), nil
		}
	}
	return os.Stderr.Write(line)
}

func main() {
	kubeconfig := flag.String("kubeconfig", "", "how to reach the API server")
	node := flag.String("node", "", "the name of this node")
	queue := flag.Int("queue", 0, "the number of the queue that the kernel puts packets in")
	flag.Parse()
	klog.SetLogger(textlogger.NewLogger(textlogger.NewConfig(textlogger.Output(log{}))))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *kubeconfig, *node, *queue); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, kubeconfig, node string, queue int) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	watched := informers.NewSharedInformerFactory(client, 0)
	core := watched.Core().V1()
	controller, err := networkpolicy.NewController(
		client, watched.Networking().V1().NetworkPolicies(), core.Namespaces(), core.Pods(), nil, nil, nil, nil,
		networkpolicy.Config{QueueID: queue, NodeName: node, NFTableName: noTable})
	if err != nil {
		return err
	}
	watched.Start(ctx.Done())
	return controller.Run(ctx)
}
