package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	"github.com/fluxcd/pkg/ssa"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// Where the inventory is kept between runs; Flux keeps it in the status of its Kustomization.
const inventory = "inventory-of-flux"

type fluxHealth struct {
	Status string `json:"status"`
}

func healthByFlux(config []byte, object *unstructured.Unstructured) (*fluxHealth, error) {
	var kustomization struct {
		Spec struct {
			HealthCheckExprs []kustomize.CustomHealthCheck `json:"healthCheckExprs"`
		}
	}
	if err := yaml.UnmarshalStrict(specOf(config), &kustomization.Spec); err != nil {
		return nil, err
	}
	for _, check := range kustomization.Spec.HealthCheckExprs {
		if check.APIVersion != object.GetAPIVersion() || check.Kind != object.GetKind() {
			continue
		}
		evaluator, err := cel.NewStatusEvaluator(&check.HealthCheckExpressions)
		if err != nil {
			return nil, err
		}
		result, err := evaluator.Evaluate(context.Background(), object)
		if _, isThere := object.Object["status"]; err != nil && !isThere {
			// Flux goes on asking.
			return &fluxHealth{Status: "Unknown"}, nil
		}
		if err != nil {
			return nil, err
		}
		return &fluxHealth{Status: string(result.Status)}, nil
	}
	return nil, fmt.Errorf("there is no expression for %s %s", object.GetAPIVersion(), object.GetKind())
}

// The healthCheckExprs of a Kustomization, without the rest of its spec.
func specOf(config []byte) []byte {
	var whole struct {
		Spec map[string]json.RawMessage
	}
	if err := yaml.Unmarshal(config, &whole); err != nil {
		return config
	}
	text, _ := json.Marshal(map[string]json.RawMessage{"healthCheckExprs": whole.Spec["healthCheckExprs"]})
	return text
}

type applied struct {
	// What was done to each object.
	Changes map[string]string `json:"changes"`
}

func syncByFlux(ctx context.Context, objects []*unstructured.Unstructured, namespace string) (*applied, error) {
	config, err := cluster()
	if err != nil {
		return nil, err
	}
	api, err := client.New(config, client.Options{})
	if err != nil {
		return nil, err
	}
	for _, object := range objects {
		if object.GetNamespace() == "" {
			object.SetNamespace(namespace)
		}
	}
	manager := ssa.NewResourceManager(api, nil, ssa.Owner{
		Field: "kustomize-controller",
		Group: "kustomize.toolkit.fluxcd.io",
	})
	manager.SetOwnerLabels(objects, application, namespace)
	options := ssa.DefaultApplyOptions()
	// As its kustomize-controller has it: what kubectl wrote becomes its own.
	options.Cleanup = ssa.ApplyCleanupOptions{
		Annotations: []string{corev1.LastAppliedConfigAnnotation},
		FieldManagers: []ssa.FieldManager{
			{Name: "kubectl", OperationType: metav1.ManagedFieldsOperationApply},
			{Name: "kubectl", OperationType: metav1.ManagedFieldsOperationUpdate},
			{Name: "before-first-apply", OperationType: metav1.ManagedFieldsOperationUpdate},
		},
	}
	changes, err := manager.ApplyAll(ctx, objects, options)
	if err != nil {
		return nil, err
	}
	done := &applied{Changes: map[string]string{}}
	for _, entry := range changes.Entries {
		done.Changes[entry.Subject] = string(entry.Action)
	}
	stale, err := remember(ctx, api, objects, namespace)
	if err != nil {
		return nil, err
	}
	pruned, err := manager.DeleteAll(ctx, stale, ssa.DeleteOptions{
		PropagationPolicy: metav1.DeletePropagationBackground,
		Inclusions:        manager.GetOwnerLabels(application, namespace),
	})
	if err != nil {
		return nil, err
	}
	for _, entry := range pruned.Entries {
		done.Changes[entry.Subject] = string(entry.Action)
	}
	return done, nil
}

// Keeps what is applied, and says what was and is not any more.
func remember(ctx context.Context, api client.Client, objects []*unstructured.Unstructured, namespace string) ([]*unstructured.Unstructured, error) {
	key := client.ObjectKey{Namespace: namespace, Name: inventory}
	kept := &corev1.ConfigMap{}
	err := api.Get(ctx, key, kept)
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, err
	}
	isNew := err != nil
	var before []*unstructured.Unstructured
	if text, ok := kept.Data["objects"]; ok {
		if err := json.Unmarshal([]byte(text), &before); err != nil {
			return nil, err
		}
	}
	now := []*unstructured.Unstructured{}
	is := map[string]bool{}
	for _, object := range objects {
		one := &unstructured.Unstructured{}
		one.SetGroupVersionKind(object.GroupVersionKind())
		one.SetNamespace(object.GetNamespace())
		one.SetName(object.GetName())
		now = append(now, one)
		is[one.GroupVersionKind().GroupKind().String()+"/"+one.GetName()] = true
	}
	text, err := json.Marshal(now)
	if err != nil {
		return nil, err
	}
	kept.Name, kept.Namespace, kept.Data = inventory, namespace, map[string]string{"objects": string(text)}
	if isNew {
		err = api.Create(ctx, kept)
	} else {
		err = api.Update(ctx, kept)
	}
	var stale []*unstructured.Unstructured
	for _, object := range before {
		if !is[object.GroupVersionKind().GroupKind().String()+"/"+object.GetName()] {
			stale = append(stale, object)
		}
	}
	return stale, err
}
