// What GitOps controllers do, by the engines they are made of, one run at a time: Argo CD's gitops-engine and its Lua,
// Flux's ssa and its CEL. Reads YAML on stdin, works on $KUBECONFIG, prints JSON.
//
//	health argocd FILE      the health of an object, by a config map of Argo CD with resource.customizations.health.*
//	health flux FILE        the same by the healthCheckExprs of a Flux Kustomization
//	sync argocd NAMESPACE [apply|server-side|replace]   compares, and syncs with prune what is out of sync
//	sync flux NAMESPACE     applies, and prunes what was in the inventory of the run before
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/utils/kube"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// The name of the application in git, as both tools write it onto what they apply.
const application = "shop-in-git"

func main() {
	answer, err := run(context.Background(), os.Args[1:])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(answer)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string) (any, error) {
	if len(arguments) < 3 {
		return nil, errors.New("usage: gitops health|sync argocd|flux FILE|NAMESPACE [MODE]")
	}
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		return nil, err
	}
	objects, err := kube.SplitYAML(text)
	if err != nil {
		return nil, err
	}
	mode := append(arguments, "apply")[3]
	switch arguments[0] + " " + arguments[1] {
	case "health argocd":
		return each(objects, arguments[2], healthByArgoCD)
	case "health flux":
		return each(objects, arguments[2], healthByFlux)
	case "sync argocd":
		return syncByArgoCD(ctx, objects, arguments[2], mode)
	case "sync flux":
		return syncByFlux(ctx, objects, arguments[2])
	default:
		return nil, fmt.Errorf("unknown: %s %s", arguments[0], arguments[1])
	}
}

func each[T any](objects []*unstructured.Unstructured, file string, health func([]byte, *unstructured.Unstructured) (T, error)) ([]T, error) {
	config, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	all := []T{}
	for _, object := range objects {
		one, err := health(config, object)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

func cluster() (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
	if err == nil {
		// As Argo CD has it; client-go's own default would be most of the time that a sync takes.
		config.QPS, config.Burst = 50, 100
	}
	return config, err
}
