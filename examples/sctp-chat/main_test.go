package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/testmain"
	"github.com/esock-go/esock/internal/testwait"
)

func TestMain(m *testing.M) { os.Exit(testmain.Run(m)) }

// hears returns the next line that comes.
func hears(t *testing.T, from *bufio.Scanner) string {
	t.Helper()
	line := make(chan string, 1)
	go func() {
		from.Scan()
		line <- from.Text()
	}()
	return testwait.Result(t, "a line", line)
}

func TestTwoTalkInARoom(t *testing.T) {
	s, err := open([]string{"127.0.0.1:0"})
	if errors.Is(err, syscall.EPROTONOSUPPORT) || errors.Is(err, syscall.ESOCKTNOSUPPORT) {
		t.Skip("the kernel has no SCTP: ", err)
	}
	require.NoError(t, err)
	at, err := s.SockName()
	require.NoError(t, err)
	logged, log := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- serve(s, log) }()
	room := bufio.NewScanner(logged)

	type member struct {
		mouth *io.PipeWriter
		ear   *bufio.Scanner
		left  chan error
	}
	joins := func(name string) member {
		in, mouth := io.Pipe()
		ear, out := io.Pipe()
		m := member{mouth, bufio.NewScanner(ear), make(chan error, 1)}
		go func() {
			m.left <- join(name, []string{at.String()}, in, out)
			in.Close()
			out.Close()
		}()
		return m
	}
	anna := joins("anna")
	assert.Equal(t, "anna has joined", hears(t, anna.ear))
	assert.Equal(t, "anna has joined", hears(t, room))
	bert := joins("bert")
	for _, ear := range []*bufio.Scanner{anna.ear, bert.ear, room} {
		assert.Equal(t, "bert has joined", hears(t, ear))
	}
	_, err = io.WriteString(anna.mouth, "hello\n\nbert\n")
	require.NoError(t, err)
	for _, said := range []string{"anna: hello", "anna: bert"} {
		assert.Equal(t, said, hears(t, bert.ear))
		assert.Equal(t, said, hears(t, room)) // until it is read, the room waits
	}
	require.NoError(t, anna.mouth.Close())
	assert.NoError(t, testwait.Result(t, "the end", anna.left))
	for _, ear := range []*bufio.Scanner{bert.ear, room} {
		assert.Equal(t, "anna has left", hears(t, ear))
	}
	require.NoError(t, s.Close())
	assert.ErrorIs(t, testwait.Result(t, "the end", ended), net.ErrClosed)
	assert.NoError(t, testwait.Result(t, "the end", bert.left))
	bert.mouth.Close()
}

func TestAnAddressThatIsNone(t *testing.T) {
	_, err := open([]string{"nowhere"})
	assert.ErrorContains(t, err, "nowhere")
	assert.ErrorContains(t, join("anna", []string{"nowhere"}, nil, nil), "nowhere")
}
