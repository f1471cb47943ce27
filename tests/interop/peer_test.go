package interop

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/internal/testwait"
)

// goPlayer plays one role of one scene with gentcp, as actor.erl does with gen_tcp: an actor is a mailbox.
type goPlayer struct {
	mu     sync.Mutex
	actors map[string]*esock.Mailbox
	vars   map[string]any // *gentcp.Socket, or RestData as string
}

func newGoPlayer() *goPlayer {
	return &goPlayer{actors: map[string]*esock.Mailbox{}, vars: map[string]any{}}
}

// do performs a step. The scene is always the same.
func (p *goPlayer) do(_, actor, text string) (line string, err error) {
	switch text {
	case "end()":
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, mb := range p.actors {
			mb.Close()
		}
		return "ok", nil
	case "exit()":
		p.mailbox(actor).Close()
		return "ok", nil
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: %v", text, r)
		}
	}()
	name, rest := "", text
	if m := assignment.FindStringSubmatch(text); m != nil {
		name, rest = m[1], m[2]
	}
	term, err := parseTerm(rest)
	if err != nil {
		return "", err
	}
	c, ok := term.(call)
	if !ok {
		return "", errors.New("not a call: " + text)
	}
	for i := range c.args {
		c.args[i] = evaluate(c.args[i], p.value)
	}
	do := functions[c.name]
	if do == nil {
		return "", errors.New("no function " + c.name)
	}
	value, err := do(turn{p, p.mailbox(actor)}, c.args)
	return show(p.result(name, value, err)), nil
}

// result is the term of a call's result. A variable takes the value, or RestData of a send timeout.
func (p *goPlayer) result(name string, value any, err error) any {
	p.mu.Lock()
	defer p.mu.Unlock()
	var late *gentcp.SendTimeoutError
	switch {
	case errors.As(err, &late):
		if name != "" {
			p.vars[name] = string(late.Rest)
		}
		return tuple{atom("error"), tuple{atom("timeout"), atom("rest")}}
	case err != nil:
		return tuple{atom("error"), atom(gentcp.Reason(err))}
	case name != "":
		p.vars[name] = value
		return atom("ok")
	case value == nil:
		return atom("ok")
	}
	if l, ok := value.(bare); ok {
		return l.any
	}
	return tuple{atom("ok"), value}
}

// bare is a result without ok around it.
type bare struct{ any }

func (p *goPlayer) mailbox(actor string) *esock.Mailbox {
	p.mu.Lock()
	defer p.mu.Unlock()
	mb := p.actors[actor]
	if mb == nil {
		mb = esock.NewMailbox()
		p.actors[actor] = mb
	}
	return mb
}

// value is what a variable stands for.
func (p *goPlayer) value(name variable) any {
	p.mu.Lock()
	defer p.mu.Unlock()
	v, ok := p.vars[string(name)]
	if !ok {
		panic("unbound " + name)
	}
	return v
}

// nameOf is the variable that a socket is in.
func (p *goPlayer) nameOf(s *gentcp.Socket) variable {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, v := range p.vars {
		if v == s {
			return variable(name)
		}
	}
	return "unnamed_socket"
}

// turn is a player with the mailbox of the actor whose step it is.
type turn struct {
	*goPlayer
	mb *esock.Mailbox
}

// functions is what the scripts call; see do/3 of actor.erl.
var functions map[string]func(turn, []any) (any, error)

func init() {
	functions = map[string]func(turn, []any) (any, error){
		"listen": turn.listen, "connect": turn.connect, "accept": turn.accept,
		"send": turn.send, "recv": turn.recv, "shutdown": turn.shutdown, "close": turn.close,
		"setopts": turn.setOpts, "getopts": turn.getOpts, "getstat": turn.getStat,
		"sockname": turn.sockName, "peername": turn.peerName, "port": turn.port,
		"controlling_process": turn.controllingProcess, "sendfile": turn.sendFile,
		"msgs": turn.messages, "flush": turn.flush, "pending": turn.pending, "collect": turn.collect,
		"waiting": turn.waiting, "tried": turn.tried, "full": turn.full, "is": turn.is, "connect_refused": turn.connectRefused,
		"send_until_error": turn.sendUntilError, "recv_until_error": turn.recvUntilError,
		"drip": turn.drip, "send_bulk": turn.sendBulk, "recv_bulk": turn.recvBulk, "collect_bulk": turn.collectBulk,
		"echo_server": turn.echoServer, "echo_clients": turn.echoClients,
	}
}

