package esock

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOTPOptionsReadBackWhatWasSet(t *testing.T) {
	s, _ := pair(t, Stream)
	for _, c := range []struct {
		name     string
		set, get any
	}{
		{"debug", false, false},
		{"iow", true, true},
		{"select_read", true, true},
		{"meta", "cookie", "cookie"},
		{"rcvbuf", 100, 100},
		{"rcvbuf", RcvBuf{N: 3, Size: 50}, RcvBuf{N: 3, Size: 50}},
		{"rcvbuf", RcvBuf{N: 3}, RcvBuf{N: 3, Size: DefaultRcvBuf}},
		{"rcvbuf", []any{2.0, 64.0}, RcvBuf{N: 2, Size: 64}}, // as JSON has it
		{"rcvbuf", []any{2.0, "default"}, RcvBuf{N: 2, Size: DefaultRcvBuf}},
		{"rcvbuf", 70.0, 70},
		{"rcvbuf", "default", DefaultRcvBuf},
		{"rcvctrlbuf", 77, 77},
		{"rcvctrlbuf", "default", DefaultRcvCtrlBuf},
		{"sndctrlbuf", 78, 78},
		{"sndctrlbuf", "default", DefaultSndCtrlBuf},
		{"spin", 5 * time.Microsecond, 5 * time.Microsecond},
		{"spin", "7µs", 7 * time.Microsecond},
		{"use_registry", true, true},
	} {
		require.NoError(t, s.SetOption("otp", c.name, c.set), "%s %v", c.name, c.set)
		got, err := s.Option("otp", c.name)
		require.NoError(t, err)
		assert.Equal(t, c.get, got, c.name)
	}
	fd, err := s.Option("otp", "fd")
	assert.NoError(t, err)
	assert.Positive(t, fd)
	domain, err := s.Option("otp", "domain")
	assert.NoError(t, err)
	assert.Equal(t, Local, domain)
}

func TestOTPOptionsRefuse(t *testing.T) {
	s, _ := pair(t, Stream)
	for name, values := range map[string][]any{
		"debug":               {1, "true", nil},
		"iow":                 {0},
		"select_read":         {"yes"},
		"use_registry":        {false, 1},
		"rcvbuf":              {0, -1, "big", RcvBuf{N: -1}, RcvBuf{N: 1, Size: -1}, []any{1}, []any{0, 5}, 1 << 40, 1.5},
		"rcvctrlbuf":          {0, nil},
		"sndctrlbuf":          {-5},
		"spin":                {-time.Second, "soon", 5},
		"fd":                  {3},
		"domain":              {Inet},
		"controlling_process": {"me"},
		"nonsense":            {1},
	} {
		for _, v := range values {
			err := s.SetOption("otp", name, v)
			assert.ErrorIs(t, err, &InvalidError{What: "socket_option"}, "%s %v", name, v)
		}
	}
	_, err := s.Option("otp", "nonsense")
	assert.ErrorIs(t, err, &InvalidError{What: "socket_option"})
}

func TestOTPOptionErrorsNameTheOperationAndTheSocket(t *testing.T) {
	s, _ := pair(t, Stream)
	get := func(name string) error { _, err := s.Option("otp", name); return err }
	set := func(name string, v any) error { return s.SetOption("otp", name, v) }
	check := func(op string, reason, err error) {
		t.Helper()
		var e *Error
		if assert.ErrorAs(t, err, &e) {
			assert.Equal(t, op, e.Op)
			assert.Same(t, s, e.Socket)
			assert.ErrorIs(t, err, reason)
		}
	}
	invalid := &InvalidError{What: "socket_option"}
	check("getopt", invalid, get("nonsense"))
	check("setopt", invalid, set("nonsense", 1))
	check("setopt", invalid, set("rcvbuf", "big"))
	check("setopt", invalid, set("fd", 3))
	require.NoError(t, set("controlling_process", NewMailbox()))
	check("controlling_process", &InvalidError{What: "not_owner"}, set("controlling_process", NewMailbox()))
	require.NoError(t, s.Close())
	check("getopt", net.ErrClosed, get("rcvbuf"))
	check("setopt", net.ErrClosed, set("rcvbuf", 10))
	check("controlling_process", net.ErrClosed, set("controlling_process", NewMailbox()))
}

func TestOTPOptionsOfAClosedSocket(t *testing.T) {
	s, _ := pair(t, Stream)
	require.NoError(t, s.SetOption("otp", "meta", "secret"))
	require.NoError(t, s.Close())
	for _, name := range []string{"rcvbuf", "meta", "fd"} {
		_, err := s.Option("otp", name)
		assert.ErrorIs(t, err, net.ErrClosed)
	}
	assert.ErrorIs(t, s.SetOption("otp", "meta", 1), net.ErrClosed)
	registered, err := s.Option("otp", "use_registry")
	assert.NoError(t, err)
	assert.Equal(t, true, registered)
	assert.Nil(t, s.Meta(), "the cookie is let go")
}
