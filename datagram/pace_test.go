package datagram_test

import (
	"net/netip"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/datagram"
)

// Datagrams of one time are one train, whatever the interface does with the time.
func TestTimesAndTrains(t *testing.T) {
	a, _ := udp(t, esock.Inet)
	s, to := udp(t, esock.Inet)
	out, in := batch(t, a, 10, 100, datagram.Paced()), batch(t, s, 10, 65535, datagram.Details(datagram.DetailTOS))
	require.NoError(t, out.SetControl(esock.TOS(8)))
	now := datagram.Now()
	for i := range 9 {
		switch i {
		case 2, 4:
			require.NoError(t, out.SetTime(now+time.Duration(i)))
		case 6:
			require.NoError(t, out.SetControl())
		case 8:
			require.NoError(t, out.SetTime(0))
		}
		require.NoError(t, out.Append([]byte{byte(i)}, to))
	}
	_, err := out.Send(0, patience)
	require.NoError(t, err)
	_, sent := out.Counters()
	if out.Info().TrainsErr == nil {
		assert.EqualValues(t, 4, sent.Trains, "0 and 1; 2 and 3; 4 and 5; 6 and 7, with the time of 4; 8")
	}
	tos := []int{}
	for len(tos) < 9 {
		_, err := in.Recv(0, patience)
		require.NoError(t, err)
		for d := range in.All() {
			assert.Equal(t, byte(len(tos)), d.Data()[0])
			v, _ := d.TOS()
			tos = append(tos, v)
		}
	}
	assert.Equal(t, []int{8, 8, 8, 8, 8, 8, 0, 0, 0}, tos)

	var invalid *esock.InvalidError
	assert.ErrorAs(t, in.SetTime(now), &invalid)
	assert.ErrorAs(t, out.SetTime(-1), &invalid)
	_, err = datagram.NewBatch(a, 1, 1, datagram.Paced(), datagram.Control(16))
	assert.ErrorAs(t, err, &invalid)
	narrow := batch(t, a, 1, 1, datagram.Paced(), datagram.Control(40))
	require.NoError(t, narrow.SetControl(esock.TOS(8)))
	assert.ErrorAs(t, narrow.SetTime(now), &invalid, "no room for both")
}

// With the queueing discipline fq, nothing arrives before its time.
func TestPaced(t *testing.T) {
	ends := cable(t)
	if out, err := exec.Command("tc", "-n", ends[0].ns, "qdisc", "add", "dev", ends[0].dev, "root", "fq").CombinedOutput(); err != nil {
		t.Skipf("the queueing discipline fq: %v: %s", err, out)
	}
	out, in := batch(t, ends[0].Socket, 10, 100, datagram.Paced()), batch(t, ends[1].Socket, 10, 65535)
	now := datagram.Now()
	times := []time.Duration{now + 50*time.Millisecond, now + 200*time.Millisecond, now + 500*time.Millisecond}
	for i, at := range times {
		require.NoError(t, out.SetTime(at))
		for range 2 {
			require.NoError(t, out.Append([]byte{byte(i)}, ends[1].at))
		}
	}
	n, err := out.Send(0, patience)
	require.NoError(t, err)
	require.Equal(t, 6, n)
	for came := 0; came < 6; {
		_, err := in.Recv(0, patience)
		require.NoError(t, err)
		at := datagram.Now()
		for d := range in.All() {
			assert.GreaterOrEqual(t, at, times[d.Data()[0]])
			came++
		}
	}
}

// Next goes through what All yields, however few at a time.
func TestNext(t *testing.T) {
	a, _ := udp(t, esock.Inet)
	s, to := udp(t, esock.Inet)
	in, out := gro(t, s, 10), batch(t, a, 10, 100)
	_, ok := in.Next()
	assert.False(t, ok)
	require.NoError(t, out.SetControl(esock.TTL(9)))
	for _, size := range []int{100, 100, 40, 0, 7, 7, 90} {
		require.NoError(t, out.Append(make([]byte, size), to))
	}
	_, err := out.Send(0, patience)
	require.NoError(t, err)
	sizes := []int{}
	for len(sizes) < 7 {
		_, err := in.Recv(0, patience)
		require.NoError(t, err)
		all := []int{}
		for d := range in.All() {
			all = append(all, len(d.Data()))
		}
		got := []int{}
		for d, ok := in.Next(); ok; d, ok = in.Next() {
			got = append(got, len(d.Data()))
			assert.Equal(t, d.From().Addr(), to.Addr())
		}
		assert.Equal(t, all, got)
		sizes = append(sizes, got...)
	}
	assert.Equal(t, []int{100, 100, 40, 0, 7, 7, 90}, sizes)
	require.NoError(t, out.Append([]byte("x"), to))
	_, err = out.Send(0, patience)
	require.NoError(t, err)
	_, err = in.Recv(0, patience)
	require.NoError(t, err)
	in.Reset()
	_, ok = in.Next()
	assert.False(t, ok)
}

// The bytes of control messages are those that esock decodes.
func TestControlBytes(t *testing.T) {
	a, _ := udp(t, esock.Inet)
	s, to := udp(t, esock.Inet)
	in := batch(t, s, 2, 100, datagram.Details(datagram.DetailTTL))
	_, err := a.SendTo([]byte("x"), esock.AddrFrom(to), 0, esock.Forever)
	require.NoError(t, err)
	_, err = in.Recv(0, patience)
	require.NoError(t, err)
	d, _ := in.Next()
	want := []byte{}
	for c := range d.Control() {
		want = append(want, c.Data...)
	}
	require.Len(t, want, 4)
	assert.Contains(t, string(d.ControlBytes()), string(want))
	assert.Equal(t, netip.AddrPort{}, datagram.Datagram{}.From())
}
