// Sharding is an HTTP server of several shards on one address. Each has a listener of its own, with a queue of its own
// (SO_REUSEPORT), and a BPF program says which of them a connection goes to.
//
//	sharding [-listen ADDRESS] [-shards N] [-by processor|client]
//
// By processor, a connection goes to the shard of the processor that its packets arrive on, so that what the kernel has in
// that processor's cache stays there. By client, it goes to the shard of the last byte of the client's address, so that a
// client finds what its shard remembers. Without a program the kernel spreads connections by a hash of both addresses.
//
// The program returns the number of a socket in the group, which is the order in which they began to listen. It sees the
// packet that begins a connection. A program of classic BPF needs no privilege. When a listener closes, its queue is reset,
// and the last socket of the group gets its number: so close all, or none.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/esock-go/esock/netconn"
	"github.com/esock-go/esock/sockopt"
)

func main() {
	address := flag.String("listen", "127.0.0.1:8080", "the address to listen on")
	shards := flag.Int("shards", runtime.NumCPU(), "how many listeners share it")
	by := flag.String("by", "processor", "what chooses the shard: processor or client")
	flag.Parse()
	if err := run(*address, *shards, *by); err != nil {
		log.Fatal(err)
	}
}

func run(address string, shards int, by string) error {
	program, ok := map[string][]sockopt.SockFilter{"processor": byProcessor(shards), "client": byClient(shards)}[by]
	if !ok || shards < 1 {
		return fmt.Errorf("no way to choose one of %d shards: %s", shards, by)
	}
	group, err := listen(address, shards, program)
	if err != nil {
		return err
	}
	var servers []*http.Server
	ended := make(chan error, shards)
	for i, l := range group {
		s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "shard", i) })}
		servers = append(servers, s)
		go func() { ended <- s.Serve(l) }()
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt)
	fmt.Println(group[0].Addr(), "served by", shards, "shards")
	select {
	case <-signals:
	case err = <-ended:
	}
	for _, s := range servers {
		err = errors.Join(err, s.Shutdown(context.Background()))
	}
	return err
}

// listen makes a group of listeners. The program is that of the whole group, whichever socket it is set on.
func listen(address string, shards int, program []sockopt.SockFilter) (group []*netconn.Listener, err error) {
	defer func() {
		if err != nil {
			for _, l := range group {
				l.Close()
			}
		}
	}()
	lc := netconn.ListenConfig{ReusePort: true}
	for range shards {
		l, err := lc.Listen(context.Background(), "tcp", address)
		if err != nil {
			return group, err
		}
		group = append(group, l.(*netconn.Listener))
		address = l.Addr().String() // the port, if the kernel has chosen it
	}
	return group, sockopt.SocketAttachReusePortCBPF.Set(group[0].Socket(), program)
}

// Offsets at which a program reads what is not in the data: SKF_AD_OFF + SKF_AD_CPU is the number of the processor, and
// SKF_NET_OFF the header of IP. <linux/filter.h>.
const (
	processor = 0xfffff000 + 36
	header    = 0xfff00000
)

func byProcessor(shards int) []sockopt.SockFilter {
	return []sockopt.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: processor},
		{Code: unix.BPF_ALU | unix.BPF_MOD | unix.BPF_K, K: uint32(shards)},
		{Code: unix.BPF_RET | unix.BPF_A},
	}
}

func byClient(shards int) []sockopt.SockFilter {
	const lastOf4, lastOf6 = 15, 23
	return []sockopt.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: header},
		{Code: unix.BPF_ALU | unix.BPF_RSH | unix.BPF_K, K: 4},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: 4, JF: 2},
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: header + lastOf4},
		{Code: unix.BPF_JMP | unix.BPF_JA, K: 1},
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: header + lastOf6},
		{Code: unix.BPF_ALU | unix.BPF_MOD | unix.BPF_K, K: uint32(shards)},
		{Code: unix.BPF_RET | unix.BPF_A},
	}
}
