// Sctp-chat is a chat room over SCTP: one socket has the associations of all participants.
//
//	sctp-chat open ADDRESS...       opens a room at the addresses: 10.0.0.1:4000 10.1.0.1:4000
//	sctp-chat join NAME ADDRESS...  joins it, says each line of the standard input, and prints what others say
//
// The room shows what makes SCTP different: a message is a message; one socket serves all (one-to-many); notifications
// report each association that begins and ends; an address that fails is replaced by another, which both sides print; stream 0 has names,
// stream 1 has talk.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sctp"
	"github.com/esock-go/esock/sockopt"
)

// The streams.
const (
	names = 0
	talk  = 1
)

func main() {
	err := errors.New("usage: sctp-chat open ADDRESS... | sctp-chat join NAME ADDRESS...")
	switch args := os.Args[1:]; {
	case len(args) >= 2 && args[0] == "open":
		var s *esock.Socket
		if s, err = open(args[1:]); err == nil {
			err = serve(s, os.Stdout)
		}
	case len(args) >= 3 && args[0] == "join":
		err = join(args[1], args[2:], os.Stdin, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func parse(texts []string) (addrs []esock.Addr, err error) {
	for _, text := range texts {
		a, err := esock.ParseAddr(text)
		if err != nil {
			return nil, err
		}
		addrs = append(addrs, a)
	}
	return addrs, nil
}

// open makes the room's socket.
func open(texts []string) (*esock.Socket, error) {
	addrs, err := parse(texts)
	if err != nil {
		return nil, err
	}
	s, err := esock.Open(addrs[0].Family(), esock.SeqPacket, esock.SCTP)
	if err != nil {
		return nil, err
	}
	err = errors.Join(sctp.BindX(s, addrs...), sockopt.SCTPRecvRcvInfo.Set(s, true),
		sctp.Subscribe(s, sctp.AllAssoc, sctp.EventAssocChange, sctp.EventPeerAddrChange), s.Listen(16))
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// serve passes on what members say until the socket closes.
func serve(s *esock.Socket, log io.Writer) error {
	members := map[int32]string{}
	tell := func(but int32, text string) {
		for id := range members {
			if id != but { // a member that takes nothing misses it: its notification follows
				sctp.SendV(s, [][]byte{[]byte(text)}, nil, esock.Within(0), esock.SCTPSndInfo{SID: talk, AssocID: id})
			}
		}
		fmt.Fprintln(log, text)
	}
	var m esock.Msg
	for {
		event, err := sctp.RecvV(s, &m, esock.Forever)
		if err != nil {
			return err
		}
		switch e := event.(type) {
		case sctp.AssocChange:
			if name, ok := members[e.AssocID]; ok && e.State != sctp.CommUp && e.State != sctp.Restart {
				delete(members, e.AssocID)
				tell(0, name+" has left")
			}
		case sctp.PeerAddrChange:
			fmt.Fprintf(log, "%s: %v: %v\n", members[e.AssocID], e.Addr, e.State)
		case nil:
			info, _ := sctp.RcvInfo(&m)
			switch text := string(m.Data()); info.SID {
			case names:
				members[info.AssocID] = text
				tell(0, text+" has joined")
			default:
				tell(info.AssocID, members[info.AssocID]+": "+text)
			}
		}
	}
}

// join is a member's side, over a one-to-one socket. It returns when the input or the room ends.
func join(name string, texts []string, in io.Reader, out io.Writer) error {
	room, err := parse(texts)
	if err != nil {
		return err
	}
	s, err := esock.Open(room[0].Family(), esock.Stream, esock.SCTP)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := sctp.Subscribe(s, sctp.AllAssoc, sctp.EventAssocChange, sctp.EventPeerAddrChange); err != nil {
		return err
	}
	if _, err := sctp.ConnectX(s, esock.Forever, room...); err != nil {
		return err
	}
	if err := say(s, names, name); err != nil {
		return err
	}
	go func() {
		lines := bufio.NewScanner(in)
		for lines.Scan() && say(s, talk, lines.Text()) == nil {
		}
		sctp.EOF(s, 0, esock.Forever) // an AssocChange follows
	}()
	var m esock.Msg
	for {
		event, err := sctp.RecvV(s, &m, esock.Forever)
		switch e := event.(type) {
		case nil:
			if err == io.EOF {
				return nil // the room has closed
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "%s\n", m.Data())
		case sctp.PeerAddrChange:
			fmt.Fprintf(out, "%v: %v\n", e.Addr, e.State)
		case sctp.AssocChange:
			switch e.State {
			case sctp.ShutdownComp:
				return nil
			case sctp.CommLost:
				return errors.New("the room is out of reach")
			}
		}
	}
}

// say sends a line, which may not be empty, as one message.
func say(s *esock.Socket, stream uint16, line string) error {
	if line == "" {
		return nil
	}
	_, err := sctp.SendV(s, [][]byte{[]byte(line)}, nil, esock.Forever, esock.SCTPSndInfo{SID: stream})
	return err
}
