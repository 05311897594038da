package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/cache"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/diff"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/engine"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/health"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/sync"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/utils/kube"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/utils/tracing"
	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	lua "github.com/yuin/gopher-lua"
	luajson "layeh.com/gopher-json"
	"sigs.k8s.io/yaml"
)

const (
	// Argo CD's two ways of tracking; something is pruned here if it carries either.
	trackingLabel      = "app.kubernetes.io/instance"
	trackingAnnotation = "argocd.argoproj.io/tracking-id"
	argocdManager      = "argocd-controller"
)

// By Argo CD's own rules: only these libraries, one second, a table with a status that it knows.
func healthByArgoCD(config []byte, object *unstructured.Unstructured) (*health.HealthStatus, error) {
	var configMap struct{ Data map[string]string }
	if err := yaml.Unmarshal(config, &configMap); err != nil {
		return nil, err
	}
	kind := object.GroupVersionKind()
	script, ok := configMap.Data[fmt.Sprintf("resource.customizations.health.%s_%s", kind.Group, kind.Kind)]
	if !ok {
		return nil, fmt.Errorf("there is no script for %s", kind)
	}
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{
		lua.LoadLibName: lua.OpenPackage,
		lua.BaseLibName: lua.OpenBase,
		lua.TabLibName:  lua.OpenTable,
	} {
		if err := state.CallByParam(lua.P{Fn: state.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	state.SetContext(ctx)
	text, err := json.Marshal(object.Object)
	if err != nil {
		return nil, err
	}
	value, err := luajson.Decode(state, text)
	if err != nil {
		return nil, err
	}
	state.SetGlobal("obj", value)
	if err := state.DoString(script); err != nil {
		return nil, err
	}
	answer, err := luajson.Encode(state.Get(-1))
	if err != nil {
		return nil, err
	}
	status := &health.HealthStatus{}
	if err := json.Unmarshal(answer, status); err != nil {
		return nil, err
	}
	switch status.Status {
	case health.HealthStatusHealthy, health.HealthStatusProgressing, health.HealthStatusDegraded,
		health.HealthStatusSuspended, health.HealthStatusMissing, health.HealthStatusUnknown:
		return status, nil
	default:
		return nil, fmt.Errorf("%q is no health status of Argo CD", status.Status)
	}
}

type synced struct {
	// What differed from what is in git, before anything was done.
	OutOfSync []string `json:"outOfSync"`
	// What was done.
	Results []string `json:"results"`
}

func syncByArgoCD(ctx context.Context, objects []*unstructured.Unstructured, namespace, mode string) (*synced, error) {
	config, err := cluster()
	if err != nil {
		return nil, err
	}
	for _, object := range objects {
		track(object, namespace)
	}
	clusterCache := cache.NewClusterCache(config,
		cache.SetNamespaces([]string{namespace}),
		cache.SetLogr(logr.Discard()),
		cache.SetPopulateResourceInfoHandler(func(object *unstructured.Unstructured, _ bool) (any, bool) {
			isOurs := isTracked(object)
			return isOurs, isOurs
		}),
	)
	argocd := engine.NewEngine(config, clusterCache)
	stop, err := argocd.Run()
	if err != nil {
		return nil, err
	}
	defer stop()
	isManaged := func(resource *cache.Resource) bool { isOurs, _ := resource.Info.(bool); return isOurs }

	live, err := clusterCache.GetManagedLiveObjs(objects, isManaged)
	if err != nil {
		return nil, err
	}
	pairs := sync.Reconcile(objects, live, namespace, clusterCache)
	options := []diff.Option{diff.WithManager(argocdManager), diff.WithGVKParser(clusterCache.GetGVKParser())}
	if mode == "server-side" {
		resources, done, err := (&kube.KubectlCmd{Log: logr.Discard(), Tracer: tracing.NopTracer{}}).ManageServerSideDiffDryRuns(config)
		if err != nil {
			return nil, err
		}
		defer done()
		options = append(options, diff.WithServerSideDiff(true), diff.WithServerSideDryRunner(diff.NewK8sServerSideDryRunner(resources)), diff.WithIgnoreMutationWebhook(true))
	}
	compared, err := diff.DiffArray(pairs.Target, pairs.Live, options...)
	if err != nil {
		return nil, err
	}
	done := &synced{OutOfSync: []string{}, Results: []string{}}
	for i, one := range compared.Diffs {
		object := pairs.Target[i]
		// What is no longer in git waits to be pruned.
		isStale := object == nil
		if isStale {
			object = pairs.Live[i]
		}
		if one.Modified || isStale {
			done.OutOfSync = append(done.OutOfSync, object.GetKind()+"/"+object.GetName())
		}
	}
	if len(done.OutOfSync) == 0 {
		return done, nil
	}
	results, err := argocd.Sync(ctx, objects, isManaged, "a-revision", namespace,
		sync.WithPrune(true),
		sync.WithReplace(mode == "replace"),
		sync.WithServerSideApply(mode == "server-side"),
		sync.WithServerSideApplyManager(argocdManager),
		sync.WithLogr(logr.Discard()),
		// Whether something is healthy is asked by itself.
		sync.WithHealthOverride(healthy{}),
	)
	for _, one := range results {
		done.Results = append(done.Results, fmt.Sprintf("%s/%s: %s: %s", one.ResourceKey.Kind, one.ResourceKey.Name, one.Status, one.Message))
	}
	return done, err
}

type healthy struct{}

func (healthy) GetResourceHealth(*unstructured.Unstructured) (*health.HealthStatus, error) {
	return &health.HealthStatus{Status: health.HealthStatusHealthy}, nil
}

func track(object *unstructured.Unstructured, namespace string) {
	if object.GetNamespace() == "" {
		object.SetNamespace(namespace)
	}
	labels := object.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels[trackingLabel] = application
	object.SetLabels(labels)
	annotations := object.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	kind := object.GroupVersionKind()
	annotations[trackingAnnotation] = fmt.Sprintf("%s:%s/%s:%s/%s", application, kind.Group, kind.Kind, object.GetNamespace(), object.GetName())
	object.SetAnnotations(annotations)
}

func isTracked(object *unstructured.Unstructured) bool {
	return object.GetLabels()[trackingLabel] == application ||
		strings.HasPrefix(object.GetAnnotations()[trackingAnnotation], application+":")
}
