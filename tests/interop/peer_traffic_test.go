package interop

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"sync"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
)

// What the scripts call to move more than one packet: see do/3 of actor.erl.

func (t turn) sendFile(args []any) (any, error) {
	path := args[0].(string)
	if len(args) == 2 {
		n, err := gentcp.SendFile(path, socket(args[1]))
		return int(n), err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	n, err := socket(args[1]).SendFile(f, int64(args[2].(int)), int64(args[3].(int)))
	return int(n), err
}

// receive waits for a message.
func (t turn) receive() (esock.Message, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return t.mb.Receive(ctx)
}

// messages waits for n messages.
func (t turn) messages(args []any) (any, error) {
	var got []any
	for range args[0].(int) {
		msg, err := t.receive()
		if err != nil {
			break
		}
		got = append(got, t.messageTerm(msg))
	}
	return bare{asList(got)}, nil
}

// flush takes the messages that are there.
func (t turn) flush([]any) (any, error) {
	var got []any
	for msg, ok := t.mb.Poll(); ok; msg, ok = t.mb.Poll() {
		got = append(got, t.messageTerm(msg))
	}
	return bare{asList(got)}, nil
}

// pending waits until messages of as many sockets have come as its second argument says, else of one. How many they
// are is not known before they are received: data becomes messages then.
func (t turn) pending(args []any) (any, error) {
	sockets := 1
	if len(args) == 2 {
		sockets = args[1].(int)
	}
	return nil, eventually(func() bool { return t.mb.Len() >= sockets })
}

// collect waits for n bytes of data messages, however they are cut.
func (t turn) collect(args []any) (any, error) {
	var got []byte
	for len(got) < args[1].(int) {
		msg, err := t.receive()
		if err != nil {
			return nil, err
		}
		data, ok := dataOf(msg)
		if !ok {
			return nil, fmt.Errorf("%d bytes, then %v", len(got), show(t.messageTerm(msg)))
		}
		got = append(got, data...)
	}
	return string(got), nil
}

func dataOf(msg esock.Message) ([]byte, bool) {
	switch m := msg.(type) {
	case gentcp.TCPMsg:
		return m.Data(), true
	case gentcp.PortMsg:
		return m.Data(), true
	}
	return nil, false
}

// drip sends one byte at a time.
func (t turn) drip(args []any) (any, error) {
	for _, b := range []byte(args[1].(string)) {
		if err := socket(args[0]).Send([]byte{b}); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func (t turn) sendUntilError(args []any) (any, error) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if err := socket(args[0]).Send([]byte(args[1].(string))); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// full sends, raw, until nothing is taken any more for twice as long as Linux needs to send what the window has room for.
func (t turn) full(args []any) (any, error) {
	s, data := socket(args[0]), []byte(pattern(4000))
	if err := s.SetOpts(gentcp.PacketType(packet.Raw), gentcp.SendTimeout(400*time.Millisecond)); err != nil {
		return nil, err
	}
	for refused := 0; refused < 2; {
		err := s.Send(data)
		var late *gentcp.SendTimeoutError
		switch {
		case err == nil:
			refused = 0
		case !errors.As(err, &late):
			return nil, err
		case len(late.Rest) == len(data):
			refused++
		default:
			refused = 0
		}
	}
	return nil, nil
}

func (t turn) recvUntilError(args []any) (any, error) {
	for n := 0; ; {
		p, err := socket(args[0]).Recv(0, esock.Within(patience))
		if err != nil {
			return bare{tuple{n, atom(gentcp.Reason(err))}}, nil
		}
		n += len(p.Data())
	}
}

func (t turn) sendBulk(args []any) (any, error) {
	total, chunk := args[1].(int), []byte(pattern(args[2].(int)))
	sum := uint32(0)
	for left := total; left > 0; left -= len(chunk) {
		chunk = chunk[:min(left, len(chunk))]
		if err := socket(args[0]).Send(chunk); err != nil {
			return nil, err
		}
		sum = crc32.Update(sum, crc32.IEEETable, chunk)
	}
	return tuple{total, int(sum)}, nil
}

func (t turn) recvBulk(args []any) (any, error) {
	buf := make([]byte, 128<<10)
	got, sum := 0, uint32(0)
	for got < args[1].(int) {
		p, err := socket(args[0]).RecvInto(buf, 0, esock.Within(patience))
		if err != nil {
			return nil, err
		}
		sum = crc32.Update(sum, crc32.IEEETable, p.Data())
		got += len(p.Data())
	}
	return tuple{got, int(sum)}, nil
}

func (t turn) collectBulk(args []any) (any, error) {
	got, sum := 0, uint32(0)
	for got < args[1].(int) {
		msg, err := t.receive()
		if err != nil {
			return nil, err
		}
		switch m := msg.(type) {
		case gentcp.TCPMsg:
			sum = crc32.Update(sum, crc32.IEEETable, m.Data())
			got += len(m.Data())
		case gentcp.PassiveMsg:
			if err := m.Sock.SetOpts(gentcp.ActiveN(10)); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("%d bytes, then %v", got, show(t.messageTerm(msg)))
		}
	}
	return tuple{got, int(sum)}, nil
}

// each runs n goroutines and adds up their results.
func each(n int, f func(i int) (int, error)) (any, error) {
	var wg sync.WaitGroup
	counts, errs := make([]int, n), make([]error, n)
	for i := range n {
		wg.Go(func() { counts[i], errs[i] = f(i) })
	}
	wg.Wait()
	sum := 0
	for i := range n {
		if errs[i] != nil {
			return nil, errs[i]
		}
		sum += counts[i]
	}
	return sum, nil
}

// echoServer accepts connections, echoes what each says until its end, and returns the number of messages.
func (t turn) echoServer(args []any) (any, error) {
	return each(args[1].(int), func(int) (n int, err error) {
		s, err := socket(args[0]).Accept(nil, esock.Within(patience))
		if err != nil {
			return 0, err
		}
		defer s.Close()
		for {
			p, err := s.Recv(0, esock.Within(patience))
			if err != nil {
				if gentcp.Reason(err) == "closed" {
					err = nil
				}
				return n, err
			}
			if err := s.Send(p.Data()); err != nil {
				return n, err
			}
			n++
		}
	})
}

// echoClients makes connections at the same time, each sends messages and checks that each comes back.
func (t turn) echoClients(args []any) (any, error) {
	port, messages := args[0].(int), args[2].(int)
	return each(args[1].(int), func(i int) (good int, err error) {
		mine := turn{t.goPlayer, esock.NewMailbox()}
		defer mine.mb.Close()
		s, err := gentcp.Connect(mine.mb, "127.0.0.1", port, esock.Within(patience),
			gentcp.PacketType(packet.Len4), gentcp.ActiveOnce())
		if err != nil {
			return 0, err
		}
		for m := range messages {
			data := binary.BigEndian.AppendUint32(nil, uint32(i))
			data = binary.BigEndian.AppendUint32(data, uint32(m))
			data = append(data, pattern((i*131+m*17)%3000)...)
			if err := s.Send(data); err != nil {
				return good, err
			}
			msg, err := mine.receive()
			if err != nil {
				return good, err
			}
			got, ok := dataOf(msg)
			if !ok || string(got) != string(data) {
				return good, fmt.Errorf("connection %d, message %d came back as %v", i, m, show(mine.messageTerm(msg)))
			}
			good++
			if err := s.SetOpts(gentcp.ActiveOnce()); err != nil {
				return good, err
			}
		}
		return good, nil
	})
}
