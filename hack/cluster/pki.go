// SPDX-License-Identifier: Apache-2.0

// Keys and certificates of one instance: three authorities (cluster, etcd,
// front proxy), the certificates they sign and the service account key.
package main

import (
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
	"path/filepath"
	"time"
)

// pair is a certificate and its key, parsed and in PEM.
type pair struct {
	cert    *x509.Certificate
	key     crypto.Signer
	certPEM []byte
	keyPEM  []byte
}

// certSpec says what a certificate is for.
type certSpec struct {
	cn     string
	orgs   []string
	server bool
	client bool
}

// loopbackNames are the names a serving certificate answers to.
var loopbackNames = []string{
	"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
	"kubernetes.default.svc.cluster.local",
}

func loopbackIPs() []net.IP {
	return []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(10, 96, 0, 1)}
}

func newKey() (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	return key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), nil
}

// sign makes a certificate. With no parent it signs itself and is an authority.
func sign(tmpl *x509.Certificate, parent *pair) (*pair, error) {
	key, keyPEM, err := newKey()
	if err != nil {
		return nil, err
	}
	tmpl.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	tmpl.NotBefore = time.Now().Add(-time.Hour)
	tmpl.NotAfter = time.Now().AddDate(1, 0, 0)
	signer, issuer := crypto.Signer(key), tmpl
	if parent != nil {
		signer, issuer = parent.key, parent.cert
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, issuer, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &pair{cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), keyPEM}, nil
}

func newCA(cn string) (*pair, error) {
	return sign(&x509.Certificate{
		Subject:               pkix.Name{CommonName: cn},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature | x509.KeyUsageCRLSign,
	}, nil)
}

func (ca *pair) issue(s certSpec) (*pair, error) {
	tmpl := &x509.Certificate{
		Subject:  pkix.Name{CommonName: s.cn, Organization: s.orgs},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}
	if s.server {
		tmpl.ExtKeyUsage = append(tmpl.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
		tmpl.DNSNames = loopbackNames
		tmpl.IPAddresses = loopbackIPs()
	}
	if s.client {
		tmpl.ExtKeyUsage = append(tmpl.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	}
	return sign(tmpl, ca)
}

// writePKI fills dir/pki and writes the kubeconfigs beside it.
func writePKI(dir, server string) error {
	pki := filepath.Join(dir, "pki")
	if err := os.MkdirAll(pki, 0o700); err != nil {
		return err
	}
	write := func(name string, p *pair) error {
		if err := os.WriteFile(filepath.Join(pki, name+".crt"), p.certPEM, 0o600); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(pki, name+".key"), p.keyPEM, 0o600)
	}
	cas := map[string]*pair{}
	for _, name := range []string{"ca", "etcd-ca", "front-proxy-ca"} {
		p, err := newCA("steelyard-" + name)
		if err != nil {
			return err
		}
		if err := write(name, p); err != nil {
			return err
		}
		cas[name] = p
	}
	for _, c := range []struct {
		file, ca   string
		spec       certSpec
		kubeconfig string
	}{
		{file: "etcd", ca: "etcd-ca", spec: certSpec{cn: "etcd", server: true, client: true}},
		{file: "etcd-client", ca: "etcd-ca", spec: certSpec{cn: "kube-apiserver", client: true}},
		{file: "front-proxy-client", ca: "front-proxy-ca", spec: certSpec{cn: "front-proxy-client", client: true}},
		{file: "serving", ca: "ca", spec: certSpec{cn: "steelyard-cluster", server: true}},
		{file: "admin", ca: "ca", kubeconfig: "kubeconfig",
			spec: certSpec{cn: "admin", orgs: []string{"system:masters"}, client: true}},
		{file: "controller-manager", ca: "ca", kubeconfig: "controller-manager.kubeconfig",
			spec: certSpec{cn: "system:kube-controller-manager", client: true}},
		{file: "scheduler", ca: "ca", kubeconfig: "scheduler.kubeconfig",
			spec: certSpec{cn: "system:kube-scheduler", client: true}},
		// kwok stands for every kubelet at once. As one of system:masters it is
		// exempt from priority and fairness, so its thousands of leases do not
		// queue with the traffic under test.
		{file: "kwok", ca: "ca", kubeconfig: "kwok.kubeconfig",
			spec: certSpec{cn: "kwok", orgs: []string{"system:masters"}, client: true}},
	} {
		p, err := cas[c.ca].issue(c.spec)
		if err != nil {
			return err
		}
		if err := write(c.file, p); err != nil {
			return err
		}
		if c.kubeconfig != "" {
			text := kubeconfig(server, c.spec.cn, cas["ca"].certPEM, p)
			if err := os.WriteFile(filepath.Join(dir, c.kubeconfig), text, 0o600); err != nil {
				return err
			}
		}
	}
	key, keyPEM, err := newKey()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(pki, "service-account.key"), keyPEM, 0o600); err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(pki, "service-account.pub"),
		pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600)
}

func kubeconfig(server, user string, caPEM []byte, p *pair) []byte {
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters:
- name: steelyard
  cluster:
    server: %s
    certificate-authority-data: %s
users:
- name: %q
  user:
    client-certificate-data: %s
    client-key-data: %s
contexts:
- name: steelyard
  context:
    cluster: steelyard
    user: %q
current-context: steelyard
`, server, b64(caPEM), user, b64(p.certPEM), b64(p.keyPEM), user)
}
