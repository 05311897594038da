package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// superviseVerb is what `up` runs in the background; nobody types it.
const superviseVerb = "supervise"

type options struct {
	kwok, audit, foreground bool
	crds                    string
	down                    time.Duration
}

// fixed names the options that a running control plane cannot be given any more.
func (o options) fixed() []string {
	var names []string
	for name, on := range map[string]bool{"--kwok": o.kwok, "--audit": o.audit} {
		if on {
			names = append(names, name)
		}
	}
	return names
}

func run(verb string, args []string) error {
	var o options
	var folder string
	flags := flag.NewFlagSet(verb, flag.ExitOnError)
	flags.StringVar(&folder, "dir", os.Getenv("MOORING_CONTROLPLANE_DIR"), "folder of this control plane: keys, logs, data")
	if verb == "up" || verb == superviseVerb {
		flags.BoolVar(&o.kwok, "kwok", false, "play a node, so that pods are scheduled and become ready")
		flags.BoolVar(&o.audit, "audit", false, "record every request (who, verb, object) in audit.log")
		flags.BoolVar(&o.foreground, "foreground", false, "stay, and end when stdin closes")
		flags.StringVar(&o.crds, "crds", "", "apply the YAML files of this folder before the controllers start")
	}
	if verb == "restart-apiserver" {
		flags.DurationVar(&o.down, "down", 0, "how long the API server stays away")
	}
	_ = flags.Parse(args) // it exits by itself
	if flags.NArg() > 0 || folder == "" {
		return fmt.Errorf("need --dir DIR and no other argument, got %q", flags.Args())
	}
	folder, err := filepath.Abs(folder)
	if err != nil {
		return err
	}
	d := dir(folder)
	switch {
	case verb == "down":
		return d.down()
	case verb == "restart-apiserver":
		return d.restartAPIServer(o.down)
	case verb == superviseVerb || o.foreground:
		return d.hold(o)
	default:
		return d.up(o)
	}
}

// hold is the supervisor: it owns the folder and serves until it is told to stop.
func (d dir) hold(o options) error {
	lock, err := d.lock()
	if err != nil {
		return fmt.Errorf("%s: %w", d, err)
	}
	defer lock.Close()
	return supervise(d, o, func() { fmt.Println(d.path(adminConfig)) })
}

// up starts a supervisor in the background unless one is there, and returns when the API server serves.
func (d dir) up(o options) error {
	began, ended := time.Now(), make(chan error, 1)
	lock, err := d.lock()
	running := errors.Is(err, errRunning)
	if err == nil {
		d.unmarkReady() // left by one that was killed
		lock.Close()
		err = d.spawn(o, ended)
	}
	if err != nil && !running {
		return err
	}
	for time.Since(began) < startLimit {
		if with, ready := d.readyWith(); ready && d.alive() {
			for _, name := range o.fixed() {
				if !slices.Contains(with, name) {
					return fmt.Errorf("the one that runs in %s is without %s: end it first with `down`", d, name)
				}
			}
			if running && o.crds != "" {
				if err := d.applyDefinitions(context.Background(), o.crds); err != nil {
					return err
				}
			}
			fmt.Fprintf(os.Stderr, "ready after %.1f s, files in %s\n", time.Since(began).Seconds(), d)
			fmt.Println(d.path(adminConfig))
			return nil
		}
		select {
		case err := <-ended:
			// Two `up` at once start two supervisors; the one without the lock ends, and the other is waited for.
			if !d.alive() {
				return fmt.Errorf("it did not start (%v):\n%s", err, tail(d.path("supervisor.log")))
			}
		case <-time.After(50 * time.Millisecond):
		}
	}
	return fmt.Errorf("not ready after %v, see the logs in %s", startLimit, d)
}

func (d dir) spawn(o options, ended chan<- error) error {
	log, err := os.OpenFile(d.path("supervisor.log"), os.O_CREATE|os.O_TRUNC|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	args := append([]string{superviseVerb, "--dir=" + string(d)}, o.fixed()...)
	if o.crds != "" {
		args = append(args, "--crds="+o.crds)
	}
	cmd := exec.Command(self(), args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // it outlives the terminal
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { ended <- cmd.Wait() }()
	return nil
}

// down ends the supervisor; its components end with it, even if it has to be killed.
func (d dir) down() error {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if !d.alive() {
			return nil
		}
		pid, err := d.pid("pid")
		if err != nil {
			return err
		}
		if err := syscall.Kill(pid, s); err != nil {
			return fmt.Errorf("pid %d: %w", pid, err)
		}
		for range 200 {
			if !d.alive() {
				return nil
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	return fmt.Errorf("%s: still running 10 s after it was killed", d)
}

// restartAPIServer kills the API server without warning; the supervisor brings it back when the hold is lifted.
func (d dir) restartAPIServer(away time.Duration) error {
	if _, ready := d.readyWith(); !ready || !d.alive() {
		return fmt.Errorf("no control plane runs in %s", d)
	}
	hold := d.path("kube-apiserver.hold")
	if err := os.WriteFile(hold, nil, 0o600); err != nil {
		return err
	}
	defer os.Remove(hold)
	began := time.Now()
	d.kill("kube-apiserver")
	for exists(d.path("kube-apiserver.pid")) {
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(away)
	if err := os.Remove(hold); err != nil {
		return err
	}
	if err := d.await(context.Background(), "/readyz"); err != nil {
		return err
	}
	// Left alone, these would come back when their retries, by now up to a minute apart, next fall due. In a real
	// cluster they end when they cannot renew their leases, and start anew, as they do here.
	for _, name := range []string{"kube-controller-manager", "kube-scheduler", "kwok"} {
		d.kill(name)
	}
	fmt.Fprintf(os.Stderr, "ready again after %.1f s\n", time.Since(began).Seconds())
	return nil
}

// kill ends a component, if it runs, as a crash would.
func (d dir) kill(name string) {
	if pid, err := d.pid(name + ".pid"); err == nil {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}
