package unchanged

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/coder/websocket"
	"github.com/hashicorp/yamux"
	"github.com/miekg/dns"
	proxyproto "github.com/pires/go-proxyproto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"
	"golang.org/x/crypto/ssh"

	"github.com/esock-go/esock/netconn"
)

func TestDNS(t *testing.T) {
	row(t, "github.com/miekg/dns", "a server and clients over udp4, udp6 and tcp4: 200 questions each")
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.Answer = []dns.RR{&dns.TXT{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET},
			Txt: []string{w.RemoteAddr().Network()}}}
		w.WriteMsg(m)
	})
	ask := func(t *testing.T, c *dns.Conn, want string) {
		defer c.Close()
		client := new(dns.Client)
		for range 200 {
			q := new(dns.Msg).SetQuestion("esock.example.", dns.TypeTXT)
			r, _, err := client.ExchangeWithConn(q, c)
			require.NoError(t, err)
			require.Equal(t, []string{want}, r.Answer[0].(*dns.TXT).Txt)
		}
	}
	run := func(t *testing.T, srv *dns.Server) {
		started, done := make(chan bool, 1), make(chan error, 1)
		srv.Handler = handler
		srv.NotifyStartedFunc = func() { started <- true }
		go func() { done <- srv.ActivateAndServe() }()
		result(t, "the server", started)
		t.Cleanup(func() {
			assert.NoError(t, srv.Shutdown())
			assert.NoError(t, result(t, "the end of the server", done))
		})
	}
	for _, network := range []string{"udp4", "udp6"} {
		t.Run(network, func(t *testing.T) {
			pc := packets(t, network)
			run(t, &dns.Server{PacketConn: pc})
			c, err := dialTo(network, pc.LocalAddr())
			require.NoError(t, err)
			ask(t, &dns.Conn{Conn: c}, "udp")
		})
	}
	t.Run("tcp4", func(t *testing.T) {
		l := listen(t, "tcp4")
		run(t, &dns.Server{Listener: l, MaxTCPQueries: -1})
		c, err := dialer(l)(background, "", "")
		require.NoError(t, err)
		ask(t, &dns.Conn{Conn: c}, "tcp")
	})
}

func TestSSH(t *testing.T) {
	row(t, "golang.org/x/crypto", "ssh: a session with 4 MiB through it, a forwarded connection")
	_, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	signer, err := ssh.NewSignerFromKey(key)
	require.NoError(t, err)
	config := &ssh.ServerConfig{NoClientAuth: true}
	config.AddHostKey(signer)
	a, b := connected(t, "tcp4")
	done := make(chan bool, 1)
	go func() {
		defer func() { done <- true }()
		sc, channels, requests, err := ssh.NewServerConn(b, config)
		if !assert.NoError(t, err) {
			return
		}
		go ssh.DiscardRequests(requests)
		var wg sync.WaitGroup
		for nc := range channels {
			ch, reqs, err := nc.Accept()
			if !assert.NoError(t, err) {
				return
			}
			wg.Go(func() {
				for r := range reqs {
					r.Reply(true, nil)
				}
			})
			wg.Go(func() {
				io.Copy(ch, ch)
				if nc.ChannelType() == "session" {
					ch.SendRequest("exit-status", false, []byte{0, 0, 0, 0})
				}
				ch.Close()
			})
		}
		wg.Wait()
		sc.Close()
	}()
	cc, channels, requests, err := ssh.NewClientConn(a, "localhost", &ssh.ClientConfig{User: "x", HostKeyCallback: ssh.FixedHostKey(signer.PublicKey())})
	require.NoError(t, err)
	client := ssh.NewClient(cc, channels, requests)
	data, sum := content(4 << 20)
	session, err := client.NewSession()
	require.NoError(t, err)
	var out bytes.Buffer
	session.Stdin, session.Stdout = bytes.NewReader(data), &out
	require.NoError(t, session.Run("echo"))
	assert.Equal(t, sum, sha256.Sum256(out.Bytes()))
	fwd, err := client.Dial("tcp", "inside:1")
	require.NoError(t, err)
	_, err = fwd.Write([]byte("forwarded"))
	require.NoError(t, err)
	buf := make([]byte, 9)
	_, err = io.ReadFull(fwd, buf)
	require.NoError(t, err)
	assert.Equal(t, "forwarded", string(buf))
	fwd.Close()
	client.Close()
	result(t, "the end of the server", done)
}

func TestYamux(t *testing.T) {
	row(t, "github.com/hashicorp/yamux", "tcp4 and unix: 16 streams at once, 1 MiB each there and back, ping")
	for _, network := range []string{"tcp4", "unix"} {
		t.Run(network, func(t *testing.T) {
			a, b := connected(t, network)
			config := yamux.DefaultConfig()
			config.LogOutput = io.Discard
			s, err := yamux.Server(b, config)
			require.NoError(t, err)
			defer s.Close()
			c, err := yamux.Client(a, config)
			require.NoError(t, err)
			defer c.Close()
			var server sync.WaitGroup
			server.Go(func() {
				for {
					st, err := s.AcceptStream()
					if err != nil {
						return
					}
					server.Go(func() { io.Copy(st, st); st.Close() })
				}
			})
			_, err = c.Ping()
			require.NoError(t, err)
			data, sum := content(1 << 20)
			var wg sync.WaitGroup
			for range 16 {
				wg.Go(func() {
					st, err := c.OpenStream()
					if !assert.NoError(t, err) {
						return
					}
					wg.Go(func() { st.Write(data) })
					assert.Equal(t, sum, sumOf(t, io.LimitReader(st, int64(len(data)))))
					st.Close()
				})
			}
			wg.Wait()
			c.Close()
			server.Wait()
		})
	}
}

