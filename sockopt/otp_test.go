package sockopt

import (
	"net"
	"testing"
	"time"

	"github.com/esock-go/esock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOTPOptionsReadBackWhatWasSet(t *testing.T) {
	s, _ := pair(t, esock.Stream)
	for _, c := range []struct {
		name     string
		set, get any
	}{
		{"debug", false, false},
		{"iow", true, true},
		{"select_read", true, true},
		{"meta", "cookie", "cookie"},
		{"rcvbuf", 100, 100},
		{"rcvbuf", esock.RcvBuf{N: 3, Size: 50}, esock.RcvBuf{N: 3, Size: 50}},
		{"rcvbuf", esock.RcvBuf{N: 3}, esock.RcvBuf{N: 3, Size: esock.DefaultRcvBuf}},
		{"rcvbuf", []any{2.0, 64.0}, esock.RcvBuf{N: 2, Size: 64}}, // as JSON has it
		{"rcvbuf", []any{2.0, "default"}, esock.RcvBuf{N: 2, Size: esock.DefaultRcvBuf}},
		{"rcvbuf", 70.0, 70},
		{"rcvbuf", "default", esock.DefaultRcvBuf},
		{"rcvctrlbuf", 77, 77},
		{"rcvctrlbuf", "default", esock.DefaultRcvCtrlBuf},
		{"sndctrlbuf", 78, 78},
		{"sndctrlbuf", "default", esock.DefaultSndCtrlBuf},
		{"spin", 5 * time.Microsecond, 5 * time.Microsecond},
		{"spin", "7µs", 7 * time.Microsecond},
		{"use_registry", true, true},
	} {
		require.NoError(t, Set(s, "otp", c.name, c.set), "%s %v", c.name, c.set)
		got, err := Get(s, "otp", c.name)
		require.NoError(t, err)
		assert.Equal(t, c.get, got, c.name)
	}
	fd, err := Get(s, "otp", "fd")
	assert.NoError(t, err)
	assert.Positive(t, fd)
	domain, err := Get(s, "otp", "domain")
	assert.NoError(t, err)
	assert.Equal(t, esock.Local, domain)
}

func TestOTPOptionsRefuse(t *testing.T) {
	s, _ := pair(t, esock.Stream)
	for name, values := range map[string][]any{
		"debug":               {1, "true", nil},
		"iow":                 {0},
		"select_read":         {"yes"},
		"use_registry":        {false, 1},
		"rcvbuf":              {0, -1, "big", esock.RcvBuf{N: -1}, esock.RcvBuf{N: 1, Size: -1}, []any{1}, []any{0, 5}, int64(1 << 40), 1.5},
		"rcvctrlbuf":          {0, nil},
		"sndctrlbuf":          {-5},
		"spin":                {-time.Second, "soon", 5},
		"fd":                  {3},
		"domain":              {esock.Inet},
		"controlling_process": {"me"},
		"nonsense":            {1},
	} {
		for _, v := range values {
			err := Set(s, "otp", name, v)
			assert.ErrorIs(t, err, &esock.InvalidError{What: "socket_option"}, "%s %v", name, v)
		}
	}
	_, err := Get(s, "otp", "nonsense")
	assert.ErrorIs(t, err, &esock.InvalidError{What: "socket_option"})
}

func TestOTPOptionErrorsNameTheOperationAndTheSocket(t *testing.T) {
	s, _ := pair(t, esock.Stream)
	get := func(name string) error { _, err := Get(s, "otp", name); return err }
	set := func(name string, v any) error { return Set(s, "otp", name, v) }
	check := func(op string, reason, err error) {
		t.Helper()
		var e *esock.Error
		if assert.ErrorAs(t, err, &e) {
			assert.Equal(t, op, e.Op)
			assert.Same(t, s, e.Socket)
			assert.ErrorIs(t, err, reason)
		}
	}
	invalid := &esock.InvalidError{What: "socket_option"}
	check("getopt", invalid, get("nonsense"))
	check("setopt", invalid, set("nonsense", 1))
	check("setopt", invalid, set("rcvbuf", "big"))
	check("setopt", invalid, set("fd", 3))
	require.NoError(t, set("controlling_process", esock.NewMailbox()))
	check("controlling_process", &esock.InvalidError{What: "not_owner"}, set("controlling_process", esock.NewMailbox()))
	require.NoError(t, s.Close())
	check("getopt", net.ErrClosed, get("rcvbuf"))
	check("setopt", net.ErrClosed, set("rcvbuf", 10))
	check("controlling_process", net.ErrClosed, set("controlling_process", esock.NewMailbox()))
}

func TestOTPOptionsOfAClosedSocket(t *testing.T) {
	s, _ := pair(t, esock.Stream)
	require.NoError(t, Set(s, "otp", "meta", "secret"))
	require.NoError(t, s.Close())
	for _, name := range []string{"rcvbuf", "meta", "fd"} {
		_, err := Get(s, "otp", name)
		assert.ErrorIs(t, err, net.ErrClosed)
	}
	assert.ErrorIs(t, Set(s, "otp", "meta", 1), net.ErrClosed)
	registered, err := Get(s, "otp", "use_registry")
	assert.NoError(t, err)
	assert.Equal(t, true, registered)
	assert.Nil(t, s.Meta(), "the cookie is let go")
}
