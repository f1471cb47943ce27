package tests

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/testint"
	"github.com/esock-go/esock/sockopt"
)

// A namespace that cannot be entered is an error that has the path and the reason.
func TestNetNSErrorsNameThePath(t *testing.T) {
	sameDescriptors(t)
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	require.NoError(t, os.WriteFile(plain, nil, 0o600))
	require.NoError(t, os.Symlink("loop", filepath.Join(dir, "loop")))
	own := fmt.Sprintf("/proc/self/task/%d/ns/", os.Getpid())
	for path, want := range map[string]error{
		filepath.Join(dir, "nothing"): syscall.ENOENT,
		filepath.Join(plain, "below"): syscall.ENOTDIR,
		filepath.Join(dir, "loop"):    syscall.ELOOP,
		filepath.Join(dir, long(300)): syscall.ENAMETOOLONG,
		plain:                         syscall.EINVAL,
		dir:                           syscall.EINVAL,
		"/proc/self/status":           syscall.EINVAL,
		own + "uts":                   syscall.EINVAL,
		own + "mnt":                   syscall.EINVAL,
		"/proc/self/ns/user":          syscall.EINVAL,
		"/proc/self/ns/nothing":       syscall.ENOENT,
	} {
		s, err := esock.Open(esock.Inet, esock.Stream, esock.TCP, esock.NetNS(path))
		assert.Nil(t, s)
		assert.ErrorIs(t, err, want, path)
		assert.ErrorContains(t, err, path)
		var invalid *esock.InvalidError
		if want == syscall.EINVAL {
			require.ErrorAs(t, err, &invalid)
			assert.Equal(t, &esock.InvalidError{What: "netns", Value: path, Cause: "the file is not a network namespace"}, invalid)
			continue
		}
		assert.NotErrorAs(t, err, &invalid, path)
		var named *fs.PathError
		require.ErrorAs(t, err, &named)
		assert.Equal(t, path, named.Path)
		assert.ErrorContains(t, err, want.Error())
	}
}

func long(n int) string { return fmt.Sprintf("%0*d", n, 0) }

// What is no fault of the file's does not name it: the socket's own errors are as anywhere else.
func TestNetNSErrorsOfTheSocketAreItsOwn(t *testing.T) {
	path := namespace(t)
	_, here := esock.Open(esock.Inet, esock.Stream, esock.UDP)
	_, there := esock.Open(esock.Inet, esock.Stream, esock.UDP, esock.NetNS(path))
	assert.ErrorIs(t, there, syscall.EPROTONOSUPPORT)
	assert.EqualError(t, there, here.Error())
}

// Without CAP_SYS_ADMIN the error says that it is needed. The process is another one, without.
func TestNetNSWithoutPrivilege(t *testing.T) {
	if path := os.Getenv("ESOCK_TEST_NETNS"); path != "" {
		runtime.LockOSThread() // the namespace is looked for by other threads, which have no privilege either
		_, err := esock.Open(esock.Inet, esock.Stream, esock.TCP, esock.NetNS(path))
		assert.ErrorIs(t, err, syscall.EPERM)
		assert.ErrorContains(t, err, path)
		assert.ErrorContains(t, err, "CAP_SYS_ADMIN")
		return
	}
	path := namespace(t)
	self, err := os.Open("/proc/self/exe") // whatever directories it is in
	require.NoError(t, err)
	defer self.Close()
	cmd := exec.Command("/proc/self/fd/3", "-test.run=^TestNetNSWithoutPrivilege$", "-test.timeout=60s")
	cmd.ExtraFiles = []*os.File{self}
	cmd.Env = append(os.Environ(), "ESOCK_TEST_NETNS="+path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	cmd.Dir = "/"
	out, err := cmd.CombinedOutput()
	assert.NoError(t, err, "%s", out)
}

// An option that the function would ignore is refused, and the descriptor stays as it was.
func TestOptionsOfAnotherFunctionAreRefused(t *testing.T) {
	sameDescriptors(t)
	fd, _ := blockingPair(t)
	before := fcntl(t, fd, syscall.F_GETFL)
	type refused struct {
		adopt bool
		opts  []esock.OpenOption
		says  string
	}
	cases := map[string]refused{
		"Adopt, NetNS":         {true, []esock.OpenOption{esock.NetNS("/proc/self/ns/net")}, "NetNS is for Open"},
		"Adopt, NetNS, no way": {true, []esock.OpenOption{esock.NetNS("/nowhere"), esock.TakeFD()}, "NetNS is for Open"},
		"Adopt, two ways":      {true, []esock.OpenOption{esock.NoDup(), esock.TakeFD()}, "exclude each other"},
		"Adopt, two ways back": {true, []esock.OpenOption{esock.TakeFD(), esock.Debug(false), esock.NoDup()}, "exclude each other"},
		"Open, NoDup":          {false, []esock.OpenOption{esock.NoDup()}, "NoDup is for Adopt"},
		"Open, TakeFD":         {false, []esock.OpenOption{esock.Registered(true), esock.TakeFD()}, "TakeFD is for Adopt"},
		"Open, KnownAs":        {false, []esock.OpenOption{esock.KnownAs(esock.Inet, esock.Stream, esock.TCP)}, "KnownAs is for Adopt"},
	}
	for _, n := range testint.Wide() {
		cases["Adopt, no C ints"] = refused{true, []esock.OpenOption{esock.KnownAs(esock.Domain(n), 0, 0)}, "C ints"}
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var s *esock.Socket
			var err error
			if c.adopt {
				s, err = esock.Adopt(fd, c.opts...)
			} else {
				s, err = sockopt.KindTCP4.Open(c.opts...)
			}
			assert.Nil(t, s)
			assert.ErrorIs(t, err, &esock.InvalidError{What: "options"})
			assert.ErrorContains(t, err, c.says)
			assert.Equal(t, before, fcntl(t, fd, syscall.F_GETFL))
		})
	}
	// The empty path asks for nothing, and one way may be said twice.
	s, err := esock.Adopt(fd, esock.NetNS(""), esock.NoDup(), esock.NoDup())
	require.NoError(t, err)
	assert.NoError(t, s.Close())
}

// Options are functions: called with nothing they do nothing.
func TestOptionsSurviveNil(t *testing.T) {
	for i, o := range []esock.OpenOption{esock.NetNS("x"), esock.Owner(nil), esock.Debug(true), esock.Registered(true),
		esock.NoDup(), esock.TakeFD(), esock.KnownAs(0, 0, 0)} {
		assert.NotPanics(t, func() { o(nil) }, i)
	}
}
