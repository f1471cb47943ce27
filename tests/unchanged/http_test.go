package unchanged

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/netconn"
	"github.com/esock-go/esock/sockopt"
)

// site is what the servers of these tests serve.
func site(t testing.TB, file string) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	mux.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) })
	mux.HandleFunc("/wait", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	mux.HandleFunc("/hijack", func(w http.ResponseWriter, r *http.Request) {
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		defer c.Close()
		line, _ := rw.ReadString('\n')
		fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n%s", line)
	})
	return mux
}

// serve serves over the listener for the time of the test.
func serve(t testing.TB, srv *http.Server, l net.Listener, secure bool) {
	srv.ErrorLog = log.New(io.Discard, "", 0)
	done := make(chan error, 1)
	go func() {
		if secure {
			done <- srv.ServeTLS(l, "", "")
		} else {
			done <- srv.Serve(l)
		}
	}()
	t.Cleanup(func() {
		srv.Close()
		assert.ErrorIs(t, result(t, "the end of the server", done), http.ErrServerClosed)
	})
}

func clientOf(t testing.TB, tr *http.Transport) *http.Client {
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func fileWith(t testing.TB, b []byte) string {
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, b, 0o600))
	return path
}

// transfers moves a body there and back, a file, and a range of it.
func transfers(t *testing.T, client *http.Client, base string, data []byte) {
	resp, err := client.Post(base+"/echo", "application/octet-stream", bytes.NewReader(data))
	require.NoError(t, err)
	assert.Equal(t, sha256.Sum256(data), sumOf(t, resp.Body))
	resp.Body.Close()

	resp, err = client.Get(base + "/file")
	require.NoError(t, err)
	assert.Equal(t, sha256.Sum256(data), sumOf(t, resp.Body))
	resp.Body.Close()

	req, err := http.NewRequest("GET", base+"/file", nil)
	require.NoError(t, err)
	req.Header.Set("Range", "bytes=1000-200999")
	resp, err = client.Do(req)
	require.NoError(t, err)
	assert.Equal(t, http.StatusPartialContent, resp.StatusCode)
	assert.Equal(t, sha256.Sum256(data[1000:201000]), sumOf(t, resp.Body))
	resp.Body.Close()
}

// cancels gives up a request that waits.
func cancels(t *testing.T, client *http.Client, base string) {
	ctx, cancel := context.WithCancel(background)
	req, err := http.NewRequestWithContext(ctx, "GET", base+"/wait", nil)
	require.NoError(t, err)
	resp, err := client.Do(req)
	require.NoError(t, err)
	cancel()
	_, err = io.ReadAll(resp.Body)
	assert.ErrorIs(t, err, context.Canceled)
	resp.Body.Close()
}

func TestHTTP1(t *testing.T) {
	row(t, "std net/http", "HTTP/1.1 over tcp4, tcp6, unix: bodies, files (sendfile), ranges, 16 clients, cancel, Hijack")
	data, _ := content(4 << 20)
	for _, network := range []string{"tcp4", "tcp6", "unix"} {
		t.Run(network, func(t *testing.T) {
			l := listen(t, network)
			var sent atomic.Uint64
			serve(t, &http.Server{Handler: site(t, fileWith(t, data)), ConnState: func(c net.Conn, state http.ConnState) {
				if s, ok := netconn.SocketOf(c); ok && state == http.StateIdle {
					if f := s.Counters().SendFile; f != nil {
						sent.Add(f.Byte)
					}
				}
			}}, l, false)
			client := clientOf(t, &http.Transport{DialContext: dialer(l)})
			var wg sync.WaitGroup
			for range 16 {
				wg.Go(func() {
					for i := range 20 {
						body := fmt.Sprint("request ", i)
						resp, err := client.Post("http://localhost/echo", "text/plain", bytes.NewReader([]byte(body)))
						if !assert.NoError(t, err) {
							return
						}
						got, err := io.ReadAll(resp.Body)
						assert.NoError(t, err)
						assert.Equal(t, body, string(got))
						resp.Body.Close()
					}
				})
			}
			wg.Wait()
			transfers(t, client, "http://localhost", data)
			cancels(t, client, "http://localhost")
			assert.GreaterOrEqual(t, sent.Load(), uint64(len(data)), "files go by sendfile(2)")

			c, err := dialer(l)(background, "", "")
			require.NoError(t, err)
			defer c.Close()
			_, err = c.Write([]byte("GET /hijack HTTP/1.1\r\nHost: x\r\n\r\nafter the head\n"))
			require.NoError(t, err)
			r := bufio.NewReader(c)
			resp, err := http.ReadResponse(r, nil)
			require.NoError(t, err)
			assert.Equal(t, 101, resp.StatusCode)
			line, err := r.ReadString('\n')
			require.NoError(t, err)
			assert.Equal(t, "after the head\n", line)
		})
	}
}

