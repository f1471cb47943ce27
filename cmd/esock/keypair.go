package main

import (
	"crypto/tls"
	"fmt"
	"os"
	"strings"
)

// readKeyPair reads a certificate, and the chain that it needs, from the file of --cert, and its private key from that of
// --key; without it, both are in one file. An error names the flag at fault.
func readKeyPair(certFile, keyFile string) (pair tls.Certificate, err error) {
	cert, err := os.ReadFile(certFile)
	if err != nil {
		return pair, fmt.Errorf("--cert: %w", err)
	}
	key := cert
	if keyFile != "" {
		if key, err = os.ReadFile(keyFile); err != nil {
			return pair, fmt.Errorf("--key: %w", err)
		}
	}
	if pair, err = tls.X509KeyPair(cert, key); err == nil {
		return pair, nil
	}
	// crypto/tls tells in words alone which of the two is wrong.
	text := strings.TrimPrefix(err.Error(), "tls: ")
	switch aboutKey := strings.Contains(text, "key") && !strings.Contains(text, "certificate input"); {
	case aboutKey && keyFile == "":
		return pair, fmt.Errorf("--cert: %s has no private key that belongs to it; --key names another file", certFile)
	case aboutKey:
		return pair, fmt.Errorf("--key: %s cannot be used: %s", keyFile, text)
	}
	return pair, fmt.Errorf("--cert: %s cannot be used: %s", certFile, text)
}
