package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const adminConfig = "kubeconfig"

// dir is the folder of one control plane: its keys, logs, pids and data. Whoever holds the lock in it owns it.
type dir string

func (d dir) path(name string) string { return filepath.Join(string(d), name) }

// lock is held by a supervisor for its whole life, and the kernel lets it go however that life ends. A pid file alone
// could name a stranger by now, so a pid is believed only while the lock is held.
func (d dir) lock() (*os.File, error) {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(d.path("lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errRunning
		}
		return nil, err
	}
	return f, nil
}

var errRunning = errors.New("a control plane runs in this folder already")

// alive says whether a supervisor holds the folder. A folder that is not there is not made.
func (d dir) alive() bool {
	if !exists(d.path("lock")) {
		return false
	}
	f, err := d.lock()
	if err == nil {
		f.Close()
	}
	return errors.Is(err, errRunning)
}

// clean removes what an earlier control plane left, by name: the folder may be one that holds other things.
func (d dir) clean() error {
	d.unmarkReady()
	for _, pattern := range []string{"etcd", "*.pid", "*.hold", "etcd.log", "kube-*.log", "kwok.log", "audit*.log"} {
		found, err := filepath.Glob(d.path(pattern))
		if err != nil {
			return err
		}
		for _, file := range found {
			if err := os.RemoveAll(file); err != nil {
				return err
			}
		}
	}
	return nil
}

// markReady leaves a file that says with which options this control plane came up; its being there says that it did.
func (d dir) markReady(o options) error {
	return os.WriteFile(d.path("ready"), []byte(strings.Join(o.fixed(), " ")), 0o600)
}

func (d dir) unmarkReady() { _ = os.Remove(d.path("ready")) }

func (d dir) readyWith() ([]string, bool) {
	data, err := os.ReadFile(d.path("ready"))
	return strings.Fields(string(data)), err == nil
}

func (d dir) pid(file string) (int, error) {
	data, err := os.ReadFile(d.path(file))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(data)))
}

// client speaks to the API server as its administrator.
func (d dir) client() (*http.Client, string, error) {
	config, err := clientcmd.BuildConfigFromFlags("", d.path(adminConfig))
	if err != nil {
		return nil, "", err
	}
	client, err := rest.HTTPClientFor(config)
	return client, config.Host, err
}

func get(ctx context.Context, client *http.Client, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	return response.Status, response.Body.Close()
}

func self() string {
	path, err := os.Executable()
	if err != nil {
		panic(fmt.Sprintf("cannot find this program's own file: %v", err))
	}
	return path
}
