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

// security has the flags of TLS that both sides have.
type security struct {
	TLS  bool   `name:"tls" short:"c" help:"Use TLS."`
	Cert string `short:"C" placeholder:"FILE" help:"TLS: the certificate of this side, in PEM; listen needs one."`
	Key  string `short:"K" placeholder:"FILE" help:"TLS: the key of the certificate; by default, it is in the same file."`
	CA   string `name:"ca" short:"R" placeholder:"FILE" help:"TLS: the authorities that must have signed the certificate of the peer, in PEM. By default, connect asks those of the system, and listen asks for no certificate."`
}

// trust has the flags of TLS that only a client has.
type trust struct {
	Insecure bool   `help:"TLS: do not check the certificate of the server."`
	Name     string `name:"server-name" placeholder:"NAME" help:"TLS: the name that the certificate of the server must have; by default, the host."`
}

// check returns an error if the flags have no use.
func (t *trust) check(secure bool) error {
	switch {
	case t.Insecure && !secure:
		return needsTLS("insecure")
	case t.Name != "" && !secure:
		return needsTLS("server-name")
	}
	return nil
}

func needsTLS(flag string) error { return usagef("--%s: is for TLS, and --tls is missing", flag) }

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
	}{{"cert", s.Cert != ""}, {"key", s.Key != ""}, {"ca", s.CA != ""}} {
		if f.given {
			return needsTLS(f.name)
		}
	}
	return nil
}

// config reads the files.
func (s *security) config() (*tls.Config, error) {
	c := &tls.Config{}
	if s.Cert != "" {
		pair, err := readKeyPair(s.Cert, s.Key)
		if err != nil {
			return nil, err
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
func (c *connectCmd) client(ctx context.Context, st stream, config *tls.Config, host string) (link, error) {
	if !c.TLS {
		return st, nil
	}
	config.InsecureSkipVerify, config.ServerName = c.Insecure, cmp.Or(c.Name, host)
	w := newWire(st)
	l, err := shakeHands(ctx, w, tls.Client(w, config))
	var bad *tls.CertificateVerificationError
	if errors.As(err, &bad) {
		return nil, fmt.Errorf("the certificate of the server is not accepted: %w; --ca FILE names other authorities, and "+
			"--insecure accepts every certificate", bad.Err)
	}
	return l, err
}

// server begins TLS as the server, where it is used, within the time of --wait. With -k there always is a limit.
func (c *listenCmd) server(ctx context.Context, st stream, config *tls.Config) (link, error) {
	if !c.TLS {
		return st, nil
	}
	within, cancel := c.within(ctx)
	defer cancel()
	limit := c.wait()
	if limit == 0 && c.Keep {
		limit = handshakeTime
		within, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	w := newWire(st)
	l, err := shakeHands(within, w, tls.Server(w, config))
	if err != nil && within.Err() != nil && ctx.Err() == nil {
		return nil, fmt.Errorf("TLS: the client did not begin within %v", limit)
	}
	return l, err
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
