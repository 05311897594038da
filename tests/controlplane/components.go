package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// serviceIPs is wide enough for a benchmark with thousands of Services.
const serviceIPs = "10.0.0.0/16"

// unused are the controllers that only a real node, disk, cloud or kubeadm gives work to. The node-lifecycle controller
// is among them so that a node that nobody refreshes stays ready. A deny-list, so that the rest is as in a real cluster.
var unused = []string{
	"node-ipam-controller", "node-lifecycle-controller", "taint-eviction-controller", "ttl-controller",
	"bootstrap-signer-controller", "token-cleaner-controller",
	"certificatesigningrequest-signing-controller", "certificatesigningrequest-approving-controller",
	"certificatesigningrequest-cleaner-controller", "legacy-serviceaccount-token-cleaner-controller",
	"persistentvolume-binder-controller", "persistentvolume-attach-detach-controller",
	"persistentvolume-expander-controller", "ephemeral-volume-controller",
	"horizontal-pod-autoscaler-controller", "replicationcontroller-controller",
}

func etcd(d dir, client, peer int) *child {
	self, peers := loopback("http", client), loopback("http", peer)
	return d.child("etcd",
		"--name=default", "--data-dir="+d.path("etcd"),
		"--listen-client-urls="+self, "--advertise-client-urls="+self,
		"--listen-peer-urls="+peers, "--initial-advertise-peer-urls="+peers, "--initial-cluster=default="+peers,
		"--unsafe-no-fsync", // the data does not outlive the process anyway
		"--log-level=warn")
}

func apiserver(d dir, port, etcdPort int, o options) *child {
	args := []string{
		"--etcd-servers=" + loopback("http", etcdPort),
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", port),
		"--cert-dir=" + string(d), "--tls-cert-file=" + d.path("apiserver.crt"), "--tls-private-key-file=" + d.path("apiserver.key"),
		"--client-ca-file=" + d.path("ca.crt"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + d.path("sa.key"), "--service-account-signing-key-file=" + d.path("sa.key"),
		"--service-cluster-ip-range=" + serviceIPs,
		"--authorization-mode=RBAC", "--allow-privileged=true",
		// A missing right on a `finalizers` subresource must show in our tests, not at the first user who has this on.
		"--enable-admission-plugins=OwnerReferencesPermissionEnforcement",
		// A new node would wait, tainted, for the node-lifecycle controller that does not run.
		"--disable-admission-plugins=TaintNodesByCondition",
		"--endpoint-reconciler-type=none", "--profiling=false",
	}
	if o.audit {
		args = append(args, "--audit-policy-file="+d.path("audit-policy.yaml"), "--audit-log-path="+d.path("audit.log"))
	}
	return d.child("kube-apiserver", args...)
}

func controllerManager(d dir) *child {
	return d.child("kube-controller-manager",
		"--kubeconfig="+d.path("kube-controller-manager.kubeconfig"),
		"--leader-elect=false", "--secure-port=0", "--profiling=false",
		"--controllers=*,-"+strings.Join(unused, ",-"),
		// Without this the ReplicaSet, garbage collection and namespace controllers lack the rights they need.
		"--use-service-account-credentials=true",
		"--service-account-private-key-file="+d.path("sa.key"), "--root-ca-file="+d.path("ca.crt"),
		"--service-cluster-ip-range="+serviceIPs,
		// The defaults (20 and 30 a second) would make the tests wait for these controllers, not for ours.
		"--kube-api-qps=200", "--kube-api-burst=400", "--concurrent-gc-syncs=20")
}

func kubeScheduler(d dir) *child {
	return d.child("kube-scheduler",
		"--kubeconfig="+d.path("kube-scheduler.kubeconfig"),
		"--leader-elect=false", "--secure-port=0", "--profiling=false",
		"--kube-api-qps=200", "--kube-api-burst=400")
}

func kwokKubelet(d dir) *child {
	return d.child("kwok",
		"--kubeconfig="+d.path("kwok.kubeconfig"), "--config="+d.path("stages.yaml"),
		"--manage-all-nodes=true", "--node-lease-duration-seconds=0",
		"--node-port=0") // else it would listen on all addresses
}

// child describes a component: from KUBEBUILDER_ASSETS where that has it, else this binary under another name.
func (d dir) child(name string, args ...string) *child {
	c := &child{dir: d, name: name}
	if assets := os.Getenv("KUBEBUILDER_ASSETS"); assets != "" {
		if file := filepath.Join(assets, name); executable(file) {
			c.argv = append([]string{file}, args...)
			return c
		}
	}
	c.argv = append([]string{self(), name}, args...)
	return c
}

func executable(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

func loopback(scheme string, port int) string { return fmt.Sprintf("%s://127.0.0.1:%d", scheme, port) }

// freePort looks below the range from which outgoing connections take theirs: there, a client could be given the very
// port it tries to reach while the API server is down, and talk to itself.
func freePort() (int, error) {
	for range 1000 {
		port := 20000 + rand.IntN(12000)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("no free port on 127.0.0.1 between 20000 and 32000")
}
