package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// auditPolicy records who did what to which object, once per request, without bodies (they would hold Secrets).
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
`

// supervise owns the components until it is told to stop: by a signal, or, where `stdin` is watched, by its closing,
// which also happens when the process that started us is killed. It calls ready once.
func supervise(d dir, o options, ready func()) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if o.foreground {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			stop()
		}()
	}
	if err := d.clean(); err != nil {
		return err
	}
	if err := os.WriteFile(d.path("pid"), []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		return err
	}
	var children sync.WaitGroup
	defer os.RemoveAll(d.path("etcd")) // the logs stay, they may say why
	defer children.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	settled, died := make(chan struct{}), make(chan error, 8)
	start := func(c *child) { children.Go(func() { c.keep(ctx, settled, died) }) }

	up := make(chan error, 1)
	go func() { up <- d.bringUp(ctx, o, start) }()
	select {
	case <-ctx.Done():
		return fmt.Errorf("stopped before it was ready")
	case err := <-died:
		return err
	case err := <-up:
		if err != nil {
			return err
		}
	}
	close(settled)
	if err := d.markReady(o); err != nil {
		return err
	}
	defer d.unmarkReady()
	ready()
	<-ctx.Done()
	return nil
}

// bringUp starts the components in the one order that works well: definitions go in before the controller manager
// looks around, because its garbage collector takes up to 40 s to notice a kind that appears later.
func (d dir) bringUp(ctx context.Context, o options, start func(*child)) error {
	var ports [3]int
	for i := range ports {
		port, err := freePort()
		if err != nil {
			return err
		}
		ports[i] = port
	}
	server := loopback("https", ports[0])
	if err := d.writeCertificates(server); err != nil {
		return err
	}
	files := map[string]string{"audit-policy.yaml": auditPolicy, "stages.yaml": strings.Join(stages, "\n---\n"), "node.yaml": fakeNode}
	for name, content := range files {
		if err := os.WriteFile(d.path(name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	start(etcd(d, ports[1], ports[2]))
	start(apiserver(d, ports[0], ports[1], o))
	if err := d.await(ctx, "/readyz"); err != nil {
		return err
	}
	if o.crds != "" {
		if err := d.applyDefinitions(ctx, o.crds); err != nil {
			return err
		}
	}
	start(controllerManager(d))
	if o.kwok {
		start(kubeScheduler(d))
		start(kwokKubelet(d))
		if err := d.kubectl(ctx, "apply", "--server-side", "-f", d.path("node.yaml")); err != nil {
			return err
		}
	}
	// The controllers run when the first thing they make is there; pods cannot be created before it is.
	return d.await(ctx, "/api/v1/namespaces/default/serviceaccounts/default")
}

// applyDefinitions takes a folder of YAML files, or a kustomization.
func (d dir) applyDefinitions(ctx context.Context, folder string) error {
	flag := "-f"
	if exists(folder + "/kustomization.yaml") {
		flag = "-k"
	}
	if err := d.kubectl(ctx, "apply", "--server-side", flag, folder); err != nil {
		return err
	}
	return d.kubectl(ctx, "wait", "--for=condition=Established", "--timeout=30s", "crd", "--all")
}

func (d dir) kubectl(ctx context.Context, args ...string) error {
	args = append([]string{"kubectl", "--kubeconfig=" + d.path(adminConfig)}, args...)
	out, err := exec.CommandContext(ctx, self(), args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
	}
	fmt.Fprintf(os.Stderr, "%s", out)
	return nil
}

// startLimit is generous: a machine that is busy compiling takes many times the usual five seconds.
const startLimit = 3 * time.Minute

// await asks the API server for a path until it answers 200.
func (d dir) await(ctx context.Context, path string) error {
	client, server, err := d.client()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	last := "no answer"
	for {
		if status, err := get(ctx, client, server+path); err != nil {
			last = err.Error()
		} else if last = status; strings.HasPrefix(status, "200") {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %s after %v", path, last, startLimit)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
