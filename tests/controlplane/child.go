package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// child is one component, kept alive: a test may kill it at any moment, and it comes back with the same arguments.
type child struct {
	dir  dir
	name string
	argv []string
}

// keep starts the component and reports its first death on `died` if that comes before `settled` is closed: a component
// that never came up has a reason in its log, and trying again would hide it. It ends, killing the component, with ctx.
func (c *child) keep(ctx context.Context, settled <-chan struct{}, died chan<- error) {
	// The kernel kills the child when the *thread* that started it ends, so this goroutine keeps its thread.
	runtime.LockOSThread()
	for ctx.Err() == nil {
		// While this file exists the component stays down (see restart-apiserver).
		for exists(c.dir.path(c.name+".hold")) && ctx.Err() == nil {
			time.Sleep(20 * time.Millisecond)
		}
		err := c.once(ctx)
		select {
		case <-ctx.Done():
		case <-settled:
			fmt.Fprintf(os.Stderr, "%s ended (%v): starting it again\n", c.name, err)
			time.Sleep(50 * time.Millisecond)
		default:
			died <- fmt.Errorf("%s ended before it was ready (%v), its log is %s:\n%s", c.name, err, c.log(), tail(c.log()))
			return
		}
	}
}

func (c *child) log() string { return c.dir.path(c.name + ".log") }

// once runs the component until it ends.
func (c *child) once(ctx context.Context) error {
	log, err := os.OpenFile(c.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, c.argv[0], c.argv[1:]...) // ends by SIGKILL: nothing here is worth a farewell
	cmd.Stdout, cmd.Stderr = log, log
	// A group of its own, so that Ctrl-C in a terminal reaches the supervisor only.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	pid := c.dir.path(c.name + ".pid")
	if err := os.WriteFile(pid, []byte(strconv.Itoa(cmd.Process.Pid)), 0o600); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	defer os.Remove(pid)
	return cmd.Wait()
}

func tail(path string) string {
	data, _ := os.ReadFile(path)
	return string(data[max(0, len(data)-3000):])
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
