package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// security has the flags of TLS.
type security struct {
	TLS      bool   `name:"tls" short:"c" help:"Use TLS."`
	Cert     string `short:"C" placeholder:"FILE" help:"TLS: the certificate of this side, in PEM; listen needs one."`
	Key      string `short:"K" placeholder:"FILE" help:"TLS: the key of the certificate; by default, it is in the same file."`
	CA       string `name:"ca" short:"R" placeholder:"FILE" help:"TLS: the authorities that must have signed the certificate of the peer; by default, those of the system. With listen, clients must have a certificate."`
	Insecure bool   `help:"TLS: do not check the certificate of the server."`
	Name     string `name:"server-name" placeholder:"NAME" help:"TLS: the name that the certificate of the server must have; by default, the host."`
}

// check returns what is wrong with flags that are right one by one.
func (s *security) check() error {
	if s.TLS {
		if s.Key != "" && s.Cert == "" {
			return usagef("--key: belongs to a certificate, and --cert is missing")
		}
		return nil
	}
	for _, f := range []struct {
		name  string
		given bool
	}{{"cert", s.Cert != ""}, {"key", s.Key != ""}, {"ca", s.CA != ""}, {"insecure", s.Insecure}, {"server-name", s.Name != ""}} {
		if f.given {
			return usagef("--%s: is for TLS, and --tls is missing", f.name)
		}
	}
	return nil
}

// config reads the files.
func (s *security) config() (*tls.Config, error) {
	c := &tls.Config{InsecureSkipVerify: s.Insecure}
	if s.Cert != "" {
		pair, err := tls.LoadX509KeyPair(s.Cert, cmp.Or(s.Key, s.Cert))
		var missing *os.PathError
		switch {
		case errors.As(err, &missing) && missing.Path == s.Key:
			return nil, fmt.Errorf("--key: %w", err)
		case err != nil:
			return nil, fmt.Errorf("--cert: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	if s.CA != "" {
		pem, err := os.ReadFile(s.CA)
		if err != nil {
			return nil, fmt.Errorf("--ca: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--ca: %s has no certificate in PEM", s.CA)
		}
		c.RootCAs, c.ClientCAs, c.ClientAuth = pool, pool, tls.RequireAndVerifyClientCert
	}
	return c, nil
}

// client begins TLS as the client, where it is used.
func (s *security) client(ctx context.Context, st stream, config *tls.Config, host string) (link, error) {
	if !s.TLS {
		return st, nil
	}
	config = config.Clone()
	config.ServerName = cmp.Or(s.Name, host)
	w := newWire(st)
	l, err := shakeHands(ctx, w, tls.Client(w, config))
	var bad *tls.CertificateVerificationError
	if errors.As(err, &bad) {
		return nil, fmt.Errorf("the certificate of the server is not accepted: %w; --ca FILE names other authorities, and "+
			"--insecure accepts every certificate", bad.Err)
	}
	return l, err
}

// server begins TLS as the server, where it is used.
func (s *security) server(ctx context.Context, st stream, config *tls.Config) (link, error) {
	if !s.TLS {
		return st, nil
	}
	w := newWire(st)
	return shakeHands(ctx, w, tls.Server(w, config))
}

func shakeHands(ctx context.Context, w *wire, c *tls.Conn) (link, error) {
	if err := c.HandshakeContext(ctx); err != nil {
		w.Close()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("TLS: %w", err)
	}
	return secured{c, w}, nil
}
