package tests

import (
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/machine"
)

func TestOpen(t *testing.T) {
	for name, c := range map[string]struct {
		d    esock.Domain
		typ  esock.Type
		p    esock.Protocol
		want esock.Protocol
		err  error
	}{
		"tcp by default":                    {esock.Inet, esock.Stream, esock.Default, esock.TCP, nil},
		"udp by default":                    {esock.Inet, esock.Dgram, esock.Default, esock.UDP, nil},
		"tcp over inet6":                    {esock.Inet6, esock.Stream, esock.TCP, esock.TCP, nil},
		"local stream":                      {esock.Local, esock.Stream, esock.Default, 0, nil},
		"local dgram":                       {esock.Local, esock.Dgram, esock.Default, 0, nil},
		"local seqpacket":                   {esock.Local, esock.SeqPacket, esock.Default, 0, nil},
		"domain by number":                  {esock.Domain(16), esock.Dgram, esock.Default, 0, nil}, // netlink
		"rdm, which inet does not have":     {err: syscall.ESOCKTNOSUPPORT, d: esock.Inet, typ: esock.RDM},
		"rdm, which local does not have":    {err: syscall.ESOCKTNOSUPPORT, d: esock.Local, typ: esock.RDM},
		"flags of socket(2) are no type":    {err: syscall.EINVAL, d: esock.Inet, typ: esock.Stream | syscall.SOCK_CLOEXEC},
		"negative type":                     {err: syscall.EINVAL, d: esock.Inet, typ: -1},
		"unknown type":                      {err: syscall.ESOCKTNOSUPPORT, d: esock.Inet, typ: 7},
		"unknown domain":                    {err: syscall.EAFNOSUPPORT, d: 9999, typ: esock.Stream},
		"negative domain":                   {err: syscall.EAFNOSUPPORT, d: -1, typ: esock.Stream},
		"protocol that does not fit type":   {err: syscall.EPROTONOSUPPORT, d: esock.Inet, typ: esock.Stream, p: esock.UDP},
		"protocol that does not fit domain": {err: syscall.EPROTONOSUPPORT, d: esock.Local, typ: esock.Stream, p: esock.TCP},
	} {
		t.Run(name, func(t *testing.T) {
			if c.d == esock.Inet6 {
				machine.NeedIPv6(t)
			}
			sameDescriptors(t)
			s, err := esock.Open(c.d, c.typ, c.p)
			if c.err != nil {
				assert.Nil(t, s)
				assert.ErrorIs(t, err, errorLike(c.err))
				var e *esock.Error
				require.ErrorAs(t, err, &e)
				assert.Equal(t, "open", e.Op)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.d, s.Domain())
			assert.Equal(t, c.typ, s.Type())
			assert.Equal(t, c.want, s.Protocol())
			i := s.Info()
			assert.False(t, i.FromFD)
			assert.Empty(t, i.RStates)
			assert.Empty(t, i.WStates)
			assert.NoError(t, s.Close())
		})
	}
}

// errorLike is what errors.Is compares an *InvalidError with: its kind.
func errorLike(err error) error {
	if i, ok := err.(*esock.InvalidError); ok {
		return &esock.InvalidError{What: i.What}
	}
	return err
}

func TestOpen_OwnerThatIsClosed(t *testing.T) {
	sameDescriptors(t)
	mb := esock.NewMailbox()
	require.NoError(t, mb.Close())
	s, err := esock.Open(esock.Inet, esock.Stream, esock.TCP, esock.Owner(mb))
	assert.Nil(t, s)
	assert.ErrorIs(t, err, &esock.InvalidError{What: "owner"})
}

// fdFlags are the descriptor's and its description's flags.
func fdFlags(t *testing.T, fd int) (cloexec, nonblock bool) {
	t.Helper()
	return fcntl(t, fd, syscall.F_GETFD)&syscall.FD_CLOEXEC != 0, fcntl(t, fd, syscall.F_GETFL)&syscall.O_NONBLOCK != 0
}

func fcntl(t *testing.T, fd, cmd int) int {
	t.Helper()
	r, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), uintptr(cmd), 0)
	require.Zero(t, errno)
	return int(r)
}

func TestEveryDescriptorIsBornCloexecAndNonblocking(t *testing.T) {
	check := func(what string, fd int) {
		cloexec, nonblock := fdFlags(t, fd)
		assert.True(t, cloexec, "%s: CLOEXEC", what)
		assert.True(t, nonblock, "%s: NONBLOCK", what)
	}
	l, addr := listener(t, 1)
	check("open", fdOf(t, l))
	c := dial(t, addr)
	a, err := l.Accept(esock.Within(patience))
	require.NoError(t, err)
	defer a.Close()
	check("accept", fdOf(t, a))
	check("adopt", fdOf(t, twin(t, c)))

	x, y := pair(t, esock.Dgram)
	var m esock.Msg
	require.NoError(t, m.SetControl(esock.Rights(fdOf(t, c))))
	m.Iov = [][]byte{{1}}
	_, err = x.SendMsg(&m, 0, esock.Forever)
	require.NoError(t, err)
	require.NoError(t, y.RecvMsg(&m, 0, esock.Forever))
	fds := m.TakeFDs()
	require.Len(t, fds, 1)
	check("received", fds[0])
	syscall.Close(fds[0])
}

// blockingPair is a socketpair as other programs make it: blocking.
func blockingPair(t *testing.T) (a, b int) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	t.Cleanup(func() { syscall.Close(fds[0]); syscall.Close(fds[1]) })
	return fds[0], fds[1]
}