func TestHTTP1Limits(t *testing.T) {
	row(t, "std net/http", "ReadHeaderTimeout, idle timeout, Shutdown with a request in progress, the socket in a handler")
	l := listen(t, "tcp4")
	inside, release := make(chan bool), make(chan bool)
	mux := http.NewServeMux()
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		inside <- true
		<-release
		c := r.Context().Value(connKey{}).(net.Conn)
		s, _ := netconn.SocketOf(c)
		info, err := sockopt.TCPInfo.Get(s)
		fmt.Fprint(w, err == nil && info.SndMSS > 0)
	})
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 50 * time.Millisecond, IdleTimeout: 50 * time.Millisecond,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) }}
	serve(t, srv, l, false)
	c, err := dialer(l)(background, "", "")
	require.NoError(t, err)
	_, err = c.Write([]byte("GET /slow HTTP/1.1\r\nHos"))
	require.NoError(t, err)
	_, err = io.ReadAll(c)
	require.NoError(t, err, "the server closes the connection")
	require.NoError(t, c.Close())

	client := clientOf(t, &http.Transport{DialContext: dialer(l)})
	answer := make(chan string, 1)
	go func() {
		resp, err := client.Get("http://localhost/slow")
		if err != nil {
			answer <- err.Error()
			return
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		answer <- string(b)
	}()
	result(t, "the request", inside)
	down := make(chan error, 1)
	go func() { down <- srv.Shutdown(background) }()
	for { // until the listener is closed
		c, err := dialer(l)(background, "", "")
		if err != nil {
			break
		}
		c.Close()
	}
	close(release)
	assert.Equal(t, "true", result(t, "the answer", answer))
	assert.NoError(t, result(t, "the end of Shutdown", down))
}

type connKey struct{}

func TestHTTP2(t *testing.T) {
	row(t, "std net/http", "HTTP/2 over TLS: bodies, files, ranges, 16 streams at once, cancel")
	data, _ := content(4 << 20)
	l := listen(t, "tcp4")
	server, trust := certificates(t)
	serve(t, &http.Server{Handler: site(t, fileWith(t, data)), TLSConfig: server}, l, true)
	client := clientOf(t, &http.Transport{DialContext: dialer(l), TLSClientConfig: trust, ForceAttemptHTTP2: true})
	resp, err := client.Get("https://localhost/none")
	require.NoError(t, err)
	resp.Body.Close()
	assert.Equal(t, 2, resp.ProtoMajor)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			resp, err := client.Post("https://localhost/echo", "text/plain", bytes.NewReader(data[:100000]))
			if assert.NoError(t, err) {
				assert.Equal(t, sha256.Sum256(data[:100000]), sumOf(t, resp.Body))
				resp.Body.Close()
			}
		})
	}
	wg.Wait()
	transfers(t, client, "https://localhost", data)
	cancels(t, client, "https://localhost")
}

func TestReverseProxy(t *testing.T) {
	row(t, "std net/http/httputil", "ReverseProxy between two servers: bodies, files, ranges, cancel, an upgraded connection")
	data, _ := content(1 << 20)
	back := listen(t, "unix")
	mux := site(t, fileWith(t, data))
	mux.HandleFunc("/upgrade", func(w http.ResponseWriter, r *http.Request) {
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		fmt.Fprint(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		rw.Flush()
		io.Copy(c, rw)
	})
	serve(t, &http.Server{Handler: mux}, back, false)
	tr := &http.Transport{DialContext: dialer(back)}
	t.Cleanup(tr.CloseIdleConnections)
	target, _ := url.Parse("http://backend")
	proxy := &httputil.ReverseProxy{Transport: tr, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ErrorLog: log.New(io.Discard, "", 0)}
	front := listen(t, "tcp4")
	serve(t, &http.Server{Handler: proxy}, front, false)
	client := clientOf(t, &http.Transport{DialContext: dialer(front)})
	transfers(t, client, "http://localhost", data)
	cancels(t, client, "http://localhost")

	req, err := http.NewRequest("GET", "http://localhost/upgrade", nil)
	require.NoError(t, err)
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "echo")
	resp, err := client.Do(req)
	require.NoError(t, err)
	require.Equal(t, 101, resp.StatusCode)
	rw := resp.Body.(io.ReadWriteCloser)
	_, err = rw.Write([]byte("through both"))
	require.NoError(t, err)
	buf := make([]byte, 12)
	_, err = io.ReadFull(rw, buf)
	require.NoError(t, err)
	assert.Equal(t, "through both", string(buf))
	rw.Close()
}

func TestDialOfHTTPReportsErrors(t *testing.T) {
	row(t, "std net/http", "a refused connection and one that the server resets, as the client reports them")
	l := listen(t, "tcp4")
	dial := dialer(l)
	require.NoError(t, l.Close())
	client := clientOf(t, &http.Transport{DialContext: dial})
	_, err := client.Get("http://localhost/")
	var op *net.OpError
	require.True(t, errors.As(err, &op), "%v", err)
	assert.Equal(t, "dial", op.Op)
}