func TestWebSocket(t *testing.T) {
	row(t, "github.com/coder/websocket", "tcp4 and TLS: messages up to 1 MiB there and back, close")
	for _, secure := range []bool{false, true} {
		t.Run(map[bool]string{false: "plain", true: "tls"}[secure], func(t *testing.T) {
			l := listen(t, "tcp4")
			server, trust := certificates(t)
			var handlers sync.WaitGroup
			serve(t, &http.Server{TLSConfig: server, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				handlers.Add(1)
				defer handlers.Done()
				c, err := websocket.Accept(w, r, nil)
				if err != nil {
					return
				}
				defer c.CloseNow()
				c.SetReadLimit(2 << 20)
				for {
					typ, b, err := c.Read(background)
					if err != nil || c.Write(background, typ, b) != nil {
						return
					}
				}
			})}, l, secure)
			client := clientOf(t, &http.Transport{DialContext: dialer(l), TLSClientConfig: trust})
			c, _, err := websocket.Dial(background, map[bool]string{false: "ws", true: "wss"}[secure]+"://localhost/", &websocket.DialOptions{HTTPClient: client})
			require.NoError(t, err)
			defer c.CloseNow()
			c.SetReadLimit(2 << 20)
			for _, size := range []int{0, 1, 125, 126, 1 << 16, 1 << 20} {
				data, _ := content(size)
				require.NoError(t, c.Write(background, websocket.MessageBinary, data))
				_, got, err := c.Read(background)
				require.NoError(t, err)
				require.True(t, bytes.Equal(data, got))
			}
			require.NoError(t, c.Close(websocket.StatusNormalClosure, ""))
			handlers.Wait()
		})
	}
}

func TestFastHTTP(t *testing.T) {
	row(t, "github.com/valyala/fasthttp", "tcp4 and unix: 16 clients, 1 MiB bodies, a file (sendfile), Shutdown")
	data, sum := content(1 << 20)
	file := fileWith(t, data)
	for _, network := range []string{"tcp4", "unix"} {
		t.Run(network, func(t *testing.T) {
			l := listen(t, network)
			srv := &fasthttp.Server{MaxRequestBodySize: 2 << 20, CloseOnShutdown: true, Handler: func(ctx *fasthttp.RequestCtx) {
				if string(ctx.Path()) == "/file" {
					ctx.SendFile(file)
					return
				}
				ctx.Write(ctx.PostBody())
			}}
			done := make(chan error, 1)
			go func() { done <- srv.Serve(l) }()
			client := &fasthttp.Client{Dial: func(string) (net.Conn, error) { return dialer(l)(background, "", "") }}
			get := func(path string, body []byte) [32]byte {
				req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
				defer fasthttp.ReleaseRequest(req)
				defer fasthttp.ReleaseResponse(resp)
				req.SetRequestURI("http://localhost" + path)
				if body != nil {
					req.Header.SetMethod("POST")
					req.SetBody(body)
				}
				assert.NoError(t, client.Do(req, resp))
				return sha256.Sum256(resp.Body())
			}
			var wg sync.WaitGroup
			for i := range 16 {
				wg.Go(func() {
					for range 20 {
						body := fmt.Append(nil, "request ", i)
						assert.Equal(t, sha256.Sum256(body), get("/", body))
					}
				})
			}
			wg.Wait()
			assert.Equal(t, sum, get("/", data))
			assert.Equal(t, sum, get("/file", nil))
			client.CloseIdleConnections()
			require.NoError(t, srv.Shutdown())
			assert.NoError(t, result(t, "the end of the server", done))
		})
	}
}

func TestProxyProtocol(t *testing.T) {
	row(t, "github.com/pires/go-proxyproto", "versions 1 and 2: the peer's address from the header, and without one")
	for version := byte(0); version <= 2; version++ {
		t.Run(fmt.Sprint("version ", version), func(t *testing.T) {
			l := &proxyproto.Listener{Listener: listen(t, "tcp4"), ConnPolicy: func(proxyproto.ConnPolicyOptions) (proxyproto.Policy, error) {
				return proxyproto.USE, nil
			}}
			c, err := dialer(l.Listener)(background, "", "")
			require.NoError(t, err)
			defer c.Close()
			want := c.LocalAddr().String()
			if version > 0 {
				from, to := &net.TCPAddr{IP: net.IPv4(10, 1, 1, 1), Port: 1000}, &net.TCPAddr{IP: net.IPv4(20, 2, 2, 2), Port: 2000}
				_, err = proxyproto.HeaderProxyFromAddrs(version, from, to).WriteTo(c)
				require.NoError(t, err)
				want = from.String()
			}
			_, err = c.Write([]byte("hello\n"))
			require.NoError(t, err)
			a, err := l.Accept()
			require.NoError(t, err)
			defer a.Close()
			line, err := bufio.NewReader(a).ReadString('\n')
			require.NoError(t, err)
			assert.Equal(t, "hello\n", line)
			assert.Equal(t, want, a.RemoteAddr().String())
		})
	}
}

// dialTo dials an address.
func dialTo(network string, to net.Addr) (net.Conn, error) {
	return netconn.Dialer{}.DialContext(background, network, to.String())
}