func TestAdopt_DuplicateIsClosedAndTheOriginalStays(t *testing.T) {
	sameDescriptors(t)
	fd, peer := blockingPair(t)
	s, err := esock.Adopt(fd)
	require.NoError(t, err)
	i := s.Info()
	assert.True(t, i.FromFD)
	assert.Equal(t, fd, i.DupOf)
	assert.Equal(t, []string{"connected"}, i.WStates)
	assert.Equal(t, esock.Local, s.Domain())
	assert.Equal(t, esock.Stream, s.Type())
	assert.NotEqual(t, fd, fdOf(t, s))
	require.NoError(t, s.Close())
	_, err = syscall.Write(fd, []byte("still open"))
	require.NoError(t, err)
	n, err := syscall.Read(peer, make([]byte, 20))
	require.NoError(t, err)
	assert.Equal(t, 10, n)
}

func TestWithoutDupTheDescriptorIsGivenBackWithItsFlags(t *testing.T) {
	for _, waits := range []bool{false, true} {
		t.Run("waits="+strconv.FormatBool(waits), func(t *testing.T) {
			sameDescriptors(t)
			fd, peer := blockingPair(t)
			before := fcntl(t, fd, syscall.F_GETFL)
			s, err := esock.Adopt(fd, esock.NoDup())
			require.NoError(t, err)
			assert.Equal(t, fd, fdOf(t, s))
			assert.Equal(t, -1, s.Info().DupOf)
			assert.True(t, s.Info().FromFD)
			_, nonblock := fdFlags(t, fd)
			assert.True(t, nonblock)
			if waits { // then the runtime's poller has a duplicate
				got := recvStart(t, s, make([]byte, 1), esock.Forever, 1)
				_, err = syscall.Write(peer, []byte("x"))
				require.NoError(t, err)
				assert.Equal(t, outcome{1, nil}, result(t, got))
				mb := esock.NewMailbox()
				recvSelect(t, s, mb)
			}
			require.NoError(t, s.Close())
			assert.Equal(t, before, fcntl(t, fd, syscall.F_GETFL))
			_, err = syscall.Write(fd, []byte("open"))
			assert.NoError(t, err)
		})
	}
}

func TestAdopt_UnboundSocketIsNotConnected(t *testing.T) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	s := adopt(t, fd)
	assert.Equal(t, esock.UDP, s.Protocol())
	assert.Empty(t, s.Info().WStates)
}

func TestAdopt_Errors(t *testing.T) {
	sameDescriptors(t)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	f, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	defer f.Close()
	for name, c := range map[string]struct {
		fd   int
		opts []esock.OpenOption
		want error
	}{
		"bad descriptor":                  {-1, nil, syscall.EBADF},
		"no descriptor":                   {999, nil, syscall.EBADF},
		"no descriptor, without dup":      {999, []esock.OpenOption{esock.NoDup()}, syscall.EBADF},
		"no descriptor, taken":            {999, []esock.OpenOption{esock.TakeFD()}, syscall.EBADF},
		"bad descriptor, everything told": {1 << 20, []esock.OpenOption{esock.KnownAs(esock.Inet, esock.Stream, esock.TCP)}, syscall.EBADF},
		"bad descriptor without dup": {1 << 20, []esock.OpenOption{esock.NoDup(),
			esock.KnownAs(esock.Inet, esock.Stream, esock.TCP)}, syscall.EBADF},
		"no socket":              {int(r.Fd()), nil, syscall.ENOTSOCK},
		"no socket, without dup": {int(r.Fd()), []esock.OpenOption{esock.NoDup()}, syscall.ENOTSOCK},
		"a file":                 {int(f.Fd()), []esock.OpenOption{esock.TakeFD()}, syscall.ENOTSOCK},
		"a file, half told":      {int(f.Fd()), []esock.OpenOption{esock.KnownAs(esock.Inet, -1, -1)}, syscall.ENOTSOCK},
		"a file, all told": {int(f.Fd()), []esock.OpenOption{esock.NoDup(),
			esock.KnownAs(esock.Inet, esock.Stream, esock.TCP)}, syscall.ENOTSOCK},
		"a pipe, all told": {int(r.Fd()), []esock.OpenOption{esock.KnownAs(esock.Local, esock.Stream, 0)}, syscall.ENOTSOCK},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := esock.Adopt(c.fd, c.opts...)
			assert.Nil(t, s)
			assert.ErrorIs(t, err, c.want)
		})
	}
}

func TestOpenNetNS_Errors(t *testing.T) {
	sameDescriptors(t)
	_, err := esock.Open(esock.Inet, esock.Stream, esock.TCP, esock.NetNS("/nowhere/at/all"))
	assert.ErrorIs(t, err, syscall.ENOENT)
	_, err = esock.Open(esock.Inet, esock.Stream, esock.TCP, esock.NetNS("/proc/self/status"))
	assert.Error(t, err, "no namespace")
	_, err = esock.Open(esock.Inet, esock.Stream, esock.TCP, esock.NetNS("/bad\x00path"))
	assert.Error(t, err)
}

// namespace makes a network namespace, and gives its path.
func namespace(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a network namespace needs CAP_SYS_ADMIN")
	}
	name := "esock-test-" + strconv.Itoa(os.Getpid())
	if out, err := exec.Command("ip", "netns", "add", name).CombinedOutput(); err != nil {
		t.Skipf("ip netns add: %v: %s", err, out)
	}
	t.Cleanup(func() { exec.Command("ip", "netns", "del", name).Run() })
	return "/run/netns/" + name
}

// netnsOf names the network namespace of a socket.
func netnsOf(t *testing.T, s *esock.Socket) uint64 {
	t.Helper()
	inode, err := machine.NetNSOf(s.FD())
	require.NoError(t, err)
	return inode
}