func socket(v any) *gentcp.Socket { return v.(*gentcp.Socket) }

// wait is the argument at i in milliseconds, or patience if there is none.
func wait(args []any, i int) esock.Wait {
	if len(args) > i {
		return esock.Within(time.Duration(args[i].(int)) * time.Millisecond)
	}
	return esock.Within(patience)
}

func (t turn) listen(args []any) (any, error) {
	port := 0
	if len(args) == 2 {
		port = args[0].(int)
	}
	opts, err := options(args[len(args)-1])
	if err != nil {
		return nil, err
	}
	return value(gentcp.Listen(t.mb, port, opts...))
}

func (t turn) connect(args []any) (any, error) {
	if len(args) == 2 {
		args = []any{tuple{127, 0, 0, 1}, args[0], args[1]}
	}
	opts, err := options(args[2])
	if err != nil {
		return nil, err
	}
	if host, ok := args[0].(string); ok {
		return value(gentcp.Connect(t.mb, host, args[1].(int), wait(args, 3), opts...))
	}
	addr := address(args[0].(tuple))
	if ip, ok := addr.(netip.Addr); ok {
		addr = esock.AddrFrom(netip.AddrPortFrom(ip, uint16(args[1].(int))))
	}
	return value(gentcp.ConnectAddr(t.mb, addr.(esock.Addr), wait(args, 3), opts...))
}

func (t turn) accept(args []any) (any, error) {
	return value(socket(args[0]).Accept(t.mb, wait(args, 1)))
}

// value keeps a nil pointer from becoming a value.
func value(s *gentcp.Socket, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (t turn) send(args []any) (any, error) {
	return nil, socket(args[0]).Send([]byte(args[1].(string)))
}

func (t turn) recv(args []any) (any, error) {
	p, err := socket(args[0]).Recv(args[1].(int), wait(args, 2))
	if err != nil {
		return nil, err
	}
	return packetTerm(p), nil
}

func (t turn) shutdown(args []any) (any, error) {
	how := map[atom]esock.How{"read": esock.ShutRead, "write": esock.ShutWrite, "read_write": esock.ShutReadWrite}
	return nil, socket(args[0]).Shutdown(how[args[1].(atom)])
}

func (t turn) close(args []any) (any, error) { return nil, socket(args[0]).CloseFrom(t.mb) }

func (t turn) getStat(args []any) (any, error) {
	var names []string
	for _, name := range args[1].(list) {
		names = append(names, string(name.(atom)))
	}
	stats, err := socket(args[0]).GetStat(names...)
	if err != nil {
		return nil, err
	}
	var all list
	for _, s := range stats {
		all = append(all, tuple{atom(s.Name), int(s.Value)})
	}
	return all, nil
}

func (t turn) sockName(args []any) (any, error) { return addrTerm(socket(args[0]).SockName()) }
func (t turn) peerName(args []any) (any, error) { return addrTerm(socket(args[0]).PeerName()) }
func (t turn) port(args []any) (any, error)     { return socket(args[0]).Port() }

func (t turn) controllingProcess(args []any) (any, error) {
	return nil, socket(args[0]).ControllingProcess(t.mb, t.mailbox(string(args[1].(atom))))
}

// waiting waits until n calls wait on the OS socket.
func (t turn) waiting(args []any) (any, error) {
	return nil, eventually(func() bool {
		info := socket(args[0]).Socket().Info()
		n := map[atom]int{"readers": info.NumReaders, "writers": info.NumWriters, "acceptors": info.NumAcceptors}
		return n[args[1].(atom)] >= args[2].(int)
	})
}

// tried waits until a receive has been tried.
func (t turn) tried(args []any) (any, error) {
	return nil, eventually(func() bool { return socket(args[0]).Socket().Counters().ReadTries > 0 })
}

func (t turn) is(args []any) (any, error) {
	if args[0] != args[1] {
		return nil, fmt.Errorf("%q", args[0])
	}
	return nil, nil
}

// connectRefused waits until a port has no listener.
func (t turn) connectRefused(args []any) (any, error) {
	return nil, eventually(func() bool {
		s, err := gentcp.Connect(nil, "127.0.0.1", args[0].(int), esock.Within(patience))
		if err == nil {
			s.Close()
		}
		return gentcp.Reason(err) == "econnrefused"
	})
}

func eventually(cond func() bool) error {
	if !testwait.Comes(cond) {
		return errors.New("never")
	}
	return nil
}
