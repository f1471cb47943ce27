package unchanged

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/esock-go/esock/netconn"
	"github.com/esock-go/esock/netconn/ready"
)

// echoService has one method of each kind of stream.
var echoService = grpc.ServiceDesc{
	ServiceName: "esock.Echo",
	HandlerType: (*any)(nil),
	Methods:     []grpc.MethodDesc{{MethodName: "Once", Handler: once}},
	Streams: []grpc.StreamDesc{{StreamName: "All", ServerStreams: true, ClientStreams: true, Handler: func(_ any, s grpc.ServerStream) error {
		for {
			in := new(wrapperspb.BytesValue)
			if err := s.RecvMsg(in); err == io.EOF {
				return nil
			} else if err != nil {
				return err
			}
			if err := s.SendMsg(in); err != nil {
				return err
			}
		}
	}}},
}

func TestGRPC(t *testing.T) {
	row(t, "google.golang.org/grpc", "tcp4, tcp6, unix, and tcp4 with TLS: unary calls, 8 streams of 64 KiB messages, cancel, GracefulStop")
	for _, network := range []string{"tcp4", "tcp6", "unix", "tls"} {
		t.Run(network, func(t *testing.T) {
			var server []grpc.ServerOption
			creds := insecure.NewCredentials()
			l := listen(t, map[string]string{"tls": "tcp4"}[network]+map[bool]string{true: network}[network != "tls"])
			if network == "tls" {
				s, c := certificates(t, "h2")
				server, creds = append(server, grpc.Creds(credentials.NewTLS(s))), credentials.NewTLS(c)
			}
			to := dialer(l)
			calls(t, l, func(ctx context.Context, _ string) (net.Conn, error) { return to(ctx, "", "") }, server, creds)
		})
	}
}

func once(_ any, _ context.Context, dec func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	in := new(wrapperspb.BytesValue)
	return in, dec(in)
}

// noticed is a connection that counts the calls of gRPC's own way to read.
type noticed struct {
	*ready.Conn
	reads *atomic.Int64
}

func (n noticed) ReadOnReady(size int, pool mem.BufferPool) (*[]byte, int, error) {
	n.reads.Add(1)
	return n.Conn.ReadOnReady(size, pool)
}

type noticing struct {
	net.Listener
	reads *atomic.Int64
}

func (l noticing) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return noticed{c.(*ready.Conn), l.reads}, nil
}

func TestGRPCReadiness(t *testing.T) {
	row(t, "google.golang.org/grpc", "the same over tcp4 and unix with package netconn/ready: reads that take a buffer when data has come")
	for _, network := range []string{"tcp4", "unix"} {
		t.Run(network, func(t *testing.T) {
			l := listen(t, network)
			var server, client atomic.Int64
			dial := ready.Dialer(netconn.Dialer{})
			calls(t, noticing{ready.Listener(l), &server}, func(ctx context.Context, _ string) (net.Conn, error) {
				c, err := dial(ctx, l.Addr().String())
				if err != nil {
					return nil, err
				}
				return noticed{c.(*ready.Conn), &client}, nil
			}, nil, insecure.NewCredentials())
			assert.Positive(t, server.Load())
			assert.Positive(t, client.Load())
		})
	}
}

// calls makes calls of all kinds to a server on the listener.
func calls(t *testing.T, l net.Listener, dial func(context.Context, string) (net.Conn, error), options []grpc.ServerOption,
	creds credentials.TransportCredentials) {
	srv := grpc.NewServer(options...)
	srv.RegisterService(&echoService, nil)
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	cc, err := grpc.NewClient("passthrough:///localhost", grpc.WithTransportCredentials(creds),
		grpc.WithContextDialer(dial))
	require.NoError(t, err)
	defer cc.Close()
	for i := range 100 {
		in, out := wrapperspb.Bytes(fmt.Append(nil, i)), new(wrapperspb.BytesValue)
		require.NoError(t, cc.Invoke(background, "/esock.Echo/Once", in, out))
		require.Equal(t, in.Value, out.Value)
	}
	data, _ := content(64 << 10)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s, err := cc.NewStream(background, &echoService.Streams[0], "/esock.Echo/All")
			if !assert.NoError(t, err) {
				return
			}
			for range 50 {
				out := new(wrapperspb.BytesValue)
				assert.NoError(t, s.SendMsg(wrapperspb.Bytes(data)))
				assert.NoError(t, s.RecvMsg(out))
				assert.Equal(t, data, out.Value)
			}
			assert.NoError(t, s.CloseSend())
			assert.Equal(t, io.EOF, s.RecvMsg(new(wrapperspb.BytesValue)))
		})
	}
	wg.Wait()
	ctx, cancel := context.WithCancel(background)
	s, err := cc.NewStream(ctx, &echoService.Streams[0], "/esock.Echo/All")
	require.NoError(t, err)
	cancel()
	assert.Error(t, s.RecvMsg(new(wrapperspb.BytesValue)))
	require.NoError(t, cc.Close())
	srv.GracefulStop()
	assert.NoError(t, result(t, "the end of the server", done))
}
