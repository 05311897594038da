package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"
)

// authority signs the certificates of one control plane. It is made anew at each start and trusts nothing older.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
	pem  []byte
}

func newAuthority() (*authority, error) {
	a := &authority{cert: template("mooring-controlplane")}
	a.cert.IsCA, a.cert.BasicConstraintsValid = true, true
	a.cert.KeyUsage |= x509.KeyUsageCertSign
	cert, _, key, err := sign(a.cert, a)
	if err != nil {
		return nil, err
	}
	a.pem, a.key = cert, key
	return a, nil
}

func template(name string, groups ...string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name, Organization: groups},
		NotBefore:    time.Now().Add(-time.Hour), // a clock that is set back must not break a running test
		NotAfter:     time.Now().AddDate(1, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
}

// sign makes a key and a certificate for it; an authority without a key yet signs itself.
func sign(t *x509.Certificate, a *authority) (cert, keyPEM []byte, key *ecdsa.PrivateKey, err error) {
	if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, nil, nil, err
	}
	signer := a.key
	if signer == nil {
		signer = key
	}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, key.Public(), signer)
	if err != nil {
		return nil, nil, nil, err
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, nil, nil, err
	}
	cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM = pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})
	return cert, keyPEM, key, nil
}

// kubeconfig writes a self-contained kubeconfig for a user whom the API server knows by the certificate alone.
func (a *authority) kubeconfig(path, server, user string, groups ...string) error {
	cert, key, _, err := sign(template(user, groups...), a)
	if err != nil {
		return err
	}
	b64 := base64.StdEncoding.EncodeToString
	var out bytes.Buffer
	fmt.Fprintf(&out, `apiVersion: v1
kind: Config
clusters:
- name: mooring
  cluster: {server: %q, certificate-authority-data: %s}
users:
- name: %q
  user: {client-certificate-data: %s, client-key-data: %s}
contexts:
- name: mooring
  context: {cluster: mooring, user: %q}
current-context: mooring
`, server, b64(a.pem), user, b64(cert), b64(key), user)
	return os.WriteFile(path, out.Bytes(), 0o600)
}

// writeCertificates fills the folder with everything that proves who is who, and the kubeconfigs that carry it.
func (d dir) writeCertificates(server string) error {
	a, err := newAuthority()
	if err != nil {
		return err
	}
	serving := template("kube-apiserver")
	serving.DNSNames = []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"}
	serving.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(10, 0, 0, 1)}
	cert, key, _, err := sign(serving, a)
	if err != nil {
		return err
	}
	// The key of the service account tokens needs no certificate; this one's is thrown away.
	_, tokens, _, err := sign(template("service-accounts"), a)
	if err != nil {
		return err
	}
	for name, data := range map[string][]byte{"ca.crt": a.pem, "apiserver.crt": cert, "apiserver.key": key, "sa.key": tokens} {
		if err := os.WriteFile(d.path(name), data, 0o600); err != nil {
			return err
		}
	}
	for _, k := range []struct {
		file, user string
		groups     []string
	}{
		{adminConfig, "admin", []string{"system:masters"}},
		{"noperms.kubeconfig", "noperms", nil},
		{"kube-controller-manager.kubeconfig", "system:kube-controller-manager", nil},
		{"kube-scheduler.kubeconfig", "system:kube-scheduler", nil},
		{"kwok.kubeconfig", "kwok", []string{"system:masters"}},
	} {
		if err := a.kubeconfig(d.path(k.file), server, k.user, k.groups...); err != nil {
			return err
		}
	}
	return nil
}
