package main

import (
	"fmt"
	"os"

	"github.com/spf13/pflag"
	nodes "sigs.k8s.io/kwok/kustomize/stage/node/fast"
	pods "sigs.k8s.io/kwok/kustomize/stage/pod/fast"
	"sigs.k8s.io/kwok/pkg/config"
	kwok "sigs.k8s.io/kwok/pkg/kwok/cmd"
	"sigs.k8s.io/kwok/pkg/log"
	"sigs.k8s.io/kwok/pkg/utils/signals"
)

// stages are what KWOK plays: a node becomes ready, a pod with a node becomes ready, a pod of a Job completes, and a
// deleted pod is gone. They are the "fast" ones of the KWOK release itself: nothing waits.
var stages = []string{nodes.DefaultNodeInit, pods.DefaultPodReady, pods.DefaultPodComplete, pods.DefaultPodDelete}

// fakeNode takes every pod. No node-lifecycle controller runs, so it needs no heartbeat.
const fakeNode = `apiVersion: v1
kind: Node
metadata:
  name: kwok
  labels: {kubernetes.io/hostname: kwok, kubernetes.io/os: linux, kubernetes.io/arch: amd64}
`

// runKwok is what KWOK's own main does; it has no importable entry point above this.
func runKwok() {
	// The other components have put a --version here that is not KWOK's, and cobra would take it over.
	pflag.CommandLine = pflag.NewFlagSet("kwok", pflag.ExitOnError)
	flags := pflag.NewFlagSet("global", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true
	flags.Usage = func() {}
	ctx, _ := log.InitFlags(signals.SetupSignalContext(), flags)
	ctx, err := config.InitFlags(ctx, flags)
	if err == nil {
		command := kwok.NewCommand(ctx)
		command.PersistentFlags().AddFlagSet(flags)
		command.SetArgs(os.Args[1:])
		err = command.ExecuteContext(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
