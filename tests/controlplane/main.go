// Package main is a whole Kubernetes control plane in one binary, for tests and for trying Mooring by hand.
//
// `up` starts a supervisor, which runs this same binary again once per component. The components have to be processes
// of their own: each fills the same process-wide registries (feature gates, metrics, flags), and only a process can be
// killed the way a fault test wants it killed.
package main

import (
	"fmt"
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	kubeapiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	manager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

const usage = `usage: controlplane VERB [--dir DIR] ...
  up [--kwok] [--crds DIR] [--audit] [--foreground]   start it, print the path of the kubeconfig
  down                                                stop it
  restart-apiserver [--down DURATION]                 kill the API server, wait, and see it ready again
  kubectl ...                                         the kubectl of the same release`

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
	// Every component parses os.Args itself and expects its own name in front.
	os.Args = os.Args[1:]
	switch verb := os.Args[0]; verb {
	case "etcd":
		etcdmain.Main(os.Args)
	case "kube-apiserver":
		os.Exit(cli.Run(kubeapiserver.NewAPIServerCommand()))
	case "kube-controller-manager":
		os.Exit(cli.Run(manager.NewControllerManagerCommand()))
	case "kube-scheduler":
		os.Exit(cli.Run(scheduler.NewSchedulerCommand()))
	case "kwok":
		runKwok()
	case "kubectl":
		if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
			kubectlutil.CheckErr(err)
		}
	case "up", "down", "restart-apiserver", superviseVerb:
		if err := run(verb, os.Args[1:]); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", verb, err)
			os.Exit(1)
		}
	default:
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
}
